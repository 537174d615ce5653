ALTER TABLE job_portions DROP COLUMN staged, DROP COLUMN staged_members;
