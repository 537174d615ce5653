-- A partner's program, with which it gets tokens of the admin API.
CREATE TABLE clients (
    store_id        UUID NOT NULL REFERENCES stores,
    id              UUID NOT NULL,
    name            TEXT NOT NULL,
    auth_method     TEXT NOT NULL CHECK (auth_method IN ('client_secret', 'private_key_jwt')),
    scopes          TEXT[] NOT NULL,
    -- SHA-256 of the secret, and which one it is
    secret_hash     BYTEA,
    secret_id       UUID NOT NULL,
    -- when it was first used
    secret_used_at  TIMESTAMPTZ,
    -- the same of the secret before, which is good until then
    former_hash     BYTEA,
    former_until    TIMESTAMPTZ,
    -- the public keys of a client that signs (RFC 7517)
    jwks            JSONB,
    -- networks from which it may come; any where there are none
    allowed_ips     TEXT[] NOT NULL,
    -- Tokens carry it; with a new one all that were made before are good no more.
    generation      UUID NOT NULL,
    last_used_at    TIMESTAMPTZ,
    version         BIGINT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    CHECK ((secret_hash IS NOT NULL) = (auth_method = 'client_secret')),
    CHECK ((jwks IS NOT NULL) = (auth_method = 'private_key_jwt')),
    CHECK ((former_hash IS NULL) = (former_until IS NULL))
);

-- What a client has signed to get a token, until it would not be taken any more: nothing is taken twice. Without a foreign
-- key, so that however many there are, a client is removed at once.
CREATE TABLE client_assertions (
    store_id        UUID NOT NULL,
    client_id       UUID NOT NULL,
    -- SHA-256 of its `jti`
    jti_hash        BYTEA NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, client_id, jti_hash)
);
CREATE INDEX client_assertions_by_end ON client_assertions (expires_at);

ALTER TABLE events DROP CONSTRAINT events_subject_type_check,
    ADD CONSTRAINT events_subject_type_check
        CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job', 'client')) NOT VALID;
