"""Rules about PostgreSQL evidence. Dropping a file in registers it."""
