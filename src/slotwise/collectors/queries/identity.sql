-- Which server answers. The role's rights follow from what it is shown (pg_parts.py), which is cheaper than asking.
SELECT pg_backend_pid() AS own_pid,
       current_user AS "user",
       current_setting('is_superuser') AS is_superuser,
       pg_is_in_recovery() AS in_recovery,
       pg_postmaster_start_time() AS started_at,
       clock_timestamp() AS server_clock
