"""How fix reaches the servers, and what it reads before it plans a change."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from msgspec import Struct

from slotwise.apply.ground import read_files, read_postgres
from slotwise.apply.servers import Way
from slotwise.capacity.routes import routes
from slotwise.collectors.machine import collect_machine
from slotwise.commands.fix_units import odoo_units
from slotwise.errors import OperatorError
from slotwise.fixes.ground import Ground, PgBouncerGround, Platform, PostgresGround
from slotwise.fixes.pooler import UNIT
from slotwise.fixes.systemd import path_of
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.processes import ServerProcesses

DEBIAN_INI = "/etc/pgbouncer/pgbouncer.ini"


class Reach(Struct, frozen=True):
    """The ways to PostgreSQL and to PgBouncer's consoles, by address."""

    database: Way | None = None
    consoles: Mapping[str, Way] = {}

    def __repr__(self) -> str:
        return "Reach()"


def reach_of(snapshot: Snapshot, dsn: str | None, pgbouncers: tuple[str, ...]) -> Reach:
    """``--dsn`` and ``--pgbouncer``; without a DSN, root goes in by the server's own socket as its OS user."""
    consoles: dict[str, Way] = {}
    seen = snapshot.pgbouncers.pgbouncers if isinstance(snapshot.pgbouncers, PgBouncers) else ()
    for given in pgbouncers:
        address = _address(given)
        matching = next((one.address for one in seen if one.address == address), None)
        if matching is None and len(seen) == 1 and len(pgbouncers) == 1:
            matching = seen[0].address
        consoles[matching or address] = Way(given, {"dbname": "pgbouncer"})
    for one in seen:
        own = _own_console(one)
        if one.address not in consoles and own is not None:
            consoles[one.address] = own
    return Reach(reach_of_dsn(dsn) or own_way(snapshot), consoles)


def _own_console(pgbouncer: PgBouncer) -> Way | None:
    """The console as user ``pgbouncer``: let in without a password over the Unix-domain socket when the client has the
    OS user of the process itself (https://www.pgbouncer.org/usage.html, "Admin console"). Only root can become it."""
    directory, port = pgbouncer.config.get("unix_socket_dir"), pgbouncer.config.get("listen_port")
    if os.geteuid() != 0 or pgbouncer.pid is None or not directory or not port:
        return None
    try:
        uid = Path(f"/proc/{pgbouncer.pid}").stat().st_uid
    except OSError:
        return None
    return Way("", {"host": directory, "port": port, "user": "pgbouncer", "dbname": "pgbouncer"}, uid)


def reach_of_dsn(dsn: str | None) -> Way | None:
    """The way that a connection string names; database ``postgres`` where it names none."""
    if dsn is None:
        return None
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(dsn)
    except ProgrammingError as error:
        raise OperatorError("--dsn cannot be read", "write postgresql://user:password@host:port/dbname") from error
    return Way(dsn, {} if given.get("dbname") else {"dbname": "postgres"})


def consoles_of(addresses: tuple[str, ...]) -> dict[str, Way]:
    """Consoles by the address in their own connection string, for --rollback and --resume, which look at nothing."""
    return {_address(given): Way(given, {"dbname": "pgbouncer"}) for given in addresses}


