-- Seals of the event log: each follows from the one before and from every line since, so that a line that was changed, added or
-- taken away later is found. A worker writes them, behind the writers of the log.
CREATE TABLE event_seals (
    store_id  UUID NOT NULL REFERENCES stores,
    -- the last line that is sealed
    last_seq  BIGINT NOT NULL,
    -- when that was written
    last_at   TIMESTAMPTZ NOT NULL,
    seal      BYTEA NOT NULL,
    -- the first eight bytes of each line's hash, to find the line that does not fit; none once the lines are dropped
    marks     BYTEA NOT NULL,
    sealed_at TIMESTAMPTZ NOT NULL,
    -- that its lines were dropped, as they were old enough: only the service can write what stands here
    dropped   BYTEA,
    PRIMARY KEY (store_id, last_seq)
);

-- Lines that are old enough may be dropped, by whoever says so for the length of his transaction.
CREATE OR REPLACE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('kakeuri.drops_old_events', TRUE) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the event log is append-only';
END $$;
