ALTER TABLE sessions
    -- how often it was refreshed
    ADD COLUMN rotation INT NOT NULL DEFAULT 0,
    -- SHA-256 of the secret before
    ADD COLUMN former_refresh_hash BYTEA,
    -- when it last was, and from which network
    ADD COLUMN rotated_at TIMESTAMPTZ,
    ADD COLUMN rotated_from TEXT;
