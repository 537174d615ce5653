-- What the first screen and the totals of lists show, kept by the transactions that change it: a store with millions of
-- orders is not counted through for each look. Whoever changes something only appends what changed; no row is waited for, as
-- a counter would be by every order of the store for as long as the one before flushes to disk. The worker folds what was
-- appended every second. See decision 22.
CREATE TABLE tallies (
    store_id    UUID NOT NULL,
    -- payments that Paid has answered for, of orders that were placed; orders paid otherwise; what was placed on a day;
    -- members
    what        TEXT NOT NULL CHECK (what IN ('payments', 'orders', 'placed', 'members')),
    -- in Japan: when it was placed; since when a payment waits for its confirmation; otherwise -infinity
    day         DATE NOT NULL,
    -- of the payment or the member, or empty
    status      TEXT NOT NULL,
    -- the order's handling_status or the member's application_status, or empty
    label       TEXT NOT NULL,
    -- of a payment: see payment_marks
    marks       SMALLINT NOT NULL,
    count       BIGINT NOT NULL,
    -- of payments at Paid, of what was placed the orders' totals
    amount      NUMERIC NOT NULL,
    -- by how much the amounts of payments differ from the totals, whichever is the larger
    difference  NUMERIC NOT NULL,
    PRIMARY KEY (store_id, what, day, status, label, marks)
) WITH (fillfactor = 70);

-- What has been added to a tally and taken from it since. A row is here for about a second.
CREATE TABLE tally_changes (
    store_id    UUID NOT NULL,
    id          BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    what        TEXT NOT NULL,
    day         DATE NOT NULL,
    status      TEXT NOT NULL,
    label       TEXT NOT NULL,
    marks       SMALLINT NOT NULL,
    count       BIGINT NOT NULL,
    amount      NUMERIC NOT NULL,
    difference  NUMERIC NOT NULL,
    PRIMARY KEY (store_id, id)
);
-- Every row is soon dead: what they leave behind is cleared away before it is much.
ALTER TABLE tally_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE tallies SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION japan_day(TIMESTAMPTZ) RETURNS DATE LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ($1 AT TIME ZONE INTERVAL '9 hours')::date;

-- What a payment is compared with, as its order has it. Written by the triggers below alone, so that every number is told
-- from one row, before and after: two rows that change in one statement could not be told apart. A new payment has none of
-- them until Paid has answered. Locked as far as is needed in the end, orders first: whoever raises a lock that he has waits
-- for those who wait for him.
LOCK TABLE orders, payments, members IN ACCESS EXCLUSIVE MODE;
ALTER TABLE payments
    -- null as well where the order was never placed
    ADD COLUMN order_total BIGINT,
    ADD COLUMN order_label TEXT,
    -- when it was placed, in Japan
    ADD COLUMN order_day DATE,
    -- false where another method was chosen since
    ADD COLUMN order_on_paid BOOLEAN;
UPDATE payments SET order_label = o.handling_status, order_day = japan_day(o.placed_at), order_on_paid = o.payment_method = 'paid',
    order_total = CASE WHEN o.discarded_at IS NULL THEN o.total END
FROM orders AS o WHERE o.store_id = payments.store_id AND o.id = payments.order_id;
ALTER TABLE payments
    -- the amounts differ, in a state where that matters
    ADD COLUMN apart BOOLEAN NOT NULL GENERATED ALWAYS AS
        (status IN ('unconfirmed', 'confirmed') AND coalesce(amount <> order_total, FALSE)) STORED,
    -- a human accepted these very amounts
    ADD COLUMN accepted BOOLEAN NOT NULL GENERATED ALWAYS AS
        (coalesce(accepted_total = order_total AND accepted_amount = amount, FALSE)) STORED,
    -- it needs a human, however long it has waited, for what stands in this row
    ADD COLUMN listed BOOLEAN NOT NULL GENERATED ALWAYS AS (
        order_total IS NOT NULL AND NOT coalesce(accepted_total = order_total AND accepted_amount = amount, FALSE) AND (
            status IN ('unconfirmed', 'confirmed') AND amount <> order_total
            OR status IN ('processing', 'unconfirmed') AND order_label = 'cancelled'
            OR flag IS NOT NULL)
    ) STORED;
CREATE INDEX payments_apart ON payments (store_id, order_id DESC) WHERE apart;
CREATE INDEX payments_listed ON payments (store_id, order_id DESC) WHERE listed;
DROP INDEX payments_flagged;

