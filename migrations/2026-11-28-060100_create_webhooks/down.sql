ALTER TABLE events DROP CONSTRAINT events_subject_type_check,
    ADD CONSTRAINT events_subject_type_check
        CHECK (subject_type IN ('store', 'member', 'order', 'product', 'job', 'client', 'user')) NOT VALID;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
