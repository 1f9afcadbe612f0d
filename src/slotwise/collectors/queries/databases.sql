SELECT oid,
       datname AS name,
       datconnlimit AS connection_limit,
       datallowconn AS allows_connections,
       datistemplate AS is_template,
       datdba AS owner_oid
FROM pg_database
