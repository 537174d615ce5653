-- What other systems attach, so that they find it again: their own id, unique in the store, and pairs that mean something to
-- them alone.
--
-- `updated_day` is the day (UTC) of the last change, for whoever asks what has changed since. An index of `updated_at`
-- itself would make every change of a row write to all of its indexes; a day changes once a day.
--
-- Both larger tables are written anew, about a minute for each million of rows, in which nobody else reads or writes them.
ALTER TABLE members
    ADD COLUMN external_id TEXT,
    ADD COLUMN metadata JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN updated_day DATE NOT NULL GENERATED ALWAYS AS ((updated_at AT TIME ZONE 'UTC')::DATE) STORED;
ALTER TABLE orders
    ADD COLUMN external_id TEXT,
    ADD COLUMN metadata JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN updated_day DATE NOT NULL GENERATED ALWAYS AS ((updated_at AT TIME ZONE 'UTC')::DATE) STORED;
ALTER TABLE products
    ADD COLUMN external_id TEXT,
    ADD COLUMN metadata JSONB NOT NULL DEFAULT '{}';

CREATE UNIQUE INDEX members_external_id ON members (store_id, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX orders_external_id ON orders (store_id, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX products_external_id ON products (store_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX members_updated ON members (store_id, updated_day, id);
CREATE INDEX products_updated ON products (store_id, updated_at);
CREATE INDEX orders_updated ON orders (store_id, updated_day, id);
