-- Codes and item statuses of Paid that Kakeuri has no meaning for, on the payment or application they were answered
-- about. A row of its own and not a column: such an answer changes neither the payment nor the member, so it must not
-- move their versions, nor wait for whoever holds their locks.
CREATE TABLE unknown_codes (
    store_id      UUID NOT NULL REFERENCES stores,
    -- the order or the member
    subject_id    UUID NOT NULL,
    subject_type  TEXT NOT NULL CHECK (subject_type IN ('order', 'member')),
    -- all that were ever answered
    codes         TEXT[] NOT NULL,
    -- a human has seen them; off the reconciliation list until another one comes
    accepted_at   TIMESTAMPTZ,
    flagged_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (store_id, subject_id)
);
CREATE INDEX unknown_codes_not_accepted ON unknown_codes (store_id, subject_type, subject_id) WHERE accepted_at IS NULL;
