DROP TABLE payments, orders, products;
