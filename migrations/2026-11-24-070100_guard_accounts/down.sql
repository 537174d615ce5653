DELETE FROM sessions WHERE num_nonnulls(member_id, user_id) = 0;
ALTER TABLE sessions DROP CONSTRAINT sessions_of_one_at_most;
ALTER TABLE sessions ADD CONSTRAINT sessions_check CHECK (num_nonnulls(member_id, user_id) = 1);
ALTER TABLE password_tokens DROP COLUMN created_by;
ALTER TABLE members DROP COLUMN password_reset_at;
DROP INDEX operations_applied;
ALTER TABLE stores DROP COLUMN applications_per_hour;
