-- All roles, because sessions name them by oid.
SELECT oid::int8,
       rolname AS name,
       rolsuper AS superuser,
       rolconnlimit AS connection_limit,
       pg_has_role(oid, 'pg_use_reserved_connections', 'USAGE') AS reserved,  -- since 160000
       rolcanlogin AS can_login
FROM pg_roles
