DROP INDEX orders_paid_otherwise;
DROP INDEX orders_by_label;
