DROP TABLE provider_calls, operations;
