ALTER TABLE members DROP COLUMN external_id, DROP COLUMN metadata, DROP COLUMN updated_day;
ALTER TABLE orders DROP COLUMN external_id, DROP COLUMN metadata, DROP COLUMN updated_day;
DROP INDEX products_updated;
ALTER TABLE products DROP COLUMN external_id, DROP COLUMN metadata;
