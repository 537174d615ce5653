-- An address of the shop's, or of a partner's, that is told what happens.
CREATE TABLE webhooks (
    store_id          UUID NOT NULL REFERENCES stores,
    id                UUID NOT NULL,
    -- the client that made it, and with which it goes; without one it is the shop's own
    client_id         UUID,
    url               TEXT NOT NULL,
    -- types of events, or '*' for all
    events            TEXT[] NOT NULL,
    -- what its maker could read: no more is shown there
    scopes            TEXT[] NOT NULL,
    status            TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    -- why it was disabled, where nobody did it by hand
    disabled_reason   TEXT CHECK (disabled_reason IN ('gone', 'failing')),
    -- the secret that signs, encrypted, and which one it is
    secret_sealed     BYTEA NOT NULL,
    secret_id         UUID NOT NULL,
    -- the one before, which signs beside it until then
    former_sealed     BYTEA,
    former_until      TIMESTAMPTZ,
    -- the place in the log up to which deliveries were made of it
    place             BIGINT NOT NULL,
    -- the first failure after the last success
    failing_since     TIMESTAMPTZ,
    last_delivered_at TIMESTAMPTZ,
    -- who delivers there now
    lease_token       UUID,
    lease_until       TIMESTAMPTZ,
    worked_at         TIMESTAMPTZ,
    -- a test is under way until then at the latest
    testing_until     TIMESTAMPTZ,
    version           BIGINT NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    FOREIGN KEY (store_id, client_id) REFERENCES clients (store_id, id) ON DELETE CASCADE,
    CHECK ((former_sealed IS NULL) = (former_until IS NULL)),
    CHECK (disabled_reason IS NULL OR status = 'disabled')
);

-- An event on its way to a webhook. Without a foreign key, so that however many there are, a webhook is removed at once.
CREATE TABLE webhook_deliveries (
    store_id          UUID NOT NULL,
    webhook_id        UUID NOT NULL,
    event_id          UUID NOT NULL,
    -- the event's place in the log; a test has none
    seq               BIGINT,
    type              TEXT NOT NULL,
    subject_id        UUID NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    -- how often it was tried
    attempt           INT NOT NULL,
    -- how often somebody took it to try it: who did so earlier has no say any more
    taken             INT NOT NULL DEFAULT 0,
    -- NULL: it is over, or waits for an earlier one about the same subject
    next_try_at       TIMESTAMPTZ,
    -- of the last attempt
    attempted_at      TIMESTAMPTZ,
    url               TEXT,
    status_code       SMALLINT,
    duration_ms       INT,
    failure           TEXT,
    response_excerpt  TEXT,
    created_at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, webhook_id, event_id),
    CHECK (state = 'pending' OR next_try_at IS NULL)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (store_id, webhook_id, next_try_at, seq)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (store_id, webhook_id, subject_id, seq)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (store_id, webhook_id, event_id) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (coalesce(attempted_at, created_at)) WHERE state <> 'pending';

ALTER TABLE events DROP CONSTRAINT events_subject_type_check,
    ADD CONSTRAINT events_subject_type_check
        CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job', 'client', 'user', 'webhook')) NOT VALID;
ALTER TABLE webhook_deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
