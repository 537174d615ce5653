DROP TRIGGER members_submit_once ON members;
DROP FUNCTION members_submit_once;
DROP TABLE email_verifications;
ALTER TABLE stores DROP COLUMN require_email_verification;
