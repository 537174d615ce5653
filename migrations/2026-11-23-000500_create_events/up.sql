-- The event log: append-only, written in the transaction of the change it tells of.
CREATE SEQUENCE event_seq;

CREATE TABLE events (
    store_id      UUID NOT NULL REFERENCES stores,
    -- the reading order, drawn by the trigger below
    seq           BIGINT NOT NULL,
    id            UUID NOT NULL,
    type          TEXT NOT NULL,
    subject_type  TEXT NOT NULL CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job')),
    subject_id    UUID NOT NULL,
    actor         TEXT NOT NULL,
    -- ids, amounts, statuses, names of changed fields; never a personal value, never a secret
    data          JSONB NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, seq),
    UNIQUE (store_id, id)
);
CREATE INDEX events_of_subject ON events (store_id, subject_id, seq);

-- Sequence numbers are not drawn in the order of commits: a reader could pass a number whose transaction commits
-- later. So a writer holds a shared lock from before it draws its number until it has committed, and a reader takes
-- the same lock exclusively for a moment: then no number below those it sees is still on its way.
CREATE FUNCTION events_draw_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.store_id::text, 7));
    NEW.seq := nextval('event_seq');
    RETURN NEW;
END $$;
CREATE TRIGGER events_draw_number BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_draw_number();

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only';
END $$;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
