DROP TABLE email_verifications;
ALTER TABLE stores DROP COLUMN require_email_verification;
