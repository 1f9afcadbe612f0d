-- ALTER ROLE ... SET and ALTER DATABASE ... SET; oid 0 means any role or any database.
SELECT setrole::int8, setdatabase::int8, setconfig
FROM pg_db_role_setting
