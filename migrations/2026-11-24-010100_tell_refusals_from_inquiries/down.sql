DROP INDEX operations_due;
CREATE INDEX operations_due ON operations (next_try_at) WHERE state = 'open';
ALTER TABLE operations DROP COLUMN refusal, DROP COLUMN scheduled_at, DROP COLUMN looks_again;
