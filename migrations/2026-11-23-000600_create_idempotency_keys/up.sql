-- What a caller's Idempotency-Key has led to. Kept for 24 hours.
CREATE TABLE idempotency_keys (
    store_id      UUID NOT NULL REFERENCES stores,
    -- "member:<id>", "user:<id>", "token:<subject>"; for a visitor the request itself
    caller        TEXT NOT NULL,
    key           TEXT NOT NULL,
    -- keyed hash of method, path and body
    fingerprint   BYTEA NOT NULL,
    -- the order, operation or member that the request made, written in the same transaction as that row
    subject       UUID,
    -- whoever works on the request holds it until then
    locked_until  TIMESTAMPTZ NOT NULL,
    lock_token    UUID NOT NULL,
    status        SMALLINT,
    -- encrypted under the master key: an answer may show a secret
    answer_sealed BYTEA,
    created_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, caller, key),
    CHECK ((status IS NULL) = (answer_sealed IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
