-- From when on a key signs: until then every process, and whoever keeps the public keys, learns of it. NULL: at once.
ALTER TABLE signing_keys ADD COLUMN signs_from TIMESTAMPTZ;
