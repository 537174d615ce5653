ALTER TABLE admin_users
    ADD COLUMN status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'invited', 'disabled')),
    ADD COLUMN version BIGINT NOT NULL DEFAULT 1,
    -- A release before does not write it.
    ADD COLUMN updated_at TIMESTAMPTZ NOT NULL DEFAULT now();

-- One-time links with which one of the staff sets a password: an invitation, or after an owner has reset it.
CREATE TABLE invitations (
    store_id     UUID NOT NULL,
    id           UUID NOT NULL,
    user_id      UUID NOT NULL,
    secret_hash  BYTEA NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    FOREIGN KEY (store_id, user_id) REFERENCES admin_users (store_id, id) ON DELETE CASCADE
);
CREATE INDEX invitations_of_user ON invitations (store_id, user_id);

ALTER TABLE events DROP CONSTRAINT events_subject_type_check,
    ADD CONSTRAINT events_subject_type_check
        CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job', 'client', 'user')) NOT VALID;
