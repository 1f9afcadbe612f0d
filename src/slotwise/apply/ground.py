"""Reads what a change stands on, at the moment of planning it: files as bytes, and the server as it may be changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slotwise.apply.files import read_file
from slotwise.apply.servers import Way, postgres
from slotwise.errors import OperatorError
from slotwise.fixes.conf_text import include_dirs, names_after
from slotwise.fixes.ground import Platform, PostgresGround, Standby
from slotwise.fixes.server_settings import DROP_IN
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Databases, Server
from slotwise.snapshot.processes import Postmaster, ServerProcesses

if TYPE_CHECKING:
    from psycopg import Connection

MOST_DATABASES_COUNTED = 25
_COUNT_MILLISECONDS = 3000


def read_files(paths: Iterable[str]) -> dict[str, bytes | None]:
    """The content of each file; None where it is not there or may not be read."""
    found: dict[str, bytes | None] = {}
    for path in paths:
        try:
            found[path] = read_file(path)
        except OperatorError:
            found[path] = None
    return found


def read_postgres(
    way: Way, snapshot: Snapshot, platform: Platform | None, names: tuple[str, ...] = ()
) -> PostgresGround:
    """The server behind ``way``. ``platform`` overrides what the server itself shows; ``names`` are roles whose
    password verifiers are wanted. Raises OperatorError when it cannot be reached."""
    with postgres(way) as session:
        version = session.info.server_version
        superuser = session.info.parameter_status("is_superuser") == "on"
        found_platform = platform or _platform(session, snapshot)
        files = _files(session, snapshot, superuser)
        shared = _shared_memory(session)
        ground = PostgresGround(
            address=snapshot.server.address if isinstance(snapshot.server, Server) else f"port {session.info.port}",
            version_num=version,
            is_superuser=superuser,
            in_recovery=_value(session, "SELECT pg_is_in_recovery()") is True,
            platform=found_platform,
            alter_system=_value(session, "SELECT current_setting('allow_alter_system', true)") != "off",
            standbys=_standbys(session),
            primary_values=_primary_values(snapshot),
            sessions=_sessions(session),
            secrets=_secrets(session, names) if superuser else {},
            roles=frozenset(str(r[0]) for r in session.execute("SELECT rolname FROM pg_roles").fetchall()),
            functions=frozenset(
                f"{schema}.{name}"
                for schema, name in session.execute(
                    "SELECT nspname, proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
                    " WHERE nspname = 'slotwise_pgbouncer'"
                ).fetchall()
            ),
            huge_pages_bytes=huge_pages_bytes(shared) if _postmaster(snapshot) is not None else None,
            shared_memory_bytes=shared,
            **files,
        )
    relations, database = _relations(way, snapshot)
    from msgspec import structs

    strange = {name: strange_objects(way, snapshot, name) for name in names if superuser}
    return structs.replace(ground, relations=relations, relations_database=database, strange_objects=strange)


def _value(session: Connection[tuple[Any, ...]], statement: str) -> Any:
    import psycopg

    try:
        row = session.execute(statement.encode()).fetchone()
    except psycopg.Error:
        return None
    return None if row is None else row[0]


def _platform(session: Connection[tuple[Any, ...]], snapshot: Snapshot) -> Platform:
    """Whose server it is, by the settings that only the service's own build has."""
    prefixes = {
        str(row[0])
        for row in session.execute(
            "SELECT DISTINCT split_part(name, '.', 1) FROM pg_settings WHERE name LIKE '%.%'"
        ).fetchall()
    }
    if "rds" in prefixes:
        return "aurora" if _value(session, "SELECT to_regproc('aurora_version')::text") else "rds"
    if "azure" in prefixes:
        return "azure"
    if "cloudsql" in prefixes:
        return "cloudsql"
    if "cnpg" in str(_value(session, "SELECT current_setting('cluster_name', true)")):
        return "cloudnativepg"
    here = _postmaster(snapshot)
    return "patroni" if here is not None and parent_is_patroni(here.pid) else "self-hosted"


