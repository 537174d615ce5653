-- How many registrations an hour may send an application to Paid by themselves; the rest waits for the admin. Anybody
-- can register, and every application is a real screening.
ALTER TABLE stores ADD COLUMN applications_per_hour INTEGER NOT NULL DEFAULT 20
    CHECK (applications_per_hour BETWEEN 0 AND 10000);
CREATE INDEX operations_applied ON operations (store_id, started_at) WHERE kind = 'apply';

-- When the member last asked for a new password. Only shortly after may the shop make a token for one who has a password.
ALTER TABLE members ADD COLUMN password_reset_at TIMESTAMPTZ;

-- Who made the token, for the log when it is used.
ALTER TABLE password_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT 'unknown';

-- Neither of the two: a token of the command line, which can be revoked like any other session.
ALTER TABLE sessions DROP CONSTRAINT sessions_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_of_one_at_most CHECK (num_nonnulls(member_id, user_id) <= 1);
