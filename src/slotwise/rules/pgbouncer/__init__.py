"""Rules about PgBouncer evidence. Dropping a file in registers it."""
