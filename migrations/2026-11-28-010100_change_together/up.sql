-- Several changes are made in one statement, which begins with what they were decided on. Where that is no longer as it
-- was read, this ends the statement, and nothing of it is done.
CREATE FUNCTION must_stand(what text, rows bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF rows <> 1 THEN
        RAISE EXCEPTION 'the % has changed', what USING ERRCODE = 'serialization_failure', CONSTRAINT = what;
    END IF;
END $$;
