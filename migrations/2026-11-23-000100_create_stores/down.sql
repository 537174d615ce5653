DROP TABLE paid_settings, counters, stores;
