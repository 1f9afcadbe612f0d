"""Finds the way from the running Odoo to its server: instance -> connection parameters -> PgBouncer or PostgreSQL.

Pure: what runs and listens on this host is given. Only the credentials that the instance itself uses are used.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

from msgspec import Struct, structs

from slotwise.collectors.pg_target import LIBPQ_VARIABLES, OsUser, Target
from slotwise.collectors.pgbouncer_ini import PgBouncerIni
from slotwise.snapshot.processes import Postmaster

DEFAULT_PORT = 5432
MAINTENANCE_DATABASE = "postgres"
"""Odoo itself connects to it (odoo/service/db.py, cron and bus), so every role of Odoo's may."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})


class Discovery(Struct, frozen=True):
    """What was found without being told, in sentences for people. Never part of a Snapshot.

    ``ways`` lead to the server that was looked at, the first one first. They hold passwords.
    """

    sentences: tuple[str, ...] = ()
    ways: tuple[Target, ...] = ()

    def __repr__(self) -> str:
        return f"Discovery({self.sentences!r})"


class Client(Struct, frozen=True):
    """An Odoo instance as a client of a server. Holds a password: it never enters a Snapshot.

    ``databases`` are those that its db_name pins; ``pids`` its running processes; ``os_user`` the user they run as.
    """

    name: str
    host: str | None
    port: int | None
    user: str | None
    password: str | None
    sslmode: str | None = None
    databases: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    os_user: OsUser | None = None
    pids: int = 0

    def __repr__(self) -> str:
        return f"Client({self.name!r})"


class Pooler(Struct, frozen=True):
    """A PgBouncer that runs on this host. ``ini`` is None where its file may not be read."""

    pid: int
    ports: tuple[int, ...]
    socket_paths: tuple[str, ...]
    os_user: OsUser | None
    config_file: str | None
    ini: PgBouncerIni | None


class Surroundings(Struct, frozen=True):
    """What listens on this host. ``owners`` are the OS users of the postmasters by pid; ``may_become`` is True for
    root."""

    servers: tuple[Postmaster, ...] = ()
    owners: Mapping[int, OsUser] = {}
    poolers: tuple[Pooler, ...] = ()
    addresses: tuple[str, ...] = ()
    may_become: bool = False


class PoolerConsole(Struct, frozen=True):
    """A console to look at: ``targets`` are the ways in, tried in turn. ``pid`` is None for one that was named."""

    named: str
    targets: tuple[Target, ...]
    pid: int | None = None
    config_file: str | None = None
    ini: PgBouncerIni | None = None


class Plan(Struct, frozen=True):
    """Where to look. ``server`` is the pid of the postmaster on this host that it leads to, where it is here.

    ``others`` are further ways to the same server, for when the role of the first one may not log in. ``elsewhere``
    names the instances that use another server for certain: their demand says nothing of this one.
    """

    target: Target | None
    consoles: tuple[PoolerConsole, ...]
    server: int | None
    sentences: tuple[str, ...]
    others: tuple[Target, ...] = ()
    elsewhere: tuple[str, ...] = ()


class _Way(Struct, frozen=True):
    """The way of one instance to its server. ``through``: a pooler is in between and where it leads is not known."""

    host: str | None
    port: int
    pooler: Pooler | None
    through: bool


def plan_for_clients(clients: Sequence[Client], here: Surroundings) -> Plan:
    """The way from the instances to the server that most of their processes use; the others are said."""
    if not clients:
        return _plan_for_server(here)
    client = max(clients, key=lambda c: c.pids)
    way = _way(client, here)
    sentences = [f"Odoo: {c.name}, {c.pids} processes, database server {_place(c)}" for c in clients]
    if way.pooler is not None and way.through:
        where = "where it leads is not readable, so through it"
        sentences.append(f"port {way.port} is a PgBouncer (pid {way.pooler.pid}); {where}")
    elif way.pooler is not None:
        where = f"{way.host or 'the local socket'}, port {way.port}"
        sentences.append(f"PgBouncer (pid {way.pooler.pid}) is in between; PostgreSQL behind it: {where}")
    server = None if way.through else server_at(way.host, way.port, here)
    if server is not None:
        sentences.append(f"PostgreSQL: pid {server.pid}, port {way.port}, on this host")
    with_others = _with_others(clients, way, client.name, here)
    return Plan(
        _target(client, way.host, way.port, here),
        with_others.consoles,
        server.pid if server else None,
        (*sentences, *with_others.sentences),
        elsewhere=with_others.elsewhere,
    )


def plan_for_address(address: str | None, clients: Sequence[Client], here: Surroundings) -> Plan:
    """What belongs to the server at ``host:port``, or at the path of its socket, that the operator named: its poolers,
    and whose server it is not.

    An address that is not known yet, or that names several ports, leads to no server: another one's sessions must not
    be counted as this one's.
    """
    if address is not None and address.startswith("/"):
        host, _, port = address.rpartition("/.s.PGSQL.")
    else:
        host, _, port = (address or "").rpartition(":")
    if not port.isdigit():
        return Plan(None, (), None, ())
    way = _Way(host or None, int(port), None, False)
    server = server_at(way.host, way.port, here)
    with_others = _with_others(clients, way, "the server that was named", here)
    return structs.replace(with_others, server=server.pid if server else None)


