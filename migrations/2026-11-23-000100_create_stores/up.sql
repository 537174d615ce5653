-- The directory of stores. It is asked before a store is known (by slug at a login, by publishable key on the
-- storefront), so its unique keys are the one place where a key does not begin with store_id.
CREATE TABLE stores (
    store_id                     UUID PRIMARY KEY,
    slug                         TEXT NOT NULL UNIQUE,
    publishable_key              TEXT NOT NULL UNIQUE,
    name                         TEXT NOT NULL,
    member_approval              TEXT NOT NULL DEFAULT 'automatic' CHECK (member_approval IN ('automatic', 'manual')),
    tax_rounding                 TEXT NOT NULL DEFAULT 'floor' CHECK (tax_rounding IN ('floor', 'round', 'ceil')),
    invoice_registration_number  TEXT CHECK (invoice_registration_number ~ '^T[0-9]{13}$'),
    -- minutes between two scheduled refreshes of application statuses; 0 is off
    status_refresh_minutes       INTEGER NOT NULL DEFAULT 0
                                 CHECK (status_refresh_minutes = 0 OR status_refresh_minutes >= 15),
    -- a payment unconfirmed for more days than this shows in reconciliation
    unconfirmed_alert_days       INTEGER NOT NULL DEFAULT 30 CHECK (unconfirmed_alert_days >= 1),
    version                      BIGINT NOT NULL DEFAULT 1,
    created_at                   TIMESTAMPTZ NOT NULL,
    updated_at                   TIMESTAMPTZ NOT NULL
);

-- Numbers that people read. A number is taken in a transaction of its own, so that placing orders never queues
-- behind a commit; a number whose order did not come about leaves a gap.
CREATE TABLE counters (
    store_id  UUID NOT NULL REFERENCES stores,
    name      TEXT NOT NULL CHECK (name IN ('member', 'order')),
    value     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, name)
);

CREATE TABLE paid_settings (
    store_id                UUID PRIMARY KEY REFERENCES stores,
    merchant_id             TEXT,
    -- encrypted under the master key; the last characters are kept apart for the settings screen
    auth_code_sealed        BYTEA,
    auth_code_last4         TEXT,
    environment             TEXT NOT NULL DEFAULT 'sandbox' CHECK (environment IN ('sandbox', 'live')),
    enabled                 BOOLEAN NOT NULL DEFAULT FALSE,
    enable_for_new_members  BOOLEAN NOT NULL DEFAULT FALSE,
    show_member_banner      BOOLEAN NOT NULL DEFAULT FALSE,
    health                  TEXT NOT NULL DEFAULT 'unknown'
                            CHECK (health IN ('unknown', 'ok', 'auth_failed', 'unreachable')),
    health_at               TIMESTAMPTZ,
    version                 BIGINT NOT NULL DEFAULT 1,
    updated_at              TIMESTAMPTZ NOT NULL,
    CHECK ((auth_code_sealed IS NULL) = (auth_code_last4 IS NULL)),
    CHECK (NOT enabled OR (merchant_id IS NOT NULL AND auth_code_sealed IS NOT NULL))
);
