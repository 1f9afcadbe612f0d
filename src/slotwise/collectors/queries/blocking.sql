-- Takes the lock manager's partition locks: asked for sessions that wait for a lock, never for all.
SELECT pid, pg_blocking_pids(pid) AS blockers
FROM unnest(ARRAY[{pids}]::int[]) AS waiting(pid)
