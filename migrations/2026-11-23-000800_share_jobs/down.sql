DELETE FROM jobs WHERE kind IN ('payment_confirm', 'member_import');
DROP TABLE job_portions;
ALTER TABLE job_items RESET (fillfactor);
ALTER TABLE job_items DROP COLUMN line, DROP COLUMN made;
ALTER TABLE job_items ALTER COLUMN subject SET NOT NULL;
CREATE INDEX job_items_to_do ON job_items (store_id, job_id, position) WHERE outcome = 'not_started';
DROP INDEX jobs_ended;
DROP INDEX jobs_open;
ALTER TABLE jobs
    DROP COLUMN options, DROP COLUMN version, DROP COLUMN succeeded, DROP COLUMN refused, DROP COLUMN unknown,
    DROP COLUMN skipped, DROP COLUMN served_at,
    ADD COLUMN next_try_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ADD COLUMN lease UUID,
    ADD COLUMN lease_until TIMESTAMPTZ;
ALTER TABLE jobs ALTER COLUMN next_try_at DROP DEFAULT;
CREATE INDEX jobs_due ON jobs (next_try_at) WHERE state IN ('queued', 'running', 'cancelling');
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('member_submission', 'member_refresh', 'payment_refresh'));
