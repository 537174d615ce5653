ALTER TABLE job_items ADD FOREIGN KEY (store_id) REFERENCES stores;
