-- Foreign keys and lists go through these at any number of rows; the partial index above them leaves discarded orders out,
-- which a foreign key does not.
CREATE INDEX orders_by_member ON orders (store_id, member_id);
-- "From this day to that", and the sums of the first screen.
CREATE INDEX orders_placed ON orders (store_id, placed_at DESC) WHERE discarded_at IS NULL;
-- Is anything of the store open; what of it is stuck.
CREATE INDEX operations_unsettled ON operations (store_id) WHERE state IN ('open', 'stuck');
-- What waits, and since when.
CREATE INDEX payments_waiting ON payments (store_id, status, created_at)
    WHERE status IN ('processing', 'unconfirmed');
-- The list of members, and those created in a time.
CREATE INDEX members_created ON members (store_id, created_at DESC) WHERE deleted_at IS NULL;
-- The sessions of a member of the staff, for the foreign key too.
CREATE INDEX sessions_of_user ON sessions (store_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX password_tokens_of_member ON password_tokens (store_id, member_id);
-- What upkeep drops.
CREATE INDEX sessions_by_end ON sessions (least(expires_at, ended_at));
CREATE INDEX password_tokens_by_end ON password_tokens (expires_at);
