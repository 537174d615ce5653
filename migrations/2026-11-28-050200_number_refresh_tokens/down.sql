ALTER TABLE sessions DROP COLUMN rotation, DROP COLUMN rotated_at, DROP COLUMN rotated_from;
