-- A job is done in portions, each under a lease of its own, so that several workers can share one job and a worker that
-- dies loses one portion.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_kind_check CHECK (kind IN
    ('member_submission', 'member_refresh', 'payment_refresh', 'payment_confirm', 'member_import'));
DROP INDEX jobs_due;
ALTER TABLE jobs
    -- {"dry_run", "atomic"} of an import, {"fixed_on"} of a confirmation
    ADD COLUMN options JSONB NOT NULL DEFAULT '{}',
    -- grows with every change; followers of the job resume by it
    ADD COLUMN version BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN succeeded INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN refused INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0,
    -- when a worker last took a portion: whoever waited longest is served first
    ADD COLUMN served_at TIMESTAMPTZ,
    DROP COLUMN next_try_at,
    DROP COLUMN lease,
    DROP COLUMN lease_until;
CREATE INDEX jobs_open ON jobs (served_at NULLS FIRST) WHERE state IN ('queued', 'running', 'cancelling');
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE job_portions (
    store_id     UUID NOT NULL REFERENCES stores,
    job_id       UUID NOT NULL,
    number       INTEGER NOT NULL,
    -- the places of its items, both included
    first        INTEGER NOT NULL,
    last         INTEGER NOT NULL,
    -- the rows of an imported file, until they are done
    input        BYTEA,
    -- how often it broke off
    failures     INTEGER NOT NULL DEFAULT 0,
    next_try_at  TIMESTAMPTZ NOT NULL,
    -- whoever works on it holds the lease and renews it
    lease        UUID,
    lease_until  TIMESTAMPTZ,
    done_at      TIMESTAMPTZ,
    PRIMARY KEY (store_id, job_id, number),
    FOREIGN KEY (store_id, job_id) REFERENCES jobs (store_id, id) ON DELETE CASCADE
);
-- Compressing it costs more than writing it.
ALTER TABLE job_portions ALTER COLUMN input SET STORAGE EXTERNAL;
CREATE INDEX job_portions_to_do ON job_portions (store_id, job_id, number) WHERE done_at IS NULL;

-- A line of a file may be about nobody yet.
ALTER TABLE job_items ALTER COLUMN subject DROP NOT NULL;
ALTER TABLE job_items
    ADD COLUMN line INTEGER,
    -- the operation that a try of this item wrote down: a further try goes on with it
    ADD COLUMN made UUID;
DROP INDEX job_items_to_do;
-- An outcome is written once into a row that has no index on what changes: leave room for it in the page.
ALTER TABLE job_items SET (fillfactor = 60);

UPDATE jobs SET succeeded = counted.succeeded, refused = counted.refused, unknown = counted.unknown, skipped = counted.skipped
FROM (
    SELECT store_id, job_id,
        count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded, count(*) FILTER (WHERE outcome = 'refused') AS refused,
        count(*) FILTER (WHERE outcome = 'unknown') AS unknown, count(*) FILTER (WHERE outcome = 'skipped') AS skipped
    FROM job_items GROUP BY store_id, job_id
) AS counted
WHERE jobs.store_id = counted.store_id AND jobs.id = counted.job_id;
INSERT INTO job_portions (store_id, job_id, number, first, last, next_try_at)
SELECT store_id, id, 0, 0, total - 1, created_at FROM jobs WHERE state IN ('queued', 'running', 'cancelling');
