"""Finds the PostgreSQL servers among the processes of a host, and their sessions by process title."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, structs

from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.process_titles import backend_of_title, parse_title
from slotwise.snapshot.postgres import CLIENT_BACKEND, Backend
from slotwise.snapshot.processes import Postmaster, ServerProcesses

_PROGRAMS = frozenset({"postgres", "postmaster"})
_TITLE_PREFIX = "postgres:"


class ServerTitles(Struct, frozen=True):
    """The servers, and by postmaster pid the sessions that titles show."""

    servers: tuple[Postmaster, ...]
    sessions: Mapping[int, tuple[Backend, ...]]


def find_postmasters(
    facts: Iterable[ProcessFacts],
    tcp_listening: Mapping[int, int],
    unix_listening: Mapping[int, str],
    databases: frozenset[str] = frozenset(),
    cluster_names: Mapping[int, str] | None = None,
) -> ServerTitles:
    """The servers of this host. ``tcp_listening`` maps inodes to ports, ``unix_listening`` inodes to socket paths,
    ``cluster_names`` postmaster pids to the setting cluster_name where it is known.

    A child that still carries the postmaster's own command line has sent no startup packet: it is counted in
    ``unauthenticated`` (src/backend/tcop/backend_startup.c, postmaster.c before 17: the title is set later).
    """
    programs = [f for f in facts if f.program in _PROGRAMS]
    untitled = _untitled(programs)
    masters = {f.pid: f for f in postmasters_among(programs)}
    children: dict[int, list[ProcessFacts]] = {pid: [] for pid in masters}
    for child in programs:
        if child.ppid in children:
            children[child.ppid].append(child)
    servers: list[Postmaster] = []
    sessions: dict[int, tuple[Backend, ...]] = {}
    for pid, master in sorted(masters.items()):
        cluster_name = (cluster_names or {}).get(pid)
        found = [b for c in children[pid] if (b := _session(c, cluster_name, databases)) is not None]
        waiting = sum(1 for c in children[pid] if c.pid in untitled)
        servers.append(_postmaster(master, tcp_listening, unix_listening, tuple(b.pid for b in found), waiting))
        sessions[pid] = tuple(found)
    return ServerTitles(tuple(servers), sessions)


def postmasters_among(facts: Iterable[ProcessFacts]) -> tuple[ProcessFacts, ...]:
    """The postmasters: PostgreSQL programs without a title whose parent is none."""
    untitled = _untitled(f for f in facts if f.program in _PROGRAMS)
    return tuple(f for f in untitled.values() if f.ppid not in untitled and _is_server(f))


def _untitled(programs: Iterable[ProcessFacts]) -> dict[int, ProcessFacts]:
    return {f.pid: f for f in programs if not (f.arguments and f.arguments[0].startswith(_TITLE_PREFIX))}


def _is_server(facts: ProcessFacts) -> bool:
    """Whether it serves: not `postgres -C name`, `--single`, `--boot`, `--describe-config`, `--version`."""
    return not any(a == "-C" or a in ("--single", "--boot", "--describe-config", "--version") for a in facts.arguments)


def _session(facts: ProcessFacts, cluster_name: str | None, databases: frozenset[str]) -> Backend | None:
    title = parse_title(facts.title, cluster_name, databases)
    if title is None or title.backend_type != CLIENT_BACKEND:
        return None
    return backend_of_title(facts.pid, title, facts.started_at)


def _postmaster(
    facts: ProcessFacts,
    tcp_listening: Mapping[int, int],
    unix_listening: Mapping[int, str],
    children: tuple[int, ...],
    unauthenticated: int,
) -> Postmaster:
    inodes = facts.inodes or ()
    ports = sorted({tcp_listening[i] for i in inodes if i in tcp_listening})
    paths = [unix_listening[i] for i in inodes if i in unix_listening]
    port = ports[0] if ports else _port_argument(facts.arguments) or _port_of_path(paths)
    directories = tuple(sorted({posixpath.dirname(p) for p in paths}))
    return Postmaster(facts.pid, port, data_directory(facts), directories, children, unauthenticated)


def data_directory(facts: ProcessFacts) -> str | None:
    """Where a postmaster keeps its data: its working directory (src/backend/utils/init/miscinit.c, ChangeToDataDir),
    else -D, else PGDATA."""
    return facts.cwd or _option(facts.arguments, "-D") or (facts.environment or {}).get("PGDATA")


def _option(arguments: Sequence[str], flag: str) -> str | None:
    for at, argument in enumerate(arguments):
        if argument == flag:
            return arguments[at + 1] if at + 1 < len(arguments) else None
        if argument.startswith(flag) and not argument.startswith("--"):
            return argument[len(flag) :]
    return None


def command_line_settings(arguments: Sequence[str]) -> dict[str, str]:
    """The parameters that a postmaster was given on its command line: `-c name=value`, `--name=value` and the short
    options that stand for one (src/backend/postmaster/postmaster.c, PostmasterMain). The last one wins."""
    short = {"-p": "port", "-k": "unix_socket_directories", "-N": "max_connections", "-B": "shared_buffers"}
    found: dict[str, str] = {}
    at = 1
    while at < len(arguments):
        argument = arguments[at]
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        flag = argument[:2]
        if argument.startswith("--") and "=" in argument:
            name, _, value = argument[2:].partition("=")
            found[name.replace("-", "_").lower()] = value
        elif flag == "-c":
            name, _, value = (argument[2:] or following).partition("=")
            found[name.strip().replace("-", "_").lower()] = value
            at += 0 if argument[2:] else 1
        elif flag in short:
            found[short[flag]] = argument[2:] or following
            at += 0 if argument[2:] else 1
        elif argument in ("-D", "-h", "-d", "-S", "-f", "-t", "-W"):
            at += 1
        at += 1
    found.pop("", None)
    return found


def _port_argument(arguments: Sequence[str]) -> int | None:
    text = command_line_settings(arguments).get("port", "")
    return int(text) if text.isdecimal() else None


def _port_of_path(paths: Sequence[str]) -> int | None:
    ports = [p.rpartition(".")[2] for p in paths if ".s.PGSQL." in p]
    return next((int(p) for p in ports if p.isdecimal()), None)


def choose(
    servers: Sequence[Postmaster], backend_pids: frozenset[int] = frozenset(), port: int | None = None
) -> ServerProcesses:
    """The servers with the one that Odoo uses: the parent of the sessions that were read, else the one on Odoo's port,
    else the only one."""
    with_sessions = [s for s in servers if backend_pids.intersection(s.children)]
    on_port = [s for s in servers if port is not None and s.port == port]
    chosen = next((found[0].pid for found in (with_sessions, on_port, servers) if len(found) == 1), None)
    return ServerProcesses(tuple(servers), chosen)


def with_port(server: Postmaster, port: int | None, socket_directories: tuple[str, ...]) -> Postmaster:
    """The server with what postmaster.pid says where its sockets could not be seen."""
    return structs.replace(
        server, port=server.port or port, socket_directories=server.socket_directories or socket_directories
    )


def without_sessions(found: ServerTitles, pids: Collection[int]) -> ServerTitles:
    """The servers and their sessions less those with these pids."""
    servers = tuple(structs.replace(s, children=tuple(c for c in s.children if c not in pids)) for s in found.servers)
    return ServerTitles(
        servers, {pid: tuple(b for b in rows if b.pid not in pids) for pid, rows in found.sessions.items()}
    )