def _with_others(clients: Sequence[Client], way: _Way, named: str, here: Surroundings) -> Plan:
    """The consoles on the way of every instance that may use this server, and the instances that do not."""
    consoles: dict[int, PoolerConsole] = {}
    elsewhere: list[str] = []
    for client in clients:
        own = _way(client, here)
        if _is_another(own, way, here):
            elsewhere.append(client.name)
        elif own.pooler is not None and own.pooler.pid not in consoles:
            consoles[own.pooler.pid] = console_of(own.pooler, client, here)
    sentences = [f"{name} uses another server, so it is left out; for it give --config FILE" for name in elsewhere]
    for pooler in here.poolers:
        if pooler.pid not in consoles:
            sentences.append(f"PgBouncer (pid {pooler.pid}) runs here too, but no Odoo was seen to reach {named} by it")
    return Plan(None, tuple(consoles.values()), None, tuple(sentences), elsewhere=tuple(elsewhere))


def _way(client: Client, here: Surroundings) -> _Way:
    host, port = _address(client)
    pooler = _pooler_at(host, port, here)
    if pooler is None:
        return _Way(host, port, None, False)
    behind = _behind(pooler, client, here)
    return _Way(host, port, pooler, True) if behind is None else _Way(*behind, pooler, False)


def _is_another(one: _Way, other: _Way, here: Surroundings) -> bool:
    """Whether two ways lead to different servers for certain: two postmasters of this host, or two addresses."""
    if one.through or other.through:
        return False
    mine, theirs = server_at(one.host, one.port, here), server_at(other.host, other.port, here)
    if mine is not None and theirs is not None:
        return mine.pid != theirs.pid
    if mine is not None or theirs is not None:
        far = other.host if mine is not None else one.host
        return _is_literal(far) and not is_local(far, here)
    return _is_literal(one.host) and _is_literal(other.host) and one.host != other.host


def _is_literal(host: str | None) -> bool:
    try:
        ip_address(host or "")
    except ValueError:
        return False
    return True


def _plan_for_server(here: Surroundings) -> Plan:
    """No Odoo here: the PostgreSQL of this host, the busiest where there are several."""
    if not here.servers:
        return Plan(None, (), None, ("no Odoo and no PostgreSQL found on this host",))
    server = max(here.servers, key=lambda s: len(s.children))
    sentences = [f"no Odoo found on this host; looking at PostgreSQL pid {server.pid}, port {server.port}"]
    if len(here.servers) > 1:
        sentences.append(f"the busiest of {len(here.servers)} servers here; for another one give --dsn")
    ways = reserve_targets(server, here.owners.get(server.pid)) if here.may_become else ()
    first, *others = ways or (_own_target(server),)
    consoles = tuple(console_of(p, None, here) for p in here.poolers if p.ini is None or _leads_to(p.ini, server))
    return Plan(first, consoles, server.pid, tuple(sentences), tuple(others))


def reserve_targets(server: Postmaster, owner: OsUser | None) -> tuple[Target, ...]:
    """The ways in as the OS superuser: the Unix-domain socket, peer authentication, the slots kept for superusers."""
    if owner is None or not server.socket_directories or server.port is None:
        return ()
    names = dict.fromkeys((owner.name, "postgres"))
    return tuple(
        Target(
            named=f"the Unix-domain socket as OS user {owner.name}, role {name}",
            parameters={
                "host": server.socket_directories[0],
                "port": str(server.port),
                "user": name,
                "dbname": MAINTENANCE_DATABASE,
            },
            environment={},
            run_as=owner,
        )
        for name in names
    )


def _own_target(server: Postmaster) -> Target:
    """As whoever runs slotwise, by libpq's own rules."""
    parameters = {} if server.port is None else {"port": str(server.port)}
    if server.socket_directories:
        parameters["host"] = server.socket_directories[0]
    return Target(named="this host's PostgreSQL", parameters=parameters)


def console_of(pooler: Pooler, client: Client | None, here: Surroundings) -> PoolerConsole:
    """The ways to a PgBouncer's console: over its Unix-domain socket as its own OS user, else as Odoo's role.

    PgBouncer lets the user ``pgbouncer`` in without a password when the login comes over the socket from its own uid
    (config.md, "Admin console"; 1.18 to 1.26).
    """
    named = f"PgBouncer pid {pooler.pid}"
    targets: list[Target] = []
    if here.may_become and pooler.os_user is not None:
        for path in pooler.socket_paths:
            parameters = {"host": posixpath.dirname(path), "port": path.rpartition(".")[2], "user": "pgbouncer"}
            targets.append(Target(named, "", parameters, {}, pooler.os_user))
    if client is not None and pooler.ports:
        parameters = {"host": "127.0.0.1", "port": str(pooler.ports[0]), "user": client.user or "", **_password(client)}
        targets.append(Target(named, "", parameters, _environment(client), _run_as(client, here)))
    return PoolerConsole(named, tuple(targets), pooler.pid, pooler.config_file, pooler.ini)


