-- Fills a database that holds one store: ten stores, 5,000 rows of each in every large table, theirs in turns. Needs a superuser, as
-- foreign keys are not looked at.
SET session_replication_role = replica;
INSERT INTO stores (store_id, slug, publishable_key, name, created_at, updated_at)
SELECT gen_random_uuid(), 'many-' || n, 'pk_many_' || n, 'みなと商店', now(), now() FROM generate_series(1, 9) AS n;

CREATE TEMP TABLE many AS
SELECT n, store_id, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
    ('01900000-0000-7000-8000-' || lpad(to_hex(n % 10 + 10 * (n / 10 * 7 % 5000)), 12, '0'))::uuid AS member_id,
    (n / 10) % 100 AS share, now() - n * interval '1 minute' AS at
FROM generate_series(0, 49999) AS n
JOIN (SELECT store_id, row_number() OVER () - 1 AS place FROM stores) AS placed ON place = n % 10;

INSERT INTO members (store_id, id, number, status, profile, email_key, payment_methods, application_status,
    customer_number, submitted_at, checked_at, created_at, updated_at)
SELECT store_id, id, 'M' || lpad(n::text, 6, '0'), CASE WHEN share = 0 THEN 'pending_approval' ELSE 'active' END,
    jsonb_build_object('company_name',
        '株式会社' || chr(19968 + n / 10 % 2000) || chr(19968 + n / 10 * 37 % 3000) || '商会', 'company_name_kana',
        'カブシキガイシャ' || chr(12450 + n / 10 % 80) || chr(12450 + n / 10 * 37 % 80), 'email',
        'a' || n || '@minato.example'),
    'a' || n || '@minato.example', '{paid,bank_transfer}',
    (ARRAY['none', 'pending', 'submitted', 'approved_active'])[1 + least(share, 3)],
    CASE WHEN share > 1 THEN 'C' || n END, CASE WHEN share > 1 THEN at END, at, at, at
FROM many;

INSERT INTO orders (store_id, id, number, member_id, placed_at, handling_status, payment_method, lines, shipping_fee,
    payment_fee, tax_rounding, totals, total, discarded_at, updated_at)
SELECT store_id, id, lpad(n::text, 8, '0'), member_id, at,
    (ARRAY['new', 'in_progress', 'cancelled', 'completed'])[1 + least(share, 3)],
    CASE WHEN share = 9 THEN 'bank_transfer' ELSE 'paid' END,
    '[{"name": "茶", "unit_price": 1000, "quantity": 1, "tax_rate": 10}]', 0, 0, 'floor',
    '{"by_rate": [{"tax_rate": 10, "net": 1000, "tax": 100, "gross": 1100}], "net": 1000, "tax": 100, "total": 1100}',
    1100, CASE WHEN share = 8 THEN at END, at
FROM many;

INSERT INTO payments (store_id, order_id, status, amount, environment, merchant_id, credit_key, customer_number, flag,
    created_at)
SELECT store_id, id, (ARRAY['processing', 'unconfirmed', 'cancelled', 'failed', 'confirmed'])[1 + least(share, 4)],
    CASE WHEN share = 50 THEN 900 ELSE 1100 END, 'sandbox', '100001', 'K' || n, 'C' || n,
    CASE WHEN share = 60 THEN 'moved_back' END, at
FROM many WHERE share <> 9;

INSERT INTO operations (store_id, id, kind, order_id, environment, paid_key, body, plan, actor, state, may_have_arrived,
    next_try_at, started_at, settled_at)
SELECT store_id, id, 'register', id, 'sandbox', 'K' || n, '{}', '{"kind": "register", "amount": 1100}', 'user:1',
    CASE WHEN share = 0 AND n <= 100 THEN 'stuck' ELSE 'done' END, TRUE, at, at,
    CASE WHEN share = 0 AND n <= 100 THEN NULL ELSE at END
FROM many WHERE share <> 9;
INSERT INTO operations (store_id, id, kind, member_id, environment, paid_key, body, plan, actor, state, may_have_arrived,
    next_try_at, started_at, settled_at)
SELECT store_id, ('01900000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'apply', id, 'sandbox', 'C' || n, '{}',
    '{"kind": "apply"}', 'user:1', 'done', TRUE, at, at, at
FROM many WHERE share > 1;

INSERT INTO provider_calls (store_id, id, order_id, call, outcome, duration_ms, called_at)
SELECT store_id, id, id, 'register', 'done', 20, at FROM many;
INSERT INTO events (store_id, seq, id, type, subject_type, subject_id, actor, data, created_at)
SELECT store_id, 50000 - n, id, 'order.placed', 'order', id, 'user:1', '{}', at FROM many ORDER BY at;
SELECT setval('event_seq', 50000);
INSERT INTO products (store_id, id, code, name, unit_price, tax_rate, active, paid_allowed, created_at, updated_at)
SELECT store_id, id, 'P' || n, '茶', 1000, 10, share <> 0, TRUE, at, at FROM many;
INSERT INTO jobs (store_id, id, kind, state, actor, total, created_at, finished_at)
SELECT store_id, id, 'member_refresh', 'succeeded', 'user:1', 1, at, at FROM many;
INSERT INTO job_items (store_id, job_id, position, subject, outcome) SELECT store_id, id, 0, id, 'succeeded' FROM many;
INSERT INTO job_portions (store_id, job_id, number, first, last, next_try_at, done_at)
SELECT store_id, id, 0, 0, 0, at, at FROM many;
INSERT INTO sessions (store_id, id, member_id, refresh_hash, created_at, expires_at)
SELECT store_id, id, id, '', at, at + interval '30 days' FROM many;
INSERT INTO password_tokens (store_id, id, member_id, secret_hash, created_at, expires_at)
SELECT store_id, id, id, '', at, at + interval '1 hour' FROM many;
INSERT INTO idempotency_keys (store_id, caller, key, fingerprint, locked_until, lock_token, created_at)
SELECT store_id, 'user:1', id::text, '', at, id, at FROM many;
INSERT INTO unknown_codes (store_id, subject_id, subject_type, codes, accepted_at, flagged_at)
SELECT store_id, id, 'order', '{Z9}', CASE WHEN n > 100 THEN at END, at FROM many;
DROP TABLE many;
RESET session_replication_role;
ANALYZE;
