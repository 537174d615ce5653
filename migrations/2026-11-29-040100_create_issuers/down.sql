DROP TABLE issuer_names;
DROP TABLE issuers;
