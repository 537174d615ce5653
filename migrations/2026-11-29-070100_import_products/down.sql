DELETE FROM jobs WHERE kind = 'product_import';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_kind_check CHECK (kind IN
    ('member_submission', 'member_refresh', 'payment_refresh', 'payment_confirm', 'member_import'));
