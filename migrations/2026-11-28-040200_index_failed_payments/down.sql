DROP INDEX payments_failed;
