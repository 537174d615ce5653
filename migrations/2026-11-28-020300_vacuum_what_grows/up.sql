-- By itself PostgreSQL clears a table when a fifth of it is dead: of two million orders, after 400,000 changes. Cleared more
-- often, each time is short, and the room that old versions leave is used again before the table has grown.
ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE payments SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE operations SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE members SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE job_items SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE job_portions SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
-- Rows that are never changed again: what has come since is marked as seen by all, and frozen, a little at a time, so that
-- nobody has to read the whole table through for it one day.
ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0,
    autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE provider_calls SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0,
    autovacuum_analyze_scale_factor = 0.02);
