-- What is looked for and what is looked through, in one form: full-width letters and half-width kana are the same as the
-- others, and so are large and small letters. Needs a database in UTF8.
CREATE FUNCTION search_form(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN lower(normalize($1, NFKC));

-- A key for every two neighbouring characters of a text in that form, together with the store: whatever contains a text has
-- all of its keys. The cost keeps the planner from asking it of rows that a cheaper condition drops, or of all rows; it
-- would also lead to parallel plans, which are not worth their start for some rows of an index.
CREATE FUNCTION search_keys(store_id uuid, form text) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE COST 1000 AS $$
DECLARE
    seed bigint := uuid_hash_extended(store_id, 0);
    letters text[] := string_to_array(form, NULL);
    keys bigint[] := '{}';
BEGIN
    FOR i IN 1 .. cardinality(letters) - 1 LOOP
        keys[i] := hashtextextended(letters[i] || letters[i + 1], seed);
    END LOOP;
    RETURN keys;
END $$;

-- The same column by another rule; a process that knows only the old one still finds what it looks for.
ALTER TABLE members DROP COLUMN search_text;
ALTER TABLE members ADD COLUMN search_text TEXT NOT NULL GENERATED ALWAYS AS (
    search_form(number || ' ' || (profile ->> 'company_name') || ' ' || (profile ->> 'company_name_kana') || ' ' || email_key)
) STORED;

-- Rows are written to a list first and moved into the index together, by the vacuum or when the list is full. A search
-- reads the list through, so it is kept short.
CREATE INDEX members_searched ON members USING gin (search_keys(store_id, search_text)) WITH (gin_pending_list_limit = 1024);
CREATE INDEX orders_searched ON orders USING gin (search_keys(store_id, number)) WITH (gin_pending_list_limit = 256);
