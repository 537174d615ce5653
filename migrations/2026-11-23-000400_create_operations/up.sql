-- Calls to Paid that move money or submit an application, written down before they are sent.
CREATE TABLE operations (
    store_id      UUID NOT NULL REFERENCES stores,
    id            UUID NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('register', 'amend', 'confirm', 'cancel', 'apply')),
    order_id      UUID,
    member_id     UUID,
    environment   TEXT NOT NULL CHECK (environment IN ('sandbox', 'live')),
    -- the key Paid knows the sale or the member by
    paid_key      TEXT NOT NULL,
    -- the body sent, without the auth code; every further send repeats it exactly
    body          JSONB NOT NULL,
    -- what else changes when it settles: {"amount", "before", "content", "fixed_on", "cancel_order", "reason", ...}
    plan          JSONB NOT NULL,
    actor         TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'stuck', 'done', 'refused', 'abandoned')),
    -- one send may have reached Paid: from now on a refusal alone proves nothing
    may_have_arrived BOOLEAN NOT NULL,
    -- an admin gave the sale up: it is driven to `cancelled` at Paid, then to `failed`
    giving_up     BOOLEAN NOT NULL DEFAULT FALSE,
    -- drives without a definite end
    drives        INTEGER NOT NULL DEFAULT 0,
    next_try_at   TIMESTAMPTZ NOT NULL,
    -- whoever drives it holds the lease; it outlasts the longest call
    lease         UUID,
    lease_until   TIMESTAMPTZ,
    -- {"codes": [...], "message": "..."} of the end or of the last drive
    outcome       JSONB,
    started_at    TIMESTAMPTZ NOT NULL,
    settled_at    TIMESTAMPTZ,
    PRIMARY KEY (store_id, id),
    FOREIGN KEY (store_id, order_id) REFERENCES orders (store_id, id),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id),
    CHECK (num_nonnulls(order_id, member_id) = 1),
    CHECK ((kind = 'apply') = (member_id IS NOT NULL)),
    CHECK ((state IN ('open', 'stuck')) = (settled_at IS NULL))
);
-- At most one at a time for a payment and for an application.
CREATE UNIQUE INDEX operations_open_on_order ON operations (store_id, order_id)
    WHERE order_id IS NOT NULL AND state IN ('open', 'stuck');
CREATE UNIQUE INDEX operations_open_on_member ON operations (store_id, member_id)
    WHERE member_id IS NOT NULL AND state IN ('open', 'stuck');
CREATE INDEX operations_of_order ON operations (store_id, order_id) WHERE order_id IS NOT NULL;
-- What the workers look for.
CREATE INDEX operations_due ON operations (next_try_at) WHERE state = 'open';

-- Every call to Paid that concerns an order or a member, reads included; no body, no secret.
CREATE TABLE provider_calls (
    store_id      UUID NOT NULL REFERENCES stores,
    id            UUID NOT NULL,
    order_id      UUID,
    member_id     UUID,
    operation_id  UUID,
    -- apply, check, credit_check, register, fix, cancel, update, search
    call          TEXT NOT NULL,
    outcome       TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'unknown')),
    codes         TEXT[] NOT NULL DEFAULT '{}',
    http_status   SMALLINT,
    duration_ms   INTEGER NOT NULL,
    called_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id)
);
CREATE INDEX provider_calls_of_order ON provider_calls (store_id, order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX provider_calls_of_member ON provider_calls (store_id, member_id, id) WHERE member_id IS NOT NULL;
