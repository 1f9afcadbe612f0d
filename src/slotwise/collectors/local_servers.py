"""Looks at the PostgreSQL servers and PgBouncers of a live host from outside: their files, without a connection."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from slotwise.collectors.conf_files import Reading, read_conf_files
from slotwise.collectors.control_data import collect_control_data
from slotwise.collectors.discovery import Pooler
from slotwise.collectors.host_files import View, read_file
from slotwise.collectors.network import Network
from slotwise.collectors.pg_target import OsUser
from slotwise.collectors.pgbouncer_ini import PgBouncerIni, parse_pgbouncer_ini
from slotwise.collectors.postmasters import command_line_settings, with_port
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.server_settings import ServerFiles, conf_paths, settings_without_connection
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Settings
from slotwise.snapshot.processes import Postmaster

_SOCKET_NAME = re.compile(r"/\.s\.PGSQL\.(?P<port>\d+)$")


def view_of(facts: ProcessFacts, root: Path) -> View:
    """The file system as a process sees it: a container's through /proc/PID/root."""
    base = root / f"proc/{facts.pid}/root" if facts.container else root
    return View(base, facts.cwd or "/", facts.home)


def settings_of_server(
    facts: ProcessFacts, data_directory: str | None, root: Path, owner: OsUser | None
) -> Settings | Unavailable:
    """The settings of the server whose postmaster is ``facts``: running values from pg_controldata, the others as its
    files and command line say. ``owner`` is the OS user that the server runs as."""
    if data_directory is None:
        remedy = "run slotwise as root, or as the operating-system user of PostgreSQL"
        return Unavailable("settings", f"the data directory of pid {facts.pid} is not known", remedy)
    view = view_of(facts, root)
    given = command_line_settings(facts.arguments)
    main, auto = conf_paths(data_directory, given)
    conf = read_conf_files(main, auto, _reading(view))
    changed = frozenset(f for f in conf.files if facts.started_at and _changed_at(view.place(f)) > facts.started_at + 1)
    control = collect_control_data(_program(facts, root), view.place(data_directory), owner)
    known = {} if isinstance(control, Unavailable) else control
    if not known and not conf.files:
        gap = control if isinstance(control, Unavailable) else None
        reason = gap.reason if gap else f"{main} may not be read"
        remedy = "run slotwise as root, or as the operating-system user of PostgreSQL"
        return Unavailable("settings", reason, remedy)
    major = _major(view, data_directory)
    return settings_without_connection(ServerFiles(major, known, conf, given, changed))


def _reading(view: View) -> Reading:
    def text(name: str) -> str | None:
        content = read_file(view.place(name), name)
        return None if isinstance(content, Unavailable) else content.decode("utf-8", "replace")

    def names(directory: str) -> list[str] | None:
        try:
            return [p.name for p in view.place(directory).iterdir()]
        except OSError:
            return None

    return Reading(text, names)


def _program(facts: ProcessFacts, root: Path) -> Path:
    """The pg_controldata beside the server's own executable; in a container it must not be run from here, and the
    host's would refuse another version's control file, so the name then leads nowhere."""
    executable = facts.arguments[0] if facts.arguments and facts.arguments[0].startswith("/") else ""
    with suppress(OSError):
        executable = str((root / f"proc/{facts.pid}/exe").readlink()).removesuffix(" (deleted)")
    base = Path("/nowhere") if facts.container else root
    return base / posixpath.join(posixpath.dirname(executable), "pg_controldata").lstrip("/")


def _major(view: View, data_directory: str) -> int | None:
    content = read_file(view.place(posixpath.join(data_directory, "PG_VERSION")), "PG_VERSION")
    text = "" if isinstance(content, Unavailable) else content.decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def located(
    server: Postmaster, facts: ProcessFacts, settings: Settings | Unavailable, network: Network, root: Path
) -> Postmaster:
    """The server with port and socket directories, where its sockets could not be seen: from postmaster.pid, the conf
    files, and the paths that /proc/net/unix shows to everybody.

    postmaster.pid: pid, data directory, start, port, first socket directory (src/include/utils/pidfile.h, 12 to 18).
    """
    port, directories = server.port, server.socket_directories
    if server.data_directory is not None:
        place = view_of(facts, root).place(posixpath.join(server.data_directory, "postmaster.pid"))
        content = read_file(place, "postmaster.pid")
        lines = [] if isinstance(content, Unavailable) else content.decode("utf-8", "replace").splitlines()
        if len(lines) > 4 and lines[0].strip() == str(facts.pid):
            port = port or (int(lines[3]) if lines[3].strip().isdecimal() else None)
            directories = directories or tuple(d for d in (lines[4].strip(),) if d)
    if port is None and isinstance(settings, Settings):
        written = settings.find("port")
        port = int(written.value) if written is not None and written.value.isdecimal() else None
    if not directories and port is not None:
        paths = [p for p in network.unix_listening.values() if (m := _SOCKET_NAME.search(p)) and m["port"] == str(port)]
        directories = tuple(sorted({posixpath.dirname(p) for p in paths}))
    return with_port(server, port, directories)


def pooler_of(
    facts: ProcessFacts, network: Network, root: Path, os_user_of: Callable[[str | None], OsUser | None]
) -> Pooler:
    """A PgBouncer process as discovery needs it: where it listens and what its file says."""
    view = view_of(facts, root)
    named = _ini_argument(facts)
    ini = _ini(view, named) if named else None
    inodes = facts.inodes or ()
    ports = tuple(sorted({network.ports[i] for i in inodes if i in network.ports}))
    paths = tuple(sorted({network.unix_listening[i] for i in inodes if i in network.unix_listening}))
    written = ini.settings.get("listen_port", "6432") if ini is not None else ""
    if not ports and written.isdecimal():
        ports = (int(written),)
    if not paths and ports:
        paths = tuple(
            p for p in network.unix_listening.values() if (m := _SOCKET_NAME.search(p)) and int(m["port"]) in ports
        )
    return Pooler(facts.pid, ports, paths, os_user_of(facts.user), view.absolute(named) if named else None, ini)


def _ini_argument(facts: ProcessFacts) -> str | None:
    """The configuration file among PgBouncer's arguments: the one that is no option (src/main.c, 1.18 to 1.26)."""
    plain = [a for a in facts.arguments[1:] if a and not a.startswith("-")]
    return plain[-1] if plain else None


def _ini(view: View, named: str) -> PgBouncerIni | None:
    reading: Callable[[str], str | None] = _reading(view).text
    text = reading(named)
    return None if text is None else parse_pgbouncer_ini(text, reading)


def states_current(settings: Mapping[int, Settings], pid: int) -> bool | None:
    """Whether process titles show the state as it is now: update_process_title, None where it is not known."""
    found = settings[pid].find("update_process_title") if pid in settings else None
    return None if found is None else found.value == "on"


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