def _address(dsn: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(dsn)
    except ProgrammingError as error:
        raise OperatorError(
            "--pgbouncer cannot be read", "write host=… port=6432 user=postgres dbname=pgbouncer"
        ) from error
    host, port = str(given.get("host") or "/var/run/postgresql"), str(given.get("port") or "5432")
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else f"{host}:{port}"


def own_way(snapshot: Snapshot) -> Way | None:
    """The server's own socket as its OS user, where root runs slotwise on its host; else None."""
    here = snapshot.server_processes
    if os.geteuid() != 0 or not isinstance(here, ServerProcesses) or here.chosen is None:
        return None
    server = next((p for p in here.postmasters if p.pid == here.chosen), None)
    if server is None or server.port is None or not server.socket_directories:
        return None
    try:
        uid = Path(f"/proc/{server.pid}").stat().st_uid
    except OSError:
        return None
    parameters = {
        "host": server.socket_directories[0],
        "port": str(server.port),
        "user": "postgres",
        "dbname": "postgres",
    }
    return Way("", parameters, uid)


def read_ground(snapshot: Snapshot, reach: Reach, platform: str | None, live: bool) -> Ground:
    """The files and server facts behind the snapshot; nothing of this host for a saved one."""
    if not live:
        return Ground(postgres_gap="a saved snapshot: run fix where the server is")
    odoo = snapshot.odoo.instances if isinstance(snapshot.odoo, Odoo) else ()
    paths = tuple(dict.fromkeys(i.config_file for i in odoo if i.config_file))
    postgres, gap = _postgres(snapshot, reach, platform)
    pgbouncer = on_the_way(snapshot)
    drop_in = path_of(UNIT)
    return Ground(
        odoo_files=read_files(paths),
        postgres=postgres,
        postgres_gap=gap,
        pgbouncer=_pgbouncer(pgbouncer, reach) if pgbouncer is not None else None,
        memory_limit_bytes=server_memory_limit_bytes(snapshot),
        poolers_on_the_way=len(all_on_the_way(snapshot)),
        systemd_unit=_runs_as_unit(pgbouncer.pid if pgbouncer is not None else None),
        pgbouncer_open_files=pgbouncer.process_limit_nofile if pgbouncer is not None else None,
        drop_ins=read_files((drop_in,)),
        odoo_units=odoo_units(snapshot.odoo) if isinstance(snapshot.odoo, Odoo) else {},
    )


def _postgres(snapshot: Snapshot, reach: Reach, platform: str | None) -> tuple[PostgresGround | None, str]:
    if reach.database is None:
        return None, "no connection to PostgreSQL that may change it: give --dsn of a superuser"
    users = snapshot.odoo.users if isinstance(snapshot.odoo, Odoo) else ()
    try:
        return read_postgres(reach.database, snapshot, cast("Platform | None", platform), users), ""
    except OperatorError as error:
        return None, f"{error.problem}: {error.remedy}"


def server_memory_limit_bytes(snapshot: Snapshot, root: Path = Path("/")) -> int | None:
    """The tightest memory limit of the control groups of PostgreSQL's own process: its service may have one
    (MemoryMax=) that neither slotwise nor Odoo has. None where there is none, or the server is elsewhere."""
    here = snapshot.server_processes
    if not isinstance(here, ServerProcesses) or here.chosen is None:
        return None
    machine = collect_machine(root, here.chosen)
    return None if isinstance(machine, Unavailable) else machine.memory_limit_bytes


def on_the_way(snapshot: Snapshot) -> PgBouncer | None:
    """The PgBouncer that an Odoo instance goes through; None where all go directly, or the console did not answer."""
    return next(iter(all_on_the_way(snapshot)), None)


def all_on_the_way(snapshot: Snapshot) -> tuple[PgBouncer, ...]:
    """Every PgBouncer that an Odoo instance goes through and whose console answered."""
    ways = routes(snapshot)
    if isinstance(ways, Unavailable) or not isinstance(snapshot.pgbouncers, PgBouncers):
        return ()
    return tuple(one for one in snapshot.pgbouncers.pgbouncers if ways.through(one.address))


def version_of(text: str | None) -> tuple[int, int] | None:
    """``PgBouncer 1.18.0`` as (1, 18)."""
    found = re.search(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else None


def _pgbouncer(seen: PgBouncer, reach: Reach) -> PgBouncerGround:
    path = seen.config_file or DEBIAN_INI
    users = seen.config.get("auth_file") or str(Path(path).with_name("userlist.txt"))
    files = read_files((path, users)) if seen.config_file else {path: None, users: None}
    return PgBouncerGround(
        address=seen.address,
        version=version_of(seen.version),
        ini_path=path,
        ini=files[path],
        userlist_path=users,
        userlist=files[users],
        reloadable=seen.address in reach.consoles,
    )


def _runs_as_unit(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        return UNIT in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
