ALTER TABLE sessions DROP COLUMN rotation, DROP COLUMN former_refresh_hash, DROP COLUMN rotated_at, DROP COLUMN rotated_from;
