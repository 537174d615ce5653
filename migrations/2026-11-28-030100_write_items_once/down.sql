ALTER TABLE job_items SET (fillfactor = 60);
DROP INDEX job_items_at_fault;
INSERT INTO job_items (store_id, job_id, position, line)
SELECT store_id, job_id, first + place::integer - 1, line
FROM job_portions CROSS JOIN unnest(lines) WITH ORDINALITY AS listed (line, place)
WHERE done_at IS NULL;
DROP TRIGGER portion_is_kept ON job_portions;
DROP FUNCTION portion_is_kept();
DROP TRIGGER portion_has_its_items ON job_portions;
DROP FUNCTION portion_has_its_items();
ALTER TABLE job_portions DROP COLUMN lines;