-- 1: apart; 2: accepted; 4: moved_back; 8: missing_at_paid; 16: the order is paid otherwise since
CREATE FUNCTION payment_marks(apart BOOLEAN, accepted BOOLEAN, flag TEXT, on_paid BOOLEAN) RETURNS SMALLINT
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (apart::integer + 2 * accepted::integer
        + CASE flag WHEN 'moved_back' THEN 4 WHEN 'missing_at_paid' THEN 8 ELSE 0 END
        + CASE WHEN on_paid THEN 0 ELSE 16 END)::smallint;

-- What the tallies would say if everything were counted. What the triggers append says the same, of one row; a test compares
-- the two.
CREATE VIEW tallies_counted AS
SELECT store_id, what, day, status, label, marks, count(*) AS count, sum(amount) AS amount, sum(difference) AS difference
FROM (
    SELECT store_id, 'payments' AS what,
        CASE WHEN status = 'unconfirmed' AND NOT accepted THEN japan_day(created_at) ELSE '-infinity' END AS day,
        status, order_label AS label, payment_marks(apart, accepted, flag, order_on_paid) AS marks, amount::numeric AS amount,
        abs(amount::numeric - order_total) AS difference
    FROM payments WHERE order_total IS NOT NULL AND status <> 'processing'
    UNION ALL SELECT store_id, 'placed', order_day, '', '', 0::smallint, order_total, 0
    FROM payments WHERE order_total IS NOT NULL AND status NOT IN ('processing', 'failed') AND order_on_paid
        AND order_label <> 'cancelled'
    UNION ALL SELECT store_id, 'placed', japan_day(placed_at), '', '', 0::smallint, total, 0
    FROM orders WHERE payment_method <> 'paid' AND discarded_at IS NULL AND handling_status <> 'cancelled'
    UNION ALL SELECT store_id, 'orders', '-infinity', '', handling_status, 0::smallint, 0, 0
    FROM orders WHERE payment_method <> 'paid' AND discarded_at IS NULL
    UNION ALL SELECT store_id, 'members', '-infinity', status, application_status, 0::smallint, 0, 0
    FROM members WHERE deleted_at IS NULL
) AS each
GROUP BY store_id, what, day, status, label, marks;

-- Counts everything anew: for whoever has loaded rows with triggers switched off. Everybody else waits meanwhile.
CREATE FUNCTION recount_tallies() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE orders, payments, members, tallies IN ACCESS EXCLUSIVE MODE;
    UPDATE payments SET order_label = o.handling_status, order_day = japan_day(o.placed_at),
        order_on_paid = o.payment_method = 'paid', order_total = CASE WHEN o.discarded_at IS NULL THEN o.total END
    FROM orders AS o
    WHERE o.store_id = payments.store_id AND o.id = payments.order_id AND (order_label, order_day, order_on_paid, order_total) IS DISTINCT FROM (o.handling_status, japan_day(o.placed_at),
            o.payment_method = 'paid', CASE WHEN o.discarded_at IS NULL THEN o.total END);
    DELETE FROM tally_changes;
    DELETE FROM tallies;
    INSERT INTO tallies SELECT * FROM tallies_counted;
END $$;
INSERT INTO tallies SELECT * FROM tallies_counted;

-- Before a payment is written that Paid has answered for, or that a human has looked at.
CREATE FUNCTION payments_know_their_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT CASE WHEN discarded_at IS NULL THEN total END, handling_status, japan_day(placed_at), payment_method = 'paid'
    INTO NEW.order_total, NEW.order_label, NEW.order_day, NEW.order_on_paid
    FROM orders WHERE store_id = NEW.store_id AND id = NEW.order_id;
    RETURN NEW;
END $$;
CREATE TRIGGER payments_know_their_order BEFORE INSERT OR UPDATE ON payments FOR EACH ROW
    WHEN (NEW.order_total IS NULL
        AND (NEW.status <> 'processing' OR NEW.flag IS NOT NULL OR NEW.accepted_total IS NOT NULL))
    EXECUTE FUNCTION payments_know_their_order();

