DROP INDEX orders_searched;
DROP INDEX members_searched;
ALTER TABLE members DROP COLUMN search_text;
ALTER TABLE members ADD COLUMN search_text TEXT NOT NULL GENERATED ALWAYS AS (
    lower(number || ' ' || (profile ->> 'company_name') || ' ' || (profile ->> 'company_name_kana') || ' ' || email_key)
) STORED;
DROP FUNCTION search_keys(uuid, text);
DROP FUNCTION search_form(text);
