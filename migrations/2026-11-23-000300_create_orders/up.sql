CREATE TABLE products (
    store_id      UUID NOT NULL REFERENCES stores,
    id            UUID NOT NULL,
    code          TEXT NOT NULL,
    name          TEXT NOT NULL,
    unit_price    BIGINT NOT NULL CHECK (unit_price >= 0),
    tax_rate      SMALLINT NOT NULL CHECK (tax_rate IN (10, 8, 0)),
    active        BOOLEAN NOT NULL,
    -- may this product be bought on deferred payment?
    paid_allowed  BOOLEAN NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, code)
);

CREATE TABLE orders (
    store_id         UUID NOT NULL REFERENCES stores,
    id               UUID NOT NULL,
    number           TEXT NOT NULL CHECK (length(number) <= 15),
    member_id        UUID NOT NULL,
    placed_at        TIMESTAMPTZ NOT NULL,
    cancelled_at     TIMESTAMPTZ,
    handling_status  TEXT NOT NULL DEFAULT 'new'
                     CHECK (handling_status IN ('new', 'in_progress', 'completed', 'cancelled')),
    payment_method   TEXT NOT NULL CHECK (payment_method IN ('paid', 'bank_transfer', 'cash_on_delivery')),
    lines            JSONB NOT NULL,
    shipping_fee     BIGINT NOT NULL CHECK (shipping_fee >= 0),
    payment_fee      BIGINT NOT NULL CHECK (payment_fee >= 0),
    tax_rounding     TEXT NOT NULL CHECK (tax_rounding IN ('floor', 'round', 'ceil')),
    totals           JSONB NOT NULL,
    -- totals.total again, to compare and to sum
    total            BIGINT NOT NULL CHECK (total >= 0),
    note             TEXT NOT NULL DEFAULT '',
    internal_note    TEXT NOT NULL DEFAULT '',
    -- the caller was told 202: a sale refused from now on leaves a readable, failed order
    announced        BOOLEAN NOT NULL DEFAULT FALSE,
    -- the sale was refused while the caller waited: the order was never placed and is not shown
    discarded_at     TIMESTAMPTZ,
    -- counts every change of the order, of its payment and of its open operation
    version          BIGINT NOT NULL DEFAULT 1,
    updated_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, number),
    FOREIGN KEY (store_id, member_id) REFERENCES members (store_id, id)
);
CREATE INDEX orders_newest ON orders (store_id, id DESC) WHERE discarded_at IS NULL;
CREATE INDEX orders_of_member ON orders (store_id, member_id, id DESC) WHERE discarded_at IS NULL;

-- The payment of an order on deferred payment. Orders paid otherwise have none.
CREATE TABLE payments (
    store_id         UUID NOT NULL REFERENCES stores,
    order_id         UUID NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('processing', 'unconfirmed', 'confirmed', 'cancelled', 'failed')),
    -- what Paid holds, tax included
    amount           BIGINT NOT NULL CHECK (amount >= 0),
    -- where the sale lives; it is driven only there
    environment      TEXT NOT NULL CHECK (environment IN ('sandbox', 'live')),
    merchant_id      TEXT NOT NULL,
    -- b2bCreditId: random, stored before the call, never reused
    credit_key       TEXT NOT NULL,
    -- the b2bMemberId the sale was made with
    customer_number  TEXT NOT NULL,
    checked_at       TIMESTAMPTZ,
    confirmed_at     TIMESTAMPTZ,
    fixed_on         DATE,
    cancelled_at     TIMESTAMPTZ,
    last_error       JSONB,
    flag             TEXT CHECK (flag IN ('moved_back', 'missing_at_paid')),
    -- what Paid last showed, where it was not adopted
    seen_status      TEXT CHECK (seen_status IN ('REGISTERED', 'FIXED', 'CANCELED')),
    seen_amount      BIGINT,
    -- a human accepted these two amounts as they are; off the reconciliation list until one of them changes
    accepted_total   BIGINT,
    accepted_amount  BIGINT,
    created_at       TIMESTAMPTZ NOT NULL,
    version          BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (store_id, order_id),
    UNIQUE (store_id, credit_key),
    FOREIGN KEY (store_id, order_id) REFERENCES orders (store_id, id)
);
CREATE INDEX payments_by_status ON payments (store_id, status, order_id DESC);
CREATE INDEX payments_flagged ON payments (store_id, order_id) WHERE flag IS NOT NULL;
