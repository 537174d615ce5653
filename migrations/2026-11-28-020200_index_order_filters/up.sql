-- The list of orders by 対応状況: what is new or in progress is a few among the many that are completed. A change of something
-- else than the label does not touch it.
CREATE INDEX orders_by_label ON orders (store_id, handling_status, id DESC) WHERE discarded_at IS NULL;
-- By 決済方法: a method that nobody chooses would have the whole list walked. Orders on Paid, which are many, are not in it.
CREATE INDEX orders_paid_otherwise ON orders (store_id, payment_method, id DESC)
    WHERE payment_method <> 'paid' AND discarded_at IS NULL;
