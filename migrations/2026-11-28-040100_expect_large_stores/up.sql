-- A connection keeps one plan for all stores, made for a store of the average size: where most are small, it reads all members
-- of the store for a page of its orders, and for a large one that takes seconds. A plan that is right for a large store
-- serves a small one as well. So PostgreSQL is told that there are a hundred stores, however many there are: one of the average
-- size is large enough then. What it knows of those that have many rows stays as it is.
ALTER TABLE members ALTER store_id SET (n_distinct = 100);
ALTER TABLE orders ALTER store_id SET (n_distinct = 100);
ALTER TABLE payments ALTER store_id SET (n_distinct = 100);
ALTER TABLE operations ALTER store_id SET (n_distinct = 100);
ALTER TABLE provider_calls ALTER store_id SET (n_distinct = 100);
ALTER TABLE events ALTER store_id SET (n_distinct = 100);
ALTER TABLE products ALTER store_id SET (n_distinct = 100);
ALTER TABLE jobs ALTER store_id SET (n_distinct = 100);
ALTER TABLE job_items ALTER store_id SET (n_distinct = 100);
ALTER TABLE sessions ALTER store_id SET (n_distinct = 100);
ALTER TABLE idempotency_keys ALTER store_id SET (n_distinct = 100);
-- It is heeded from the next time that a table is looked at: some seconds for the largest, and nobody waits.
ANALYZE members, orders, payments, operations, provider_calls, events, products, jobs, job_items, sessions, idempotency_keys;
