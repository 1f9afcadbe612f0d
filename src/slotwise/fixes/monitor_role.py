"""The SQL that makes a role for slotwise: it may see every session, change nothing, and use the reserve. Pure."""

from __future__ import annotations

from slotwise.errors import OperatorError

MOST_SESSIONS = 3
"""slotwise holds one; doctor and psql may come beside it."""


def role_sql(name: str = "slotwise") -> str:
    """Statements for psql, PostgreSQL 12 and later; safe to run again.

    pg_monitor shows all sessions (predefined roles, PostgreSQL documentation). pg_use_reserved_connections exists since
    PostgreSQL 16, and reserves something only where reserved_connections is above 0. No password is set: over the
    Unix-domain socket peer authentication needs none. Raises OperatorError for a name with a quote or a NUL in it.
    """
    if not name or any(c in name for c in "\"'\x00\\\n$"):
        raise OperatorError(f"{name!r} is no name for a role", "use letters, digits and underscores")
    return f"""\
-- A role for slotwise. Run as a superuser:  psql -d postgres -f FILE
DO $slotwise$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
    CREATE ROLE "{name}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
  END IF;
  -- Since PostgreSQL 16 slots can be reserved for roles like this one: set reserved_connections = 2 and restart.
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_use_reserved_connections') THEN
    GRANT pg_use_reserved_connections TO "{name}";
  END IF;
END
$slotwise$;
ALTER ROLE "{name}" CONNECTION LIMIT {MOST_SESSIONS};
ALTER ROLE "{name}" SET default_transaction_read_only = on;
GRANT pg_monitor TO "{name}";
-- Only where it logs in with a password (pg_hba.conf: scram-sha-256):  \\password {name}
"""
