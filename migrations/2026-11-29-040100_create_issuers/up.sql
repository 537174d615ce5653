-- Others who say who a caller is: providers of identities whose tokens a store takes.
CREATE TABLE issuers (
    store_id       UUID NOT NULL REFERENCES stores,
    id             UUID NOT NULL,
    issuer         TEXT NOT NULL,
    -- where its public keys are; without it the issuer tells
    jwks_uri       TEXT,
    audience       TEXT NOT NULL,
    subjects       TEXT NOT NULL CHECK (subjects IN ('members', 'users')),
    -- the claim that says who it is, and what it is compared with
    match_claim    TEXT NOT NULL,
    match_to       TEXT NOT NULL CHECK (match_to IN ('number', 'email')),
    max_scopes     TEXT[] NOT NULL,
    -- the public keys as they were last read; when that was, when it was last tried, and why it failed
    jwks           JSONB,
    keys_read_at   TIMESTAMPTZ,
    keys_tried_at  TIMESTAMPTZ,
    keys_failure   TEXT,
    version        BIGINT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id)
);

-- The directory: asked before a store is known. An issuer and an audience are of one store.
CREATE TABLE issuer_names (
    issuer         TEXT NOT NULL,
    audience       TEXT NOT NULL,
    store_id       UUID NOT NULL REFERENCES stores,
    PRIMARY KEY (issuer, audience)
);
CREATE UNIQUE INDEX issuers_by_name ON issuers (store_id, issuer, audience, subjects);