def parent_is_patroni(pid: int, root: Path = Path("/")) -> bool:
    """Whether Patroni has started this postmaster: it would write over what slotwise sets."""
    try:
        status = (root / f"proc/{pid}/stat").read_text()
        parent = int(status.rpartition(")")[2].split()[1])
        return b"patroni" in (root / f"proc/{parent}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return False


def _postmaster(snapshot: Snapshot) -> Postmaster | None:
    """The server's own process, where it runs on this host."""
    here = snapshot.server_processes
    if not isinstance(here, ServerProcesses) or here.chosen is None:
        return None
    return next((p for p in here.postmasters if p.pid == here.chosen), None)


def _files(session: Connection[tuple[Any, ...]], snapshot: Snapshot, superuser: bool) -> dict[str, Any]:
    """Where its files are and what they say, as far as slotwise may read and write them."""
    if not superuser:
        return {}
    rows = session.execute(
        "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' AND name IS NOT NULL"
        " ORDER BY seqno"
    ).fetchall()
    found: dict[str, Any] = {"auto_conf": {str(name): str(setting) for name, setting in rows}}
    here = _postmaster(snapshot)
    config_file = _value(session, "SHOW config_file")
    data_directory = _value(session, "SHOW data_directory")
    if here is None or config_file is None or here.data_directory != data_directory:
        return found
    text = (read_files((config_file,))[config_file] or b"").decode("utf-8", "surrogateescape")
    found.update(config_file=config_file, config_text=text)
    base = Path(config_file).parent
    for named in reversed(include_dirs(text)):
        directory = base / named
        if directory.is_dir():
            # Not the drop-in itself: what is later in the same directory cannot be, by its name.
            found.update(
                include_dir=str(directory),
                files_writable=os.access(directory, os.W_OK),
                late_names=names_after(text, named),
                drop_in=read_files((str(directory / DROP_IN),))[str(directory / DROP_IN)],
            )
            break
    return found


def _standbys(session: Connection[tuple[Any, ...]]) -> tuple[Standby, ...]:
    rows = session.execute(
        "SELECT application_name, client_addr::text FROM pg_stat_replication r WHERE NOT EXISTS"
        " (SELECT 1 FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')"
        " AND coalesce(application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal')"
    ).fetchall()
    return tuple(Standby(str(name or address or "unnamed"), address) for name, address in rows)


def _primary_values(snapshot: Snapshot) -> dict[str, str]:
    """A standby's control file keeps the primary's values (xlog_redo, XLOG_PARAMETER_CHANGE in xlog.c, 12 to 18)."""
    here = _postmaster(snapshot)
    if here is None or here.data_directory is None:
        return {}
    import subprocess

    program = Path(f"/proc/{here.pid}/exe")
    try:
        binary = program.resolve().with_name("pg_controldata")
        owner = Path(f"/proc/{here.pid}").stat()
        user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(binary), "-D", here.data_directory],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            **user,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    shown = {a.strip(): b.strip() for a, _, b in (line.partition(":") for line in done.stdout.splitlines())}
    names = {
        "max_connections setting": "max_connections",
        "max_worker_processes setting": "max_worker_processes",
        "max_wal_senders setting": "max_wal_senders",
        "max_prepared_xacts setting": "max_prepared_transactions",
        "max_locks_per_xact setting": "max_locks_per_transaction",
    }
    return {ours: shown[theirs] for theirs, ours in names.items() if theirs in shown}


def _sessions(session: Connection[tuple[Any, ...]]) -> int | None:
    """Client sessions of the whole server, this one left out. Counted from what every role may see."""
    value = _value(
        session, "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
    )
    return int(value) if value is not None else None


def _secrets(session: Connection[tuple[Any, ...]], names: tuple[str, ...]) -> dict[str, str]:
    import psycopg

    try:
        rows = session.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s) AND rolpassword IS NOT NULL",
            [list(names)],
        ).fetchall()
    except psycopg.Error:
        return {}
    return {str(name): str(secret) for name, secret in rows}


def _shared_memory(session: Connection[tuple[Any, ...]]) -> int | None:
    """shared_memory_size of 15 and newer, in bytes."""
    value = _value(session, "SELECT setting::bigint * 1024 * 1024 FROM pg_settings WHERE name = 'shared_memory_size'")
    return int(value) if value is not None else None


def huge_pages_bytes(own_bytes: int | None, root: Path = Path("/")) -> int | None:
    """Huge pages of the default size that a restarted server finds: those that nobody has or has been promised, and
    those that the running one gives back (``own_bytes``, its shared memory). None where that cannot be read.

    Documentation/admin-guide/mm/hugetlbpage.rst: HugePages_Rsvd of the free ones are promised already.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Huge")}
    names = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "Hugepagesize")
    if own_bytes is None or not values.keys() >= set(names):
        return None
    total, free, promised, kibibytes = (values[name] for name in names)
    size = kibibytes * 1024
    return min(total, max(0, free - promised) - (-own_bytes // size)) * size


def strange_objects(way: Way, snapshot: Snapshot, role: str) -> str | None:
    """Tables and views of Odoo's databases that do not belong to ``role``, in words; an empty text where all do. None
    where that is not known of every database. What belongs to an extension is left out.

    A superuser may use them all the same; without that attribute Odoo would read `permission denied`.
    """
    if not isinstance(snapshot.databases, Databases):
        return None
    names = [d.name for d in snapshot.databases.databases if d.allows_connections and not d.is_template]
    if len(names) > MOST_DATABASES_COUNTED:
        return None
    statement = (
        "SELECT count(*), min(o.rolname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_roles o ON o.oid = c.relowner WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
        " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND o.rolname <> %s"
        " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " AND d.deptype = 'e') AND to_regclass('public.ir_module_module') IS NOT NULL"
    )
    import psycopg

    found: list[str] = []
    for name in names:
        try:
            with postgres(Way(way.dsn, {**way.parameters, "dbname": name}, way.uid)) as session:
                session.execute(f"SET statement_timeout = {_COUNT_MILLISECONDS}".encode())
                row = session.execute(statement.encode(), [role]).fetchone()
        except (OperatorError, psycopg.Error):
            return None
        if row is not None and row[0]:
            found.append(f"{row[0]} tables and views of {name} belong to {row[1]}")
    return "; ".join(found)


def _relations(way: Way, snapshot: Snapshot) -> tuple[int | None, str | None]:
    """Tables and indexes of the largest database, which pg_dump and -u lock. None where none could be counted."""
    if not isinstance(snapshot.databases, Databases):
        return None, None
    names = [d.name for d in snapshot.databases.databases if d.allows_connections and not d.is_template]
    counted: list[tuple[int, str]] = []
    for name in names[:MOST_DATABASES_COUNTED]:
        parameters: Mapping[str, str] = {**way.parameters, "dbname": name}
        try:
            with postgres(Way(way.dsn, parameters, way.uid)) as session:
                session.execute(f"SET statement_timeout = {_COUNT_MILLISECONDS}".encode())
                value = _value(session, "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'i', 'I')")
        except OperatorError:
            continue
        if value is not None:
            counted.append((int(value), name))
    return max(counted) if counted else (None, None)