def _address(client: Client) -> tuple[str | None, int]:
    """Host and port as libpq resolves them for the instance: odoo.conf, then PGHOST and PGPORT of its environment."""
    environment = client.environment or {}
    host = client.host or environment.get("PGHOST") or None
    port = client.port or environment.get("PGPORT")
    return host, int(port) if port and str(port).isdigit() else DEFAULT_PORT


def _place(client: Client) -> str:
    host, port = _address(client)
    return f"{host}:{port}" if host else f"Unix-domain socket, port {port}"


def is_local(host: str | None, here: Surroundings) -> bool:
    """Whether ``host`` is this host, as far as that is known without asking a name server."""
    return host is None or host.startswith("/") or host.lower() in _LOCAL_NAMES or host in here.addresses


def _pooler_at(host: str | None, port: int, here: Surroundings) -> Pooler | None:
    if not is_local(host, here):
        return None
    if host is None or host.startswith("/"):
        return next((p for p in here.poolers if any(_is_socket(path, host, port) for path in p.socket_paths)), None)
    return next((p for p in here.poolers if port in p.ports), None)


def pooler_at(address: str, here: Surroundings) -> Pooler | None:
    """The PgBouncer of this host at ``host:port`` or ``directory:port``, None where it is elsewhere or not known."""
    host, _, port = address.rpartition(":")
    return _pooler_at(host or None, int(port), here) if port.isdigit() else None


def _is_socket(path: str, directory: str | None, port: int) -> bool:
    """Whether ``path`` is the socket for ``port``; libpq's default directory is not known here, so None fits any."""
    if posixpath.basename(path) != f".s.PGSQL.{port}":
        return False
    return directory is None or posixpath.normpath(posixpath.dirname(path)) == posixpath.normpath(directory)


def server_at(host: str | None, port: int, here: Surroundings) -> Postmaster | None:
    """The server of this host that listens there, None where it is elsewhere or not known."""
    if not is_local(host, here):
        return None
    return next((s for s in here.servers if s.port == port), None)


def _behind(pooler: Pooler, client: Client, here: Surroundings) -> tuple[str | None, int] | None:
    """Where the PgBouncer leads for this instance: its database's entry, else ``*``, else this host's only server."""
    entries = pooler.ini.databases if pooler.ini is not None else {}
    for name in (*client.databases, "*", MAINTENANCE_DATABASE, *entries):
        if name in entries:
            entry = entries[name]
            host, port = entry.get("host"), entry.get("port", str(DEFAULT_PORT))
            return (host.split(",")[0] if host else None), int(port) if port.isdigit() else DEFAULT_PORT
    if len(here.servers) == 1 and here.servers[0].port is not None:
        server = here.servers[0]
        assert server.port is not None
        return (None if server.socket_directories else "127.0.0.1"), server.port
    return None


def _leads_to(ini: PgBouncerIni, server: Postmaster) -> bool:
    return any(e.get("port", str(DEFAULT_PORT)) == str(server.port) for e in ini.databases.values())


def _target(client: Client, host: str | None, port: int, here: Surroundings) -> Target:
    parameters = {"port": str(port), "dbname": MAINTENANCE_DATABASE}
    if host:
        parameters["host"] = host
    else:
        # libpq's default directory was fixed when it was built; the server says where its socket is.
        server = server_at(host, port, here)
        if server is not None and server.socket_directories:
            parameters["host"] = server.socket_directories[0]
    if client.user:
        parameters["user"] = client.user
    if client.sslmode and host and not host.startswith("/"):
        parameters["sslmode"] = client.sslmode
    parameters.update(_password(client))
    return Target(
        named=f"the parameters of {client.name}",
        parameters=parameters,
        environment=_environment(client),
        run_as=_run_as(client, here),
        fallback_databases=client.databases,
    )


def _password(client: Client) -> dict[str, str]:
    return {"password": client.password} if client.password else {}


def _environment(client: Client) -> Mapping[str, str] | None:
    if client.environment is None:
        return None
    return {k: v for k, v in client.environment.items() if k in LIBPQ_VARIABLES and k != "PGOPTIONS"}


def _run_as(client: Client, here: Surroundings) -> OsUser | None:
    """Odoo's OS user: for peer authentication, and for its ~/.pgpass."""
    return client.os_user if here.may_become else None


def os_user(name: str | None, look_up: Callable[[str], OsUser | None]) -> OsUser | None:
    """The OS user called ``name``, None where this host does not know it (a process in a container)."""
    return look_up(name) if name else None
