CREATE TABLE members (
    store_id            UUID NOT NULL REFERENCES stores,
    id                  UUID NOT NULL,
    number              TEXT NOT NULL,
    status              TEXT NOT NULL CHECK (status IN ('pending_approval', 'active', 'rejected', 'suspended')),
    -- what the member says of itself, as the API shows it
    profile             JSONB NOT NULL,
    -- the e-mail address trimmed and case-folded
    email_key           TEXT NOT NULL,
    -- argon2id; absent until the member sets a password
    password_hash       TEXT,
    payment_methods     TEXT[] NOT NULL,
    application_status  TEXT NOT NULL DEFAULT 'none' CHECK (application_status IN
                        ('none', 'pending', 'submitted', 'under_review', 'declined', 'approved_inactive', 'approved_active')),
    -- the status as Paid wrote it, kept where its meaning is not known
    reported_status     TEXT,
    -- b2bMemberId: random, stored before the first call under it, never reused, kept after anonymising
    customer_number     TEXT,
    -- the number came from the shop (linked at Paid before Kakeuri), not from us
    number_imported     BOOLEAN NOT NULL DEFAULT FALSE,
    checked_at          TIMESTAMPTZ,
    submitted_at        TIMESTAMPTZ,
    -- when the member used the "already a Paid member" banner
    link_used_at        TIMESTAMPTZ,
    paid_id             TEXT,
    -- {"codes": [...], "message": "...", "at": "..."} of the last refusal
    last_error          JSONB,
    version             BIGINT NOT NULL DEFAULT 1,
    created_at          TIMESTAMPTZ NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    deleted_at          TIMESTAMPTZ,
    -- what the search box looks through
    search_text         TEXT NOT NULL GENERATED ALWAYS AS (
        lower(number || ' ' || (profile ->> 'company_name') || ' ' || (profile ->> 'company_name_kana') || ' ' || email_key)
    ) STORED,
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, number),
    UNIQUE (store_id, email_key)
);
CREATE UNIQUE INDEX members_customer_number ON members (store_id, customer_number) WHERE customer_number IS NOT NULL;
CREATE INDEX members_by_application ON members (store_id, application_status, id DESC);

CREATE TABLE admin_users (
    store_id       UUID NOT NULL REFERENCES stores,
    id             UUID NOT NULL,
    email          TEXT NOT NULL,
    email_key      TEXT NOT NULL,
    name           TEXT NOT NULL,
    role           TEXT NOT NULL CHECK (role IN ('owner', 'staff', 'viewer')),
    password_hash  TEXT,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, email_key)
);

-- A login of a member or of a member of the staff.
CREATE TABLE sessions (
    store_id      UUID NOT NULL REFERENCES stores,
    id            UUID NOT NULL,
    member_id     UUID,
    user_id       UUID,
    -- SHA-256 of the secret in the refresh token that is good now
    refresh_hash  BYTEA NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    expires_at    TIMESTAMPTZ NOT NULL,
    ended_at      TIMESTAMPTZ,
    PRIMARY KEY (store_id, id),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id) ON DELETE CASCADE,
    FOREIGN KEY (store_id, user_id) REFERENCES admin_users (store_id, id) ON DELETE CASCADE,
    CHECK (num_nonnulls(member_id, user_id) = 1)
);
CREATE INDEX sessions_of_member ON sessions (store_id, member_id) WHERE member_id IS NOT NULL;

-- One-time tokens to set a password. Only their hash is kept.
CREATE TABLE password_tokens (
    store_id     UUID NOT NULL REFERENCES stores,
    id           UUID NOT NULL,
    member_id    UUID NOT NULL,
    secret_hash  BYTEA NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    used_at      TIMESTAMPTZ,
    PRIMARY KEY (store_id, id),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id) ON DELETE CASCADE
);

-- The keys that sign access tokens. They belong to the service, not to a store.
CREATE TABLE signing_keys (
    kid            TEXT PRIMARY KEY,
    -- PKCS#8 of the Ed25519 key, encrypted under the master key
    secret_sealed  BYTEA NOT NULL,
    public_key     BYTEA NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL
);
