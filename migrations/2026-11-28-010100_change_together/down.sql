DROP FUNCTION must_stand(text, bigint);
