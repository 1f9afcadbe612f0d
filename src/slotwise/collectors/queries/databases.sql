SELECT oid::int8,
       datname AS name,
       datconnlimit AS connection_limit,
       datallowconn AS allows_connections,
       datistemplate AS is_template,
       datdba::int8 AS owner_oid
FROM pg_database