-- One statement that appends all that changed: it is run for every order.
CREATE FUNCTION payments_are_tallied() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted BOOLEAN := OLD.order_total IS NOT NULL AND OLD.status <> 'processing';
    counts BOOLEAN := NEW.order_total IS NOT NULL AND NEW.status <> 'processing';
    was_placed BOOLEAN := counted AND OLD.status <> 'failed' AND OLD.order_on_paid AND OLD.order_label <> 'cancelled';
    is_placed BOOLEAN := counts AND NEW.status <> 'failed' AND NEW.order_on_paid AND NEW.order_label <> 'cancelled';
BEGIN
    IF was_placed AND is_placed AND OLD.order_day = NEW.order_day AND OLD.order_total = NEW.order_total THEN
        was_placed := FALSE;
        is_placed := FALSE;
    END IF;
    INSERT INTO tally_changes (store_id, what, day, status, label, marks, count, amount, difference)
    SELECT store_id, what, day, status, label, marks, count, amount, difference FROM (VALUES
        (counted, OLD.store_id, 'payments', CASE WHEN OLD.status = 'unconfirmed' AND NOT OLD.accepted
            THEN japan_day(OLD.created_at) ELSE '-infinity' END, OLD.status, OLD.order_label,
            payment_marks(OLD.apart, OLD.accepted, OLD.flag, OLD.order_on_paid), -1, -OLD.amount::numeric,
            -abs(OLD.amount::numeric - OLD.order_total)),
        (counts, NEW.store_id, 'payments', CASE WHEN NEW.status = 'unconfirmed' AND NOT NEW.accepted
            THEN japan_day(NEW.created_at) ELSE '-infinity' END, NEW.status, NEW.order_label,
            payment_marks(NEW.apart, NEW.accepted, NEW.flag, NEW.order_on_paid), 1, NEW.amount::numeric,
            abs(NEW.amount::numeric - NEW.order_total)),
        (was_placed, OLD.store_id, 'placed', OLD.order_day, '', '', 0::smallint, -1, -OLD.order_total::numeric, 0),
        (is_placed, NEW.store_id, 'placed', NEW.order_day, '', '', 0::smallint, 1, NEW.order_total::numeric, 0)
    ) AS changed (holds, store_id, what, day, status, label, marks, count, amount, difference) WHERE holds;
    RETURN NULL;
END $$;
CREATE TRIGGER payments_are_tallied_when_made AFTER INSERT ON payments FOR EACH ROW
    WHEN (NEW.status <> 'processing') EXECUTE FUNCTION payments_are_tallied();
CREATE TRIGGER payments_are_tallied_when_changed AFTER UPDATE ON payments FOR EACH ROW
    WHEN ((OLD.status, OLD.amount, OLD.order_total, OLD.order_label, OLD.order_day, OLD.order_on_paid, OLD.accepted, OLD.flag,
        OLD.created_at) IS DISTINCT FROM (NEW.status, NEW.amount, NEW.order_total, NEW.order_label, NEW.order_day,
        NEW.order_on_paid, NEW.accepted, NEW.flag, NEW.created_at)) EXECUTE FUNCTION payments_are_tallied();
CREATE TRIGGER payments_are_tallied_when_dropped AFTER DELETE ON payments FOR EACH ROW
    EXECUTE FUNCTION payments_are_tallied();

CREATE FUNCTION orders_are_tallied() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted BOOLEAN := OLD.payment_method <> 'paid' AND OLD.discarded_at IS NULL;
    counts BOOLEAN := NEW.payment_method <> 'paid' AND NEW.discarded_at IS NULL;
BEGIN
    IF counted OR counts THEN
        INSERT INTO tally_changes (store_id, what, day, status, label, marks, count, amount, difference)
        SELECT store_id, what, day, '', label, 0, count, amount, 0 FROM (VALUES
            (counted, OLD.store_id, 'orders', '-infinity'::date, OLD.handling_status, -1, 0::numeric),
            (counts, NEW.store_id, 'orders', '-infinity', NEW.handling_status, 1, 0),
            (counted AND OLD.handling_status <> 'cancelled', OLD.store_id, 'placed', japan_day(OLD.placed_at), '', -1,
                -OLD.total::numeric),
            (counts AND NEW.handling_status <> 'cancelled', NEW.store_id, 'placed', japan_day(NEW.placed_at), '', 1,
                NEW.total::numeric)
        ) AS changed (holds, store_id, what, day, label, count, amount) WHERE holds;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        UPDATE payments SET order_total = CASE WHEN NEW.discarded_at IS NULL THEN NEW.total END,
            order_label = NEW.handling_status, order_day = japan_day(NEW.placed_at), order_on_paid = NEW.payment_method = 'paid'
        WHERE store_id = NEW.store_id AND order_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_are_tallied_when_made AFTER INSERT ON orders FOR EACH ROW
    WHEN (NEW.payment_method <> 'paid') EXECUTE FUNCTION orders_are_tallied();
