ALTER TABLE stores ADD COLUMN require_email_verification BOOLEAN NOT NULL DEFAULT FALSE;

-- Members who registered where the store wants to know that the address is theirs. Another address needs another look.
CREATE TABLE email_verifications (
    store_id     UUID NOT NULL,
    member_id    UUID NOT NULL,
    -- SHA-256 of the secret of the one-time token that was made last, and until when it is good
    token_hash   BYTEA,
    expires_at   TIMESTAMPTZ,
    verified_at  TIMESTAMPTZ,
    -- the registration's application goes to Paid by itself then
    submits      BOOLEAN NOT NULL,
    PRIMARY KEY (store_id, member_id),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id) ON DELETE CASCADE,
    CHECK ((token_hash IS NULL) = (expires_at IS NULL))
);

-- An application that has left `pending` is not the one that the registration asked for, whoever makes it pending again.
CREATE FUNCTION members_submit_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE email_verifications SET submits = FALSE WHERE store_id = NEW.store_id AND member_id = NEW.id AND submits;
    RETURN NULL;
END $$;
CREATE TRIGGER members_submit_once AFTER UPDATE OF application_status ON members FOR EACH ROW
    WHEN (OLD.application_status = 'pending' AND NEW.application_status <> 'pending')
    EXECUTE FUNCTION members_submit_once();
