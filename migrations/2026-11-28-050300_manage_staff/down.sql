ALTER TABLE events DROP CONSTRAINT events_subject_type_check,
    ADD CONSTRAINT events_subject_type_check
        CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job', 'client')) NOT VALID;
DROP TABLE invitations;
-- The release before lets in whoever has a password.
UPDATE admin_users SET password_hash = NULL WHERE status <> 'active';
ALTER TABLE admin_users DROP COLUMN status, DROP COLUMN version, DROP COLUMN updated_at;