CREATE TRIGGER orders_are_tallied_when_changed AFTER UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.total, OLD.handling_status, OLD.placed_at, OLD.payment_method, OLD.discarded_at IS NULL) IS DISTINCT FROM
        (NEW.total, NEW.handling_status, NEW.placed_at, NEW.payment_method, NEW.discarded_at IS NULL))
    EXECUTE FUNCTION orders_are_tallied();
CREATE TRIGGER orders_are_tallied_when_dropped AFTER DELETE ON orders FOR EACH ROW
    WHEN (OLD.payment_method <> 'paid') EXECUTE FUNCTION orders_are_tallied();

CREATE FUNCTION members_are_tallied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_changes (store_id, what, day, status, label, marks, count, amount, difference)
    SELECT store_id, 'members', '-infinity', status, label, 0, count, 0, 0 FROM (VALUES
        (OLD.store_id IS NOT NULL AND OLD.deleted_at IS NULL, OLD.store_id, OLD.status, OLD.application_status, -1),
        (NEW.store_id IS NOT NULL AND NEW.deleted_at IS NULL, NEW.store_id, NEW.status, NEW.application_status, 1)
    ) AS changed (holds, store_id, status, label, count) WHERE holds;
    RETURN NULL;
END $$;
CREATE TRIGGER members_are_tallied_when_changed AFTER UPDATE ON members FOR EACH ROW
    WHEN ((OLD.status, OLD.application_status, OLD.deleted_at IS NULL) IS DISTINCT FROM
        (NEW.status, NEW.application_status, NEW.deleted_at IS NULL)) EXECUTE FUNCTION members_are_tallied();
CREATE TRIGGER members_are_tallied_when_dropped AFTER DELETE ON members FOR EACH ROW
    EXECUTE FUNCTION members_are_tallied();
-- New ones all at once: a file brings thousands in one statement.
CREATE FUNCTION new_members_are_tallied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_changes (store_id, what, day, status, label, marks, count, amount, difference)
    SELECT store_id, 'members', '-infinity', status, application_status, 0, count(*), 0, 0 FROM added
    WHERE deleted_at IS NULL GROUP BY store_id, status, application_status;
    RETURN NULL;
END $$;
CREATE TRIGGER members_are_tallied_when_made AFTER INSERT ON members REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION new_members_are_tallied();

-- Adds what has changed to the tallies, at most 20,000 changes, one process at a time. Says how many tallies have moved. Nobody
-- needs it on disk at once: a crash loses all of it or nothing. Few keys lead into a large table, whatever the planner
-- believes of them.
CREATE FUNCTION fold_tallies() RETURNS BIGINT LANGUAGE plpgsql SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    moved BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM tally_changes) OR NOT pg_try_advisory_xact_lock(7102) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', TRUE);
    WITH gone AS (
        DELETE FROM tally_changes WHERE ctid = ANY (ARRAY(SELECT ctid FROM tally_changes LIMIT 20000))
        RETURNING store_id, what, day, status, label, marks, count, amount, difference
    )
    MERGE INTO tallies AS t USING (
        SELECT store_id, what, day, status, label, marks, sum(count) AS count, sum(amount) AS amount,
            sum(difference) AS difference
        FROM gone GROUP BY store_id, what, day, status, label, marks
    ) AS s ON t.store_id = s.store_id AND t.what = s.what AND t.day = s.day AND t.status = s.status AND t.label = s.label
        AND t.marks = s.marks
    WHEN MATCHED AND t.count + s.count = 0 AND t.amount + s.amount = 0 AND t.difference + s.difference = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET count = t.count + s.count, amount = t.amount + s.amount, difference = t.difference + s.difference
    -- One below zero is right as soon as what went before has come: changes are taken in no order.
    WHEN NOT MATCHED AND (s.count <> 0 OR s.amount <> 0 OR s.difference <> 0) THEN
        INSERT VALUES (s.store_id, s.what, s.day, s.status, s.label, s.marks, s.count, s.amount, s.difference);
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END $$;
