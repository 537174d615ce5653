DROP TABLE second_factors;
ALTER TABLE stores DROP COLUMN require_second_factor;
ALTER TABLE sessions DROP COLUMN proved_at;
ALTER TABLE admin_users DROP COLUMN second_factor_at;
