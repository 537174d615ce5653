-- The lines on which the rows of a file begin. An item of a file is written once, with its outcome; until then its row stands
-- here, and counts as not started. Null where the items were written when the job was accepted.
ALTER TABLE job_portions ADD COLUMN lines INTEGER[];

-- A portion is not done before all of its items are there. An earlier program beside this one looks for items to update and
-- finds none: it breaks off here with nothing written, and the portion waits for its next try.
CREATE FUNCTION portion_has_its_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM job_items AS item
        WHERE item.store_id = NEW.store_id AND item.job_id = NEW.job_id AND item.position BETWEEN NEW.first AND NEW.last)
        <> NEW.last - NEW.first + 1
    THEN
        RAISE EXCEPTION 'portion % of the job % has rows without an item', NEW.number, NEW.job_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER portion_has_its_items BEFORE UPDATE OF done_at ON job_portions FOR EACH ROW
    WHEN (OLD.lines IS NOT NULL AND OLD.done_at IS NULL AND NEW.done_at IS NOT NULL)
    EXECUTE FUNCTION portion_has_its_items();

-- Rows that were not begun when their job ended stay for the list of its items. An earlier program would drop them once a
-- minute; with their job they go.
CREATE FUNCTION portion_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM jobs WHERE jobs.store_id = OLD.store_id AND jobs.id = OLD.job_id) THEN
        RETURN NULL;
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER portion_is_kept BEFORE DELETE ON job_portions FOR EACH ROW
    WHEN (OLD.lines IS NOT NULL AND OLD.done_at IS NULL) EXECUTE FUNCTION portion_is_kept();

-- What somebody looks for after a job: three rows at fault among a million. The others are found by walking through. An
-- outcome that is written later is now a change of what an index knows, so no room on the page helps any more.
CREATE INDEX job_items_at_fault ON job_items (store_id, job_id, position) WHERE outcome IN ('refused', 'unknown');
ALTER TABLE job_items RESET (fillfactor);
