"""How PgBouncer knows the passwords: verifiers copied into userlist.txt, a lookup function, or the password itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.fixes.pgbouncer_ini import Version
from slotwise.fixes.remedy import RunSql
from slotwise.fixes.sql_text import identifier, literal

LOOKUP_ROLE = "slotwise_pgbouncer"
LOOKUP_SCHEMA = "slotwise_pgbouncer"
LOOKUP_DATABASE = "postgres"

Kind = Literal["verifiers", "lookup", "passwords", "none"]


class Auth(Struct, frozen=True, kw_only=True):
    """The lines of pgbouncer.ini, the content of userlist.txt, and the statements that prepare the server.

    ``missing`` names the roles that nobody could find a secret for: they cannot log in through PgBouncer.
    """

    kind: Kind
    auth_type: str
    userlist: str
    settings: dict[str, str] = {}
    statements: tuple[RunSql, ...] = ()
    missing: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Auth({self.kind!r})"


def by_verifiers(users: tuple[str, ...], secrets: dict[str, str]) -> Auth:
    """PostgreSQL's own verifiers: with a SCRAM verifier PgBouncer can also log in to the server, because the client has
    just proved that it knows the password (config.md, "Authentication file format"). No password is stored."""
    known = {user: secrets[user] for user in users if user in secrets}
    scram = all(secret.startswith("SCRAM-SHA-256$") for secret in known.values())
    return Auth(
        kind="verifiers",
        auth_type="scram-sha-256" if scram else "md5",
        userlist=userlist(known),
        missing=tuple(user for user in users if user not in known),
    )


def by_passwords(users: tuple[str, ...], passwords: dict[str, str]) -> Auth:
    """The passwords of odoo.conf: what is left on a managed server, which shows nobody pg_authid."""
    known = {user: passwords[user] for user in users if user in passwords}
    return Auth(
        kind="passwords",
        auth_type="scram-sha-256",
        userlist=userlist(known),
        missing=tuple(user for user in users if user not in known),
    )


def by_lookup(
    users: tuple[str, ...], verifier: str, password: str, functions: frozenset[str], roles: frozenset[str]
) -> Auth:
    """A SECURITY DEFINER function that tells a role of its own the verifiers of ``users``, and of nobody else.

    ``password`` and its ``verifier`` are the lookup role's. New passwords need no change of files. Needs auth_dbname
    (1.19); before, the function would have to exist in every database.
    """
    return Auth(
        kind="lookup",
        auth_type="scram-sha-256",
        userlist=userlist({LOOKUP_ROLE: password}),
        settings={
            "auth_user": LOOKUP_ROLE,
            "auth_dbname": LOOKUP_DATABASE,
            "auth_query": f"SELECT usename, passwd FROM {LOOKUP_SCHEMA}.lookup($1)",
        },
        statements=_lookup_statements(users, verifier, functions, roles),
    )


def can_look_up(version: Version) -> bool:
    """Whether this PgBouncer knows auth_dbname."""
    return version >= (1, 19)


def userlist(secrets: dict[str, str]) -> str:
    """userlist.txt: two quoted words a line, quotes doubled (load_auth_file in loader.c)."""
    return "".join(f'"{_doubled(user)}" "{_doubled(secret)}"\n' for user, secret in secrets.items())


def _doubled(text: str) -> str:
    if "\n" in text or "\0" in text:
        raise ValueError("a name or password with a line break cannot stand in userlist.txt")
    return text.replace('"', '""')


def _lookup_statements(
    users: tuple[str, ...], verifier: str, functions: frozenset[str], roles: frozenset[str]
) -> tuple[RunSql, ...]:
    role, schema = identifier(LOOKUP_ROLE), identifier(LOOKUP_SCHEMA)
    listed = ", ".join(literal(user).strip() for user in users)
    function = f"{schema}.lookup(text)"
    steps: list[RunSql] = []
    if LOOKUP_ROLE not in roles:
        steps.append(
            RunSql(
                f"CREATE ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT 5 PASSWORD {literal(verifier)}",
                f"DROP ROLE {role}",
                f"SELECT 'present' FROM pg_catalog.pg_roles WHERE rolname = {literal(LOOKUP_ROLE)}",
                None,
                "present",
                secret=True,
            )
        )
    if f"{LOOKUP_SCHEMA}.lookup" not in functions:
        body = (
            f"CREATE SCHEMA {schema}"
            f" CREATE VIEW allowed AS SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ({listed});"
            f" CREATE FUNCTION {schema}.lookup(wanted text, OUT usename text, OUT passwd text) RETURNS SETOF record"
            " LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $lookup$"
            f" SELECT a.rolname::text, a.rolpassword FROM pg_catalog.pg_authid a JOIN {schema}.allowed v"
            " ON v.rolname = a.rolname WHERE a.rolname = wanted AND a.rolcanlogin"
            " AND (a.rolvaliduntil IS NULL OR a.rolvaliduntil > now()) $lookup$;"
            f" REVOKE ALL ON FUNCTION {function} FROM PUBLIC; GRANT USAGE ON SCHEMA {schema} TO {role};"
            f" GRANT EXECUTE ON FUNCTION {function} TO {role}"
        )
        steps.append(
            RunSql(
                body,
                f"DROP SCHEMA {schema} CASCADE",
                f"SELECT 'present' FROM pg_catalog.pg_namespace WHERE nspname = {literal(LOOKUP_SCHEMA)}",
                None,
                "present",
            )
        )
    return tuple(steps)
