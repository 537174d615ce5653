ALTER TABLE stores ADD COLUMN require_email_verification BOOLEAN NOT NULL DEFAULT FALSE;

-- Members who registered where the store wants to know that the address is theirs. Another address needs another look.
CREATE TABLE email_verifications (
    store_id     UUID NOT NULL,
    member_id    UUID NOT NULL,
    -- SHA-256 of the secret of the one-time token that was made last, and until when it is good
    token_hash   BYTEA,
    expires_at   TIMESTAMPTZ,
    verified_at  TIMESTAMPTZ,
    PRIMARY KEY (store_id, member_id),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id) ON DELETE CASCADE,
    CHECK ((token_hash IS NULL) = (expires_at IS NULL))
);
