ALTER TABLE provider_calls RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_freeze_min_age, autovacuum_analyze_scale_factor);
ALTER TABLE events RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_freeze_min_age, autovacuum_analyze_scale_factor);
ALTER TABLE idempotency_keys RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay);
ALTER TABLE job_portions RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE job_items RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE members RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE operations RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE payments RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE orders RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
