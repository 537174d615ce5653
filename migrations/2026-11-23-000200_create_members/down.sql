DROP TABLE signing_keys, password_tokens, sessions, admin_users, members;
