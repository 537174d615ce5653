DROP TRIGGER members_are_tallied_when_made ON members;
DROP TRIGGER members_are_tallied_when_changed ON members;
DROP TRIGGER members_are_tallied_when_dropped ON members;
DROP TRIGGER orders_are_tallied_when_made ON orders;
DROP TRIGGER orders_are_tallied_when_changed ON orders;
DROP TRIGGER orders_are_tallied_when_dropped ON orders;
DROP TRIGGER payments_are_tallied_when_made ON payments;
DROP TRIGGER payments_are_tallied_when_changed ON payments;
DROP TRIGGER payments_are_tallied_when_dropped ON payments;
DROP TRIGGER payments_know_their_order ON payments;
DROP FUNCTION fold_tallies, recount_tallies, members_are_tallied, new_members_are_tallied, orders_are_tallied,
    payments_are_tallied, payments_know_their_order;
DROP VIEW tallies_counted;
DROP FUNCTION payment_marks;
DROP INDEX payments_apart;
DROP INDEX payments_listed;
ALTER TABLE payments DROP COLUMN listed, DROP COLUMN accepted, DROP COLUMN apart, DROP COLUMN order_on_paid,
    DROP COLUMN order_day, DROP COLUMN order_label, DROP COLUMN order_total;
CREATE INDEX payments_flagged ON payments (store_id, order_id) WHERE flag IS NOT NULL;
DROP FUNCTION japan_day;
DROP TABLE tally_changes;
DROP TABLE tallies;
