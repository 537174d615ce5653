ALTER TABLE operations
    -- {"codes": [...], "message": "..."} with which Paid refused the last send; null where it did not. What an inquiry
    -- answered never stands here: only the refusal of a send, together with an inquiry, says that it had no effect.
    ADD COLUMN refusal JSONB,
    -- when its next drive belongs by the schedule of retries. A drive that somebody asks for comes earlier
    -- (`next_try_at`), and does not count as one of them.
    ADD COLUMN scheduled_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- an abandoned register whose last send may still have been on its way: Paid is asked about it once more
    ADD COLUMN looks_again BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE operations SET scheduled_at = next_try_at WHERE state IN ('open', 'stuck');
DROP INDEX operations_due;
CREATE INDEX operations_due ON operations (next_try_at) WHERE state = 'open' OR looks_again;
