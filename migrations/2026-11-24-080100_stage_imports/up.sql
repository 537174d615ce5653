-- A file that is taken over whole is judged portion by portion, without locks; what each portion comes to waits here
-- until all are written in one transaction.
ALTER TABLE job_portions
    ADD COLUMN staged BYTEA,
    -- the members that it changes, to be locked in one order
    ADD COLUMN staged_members UUID[];
-- Compressing it costs more than writing it.
ALTER TABLE job_portions ALTER COLUMN staged SET STORAGE EXTERNAL;
