-- Keys of the service that stay when the master key is replaced, sealed with that.
CREATE TABLE service_keys (
    name          TEXT PRIMARY KEY,
    secret_sealed BYTEA NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL
);
