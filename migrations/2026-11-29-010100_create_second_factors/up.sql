-- since when one of the staff logs in with a second factor
ALTER TABLE admin_users ADD COLUMN second_factor_at TIMESTAMPTZ;

-- when whoever has it last showed again who he is; at the log-in only where there is none
ALTER TABLE sessions ADD COLUMN proved_at TIMESTAMPTZ;

ALTER TABLE stores ADD COLUMN require_second_factor BOOLEAN NOT NULL DEFAULT FALSE;

-- What a second factor is checked with; it is in force where admin_users.second_factor_at says so.
CREATE TABLE second_factors (
    store_id        UUID NOT NULL,
    user_id         UUID NOT NULL,
    secret_sealed   BYTEA NOT NULL,
    -- the number of the last code that was taken, in half minutes since 1970
    last_step       BIGINT NOT NULL DEFAULT 0,
    -- wrong codes since the last right one, and when the last of them came
    failures        INT NOT NULL DEFAULT 0,
    failed_at       TIMESTAMPTZ,
    -- SHA-256 of each recovery code that is left, one after another
    recovery_hashes BYTEA NOT NULL DEFAULT '',
    PRIMARY KEY (store_id, user_id),
    FOREIGN KEY (store_id, user_id) REFERENCES admin_users (store_id, id) ON DELETE CASCADE
);
