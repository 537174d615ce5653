DROP TABLE job_items, jobs;
