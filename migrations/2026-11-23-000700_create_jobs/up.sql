-- Bulk work: accepted at once, done by the workers, an outcome per item.
CREATE TABLE jobs (
    store_id     UUID NOT NULL REFERENCES stores,
    id           UUID NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('member_submission', 'member_refresh', 'payment_refresh')),
    state        TEXT NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    actor        TEXT NOT NULL,
    total        INTEGER NOT NULL,
    next_try_at  TIMESTAMPTZ NOT NULL,
    lease        UUID,
    lease_until  TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    started_at   TIMESTAMPTZ,
    finished_at  TIMESTAMPTZ,
    PRIMARY KEY (store_id, id)
);
CREATE INDEX jobs_due ON jobs (next_try_at) WHERE state IN ('queued', 'running', 'cancelling');

-- The ids are fixed when the job is accepted; an outcome is written once.
CREATE TABLE job_items (
    store_id  UUID NOT NULL REFERENCES stores,
    job_id    UUID NOT NULL,
    position  INTEGER NOT NULL,
    -- the member or order it is about
    subject   UUID NOT NULL,
    outcome   TEXT NOT NULL DEFAULT 'not_started'
              CHECK (outcome IN ('not_started', 'succeeded', 'refused', 'unknown', 'skipped')),
    code      TEXT,
    errors    JSONB NOT NULL DEFAULT '[]',
    PRIMARY KEY (store_id, job_id, position),
    FOREIGN KEY (store_id, job_id) REFERENCES jobs (store_id, id) ON DELETE CASCADE
);
CREATE INDEX job_items_to_do ON job_items (store_id, job_id, position) WHERE outcome = 'not_started';
