-- The payments that failed of orders that were placed: an order that Paid refused at once leaves a failed payment too, which no
-- list shows, and a shop may have many of them.
CREATE INDEX payments_failed ON payments (store_id, order_id DESC) WHERE status = 'failed' AND order_total IS NOT NULL;
