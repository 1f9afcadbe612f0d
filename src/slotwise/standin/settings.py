"""What a stand-in host is: the options of odoo.conf that decide about connections, and how long an idle one lives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec

OdooVersion = Literal[17, 18, 19]

IDLE_TIMEOUT_SECONDS = 600.0
"""``MAX_IDLE_TIMEOUT`` (odoo/sql_db.py 17.0:53, 18.0:76, 19.0:84): older ones are closed at the next borrow."""

NEVER_POOLED = frozenset({"postgres", "template0", "template1"})
"""Closed when their cursor is (odoo/sql_db.py ``Cursor._close``; ``db_template`` is ``template0`` by default)."""

_RELEASE = """version_info = ({version}, 0, 0, 'final', 0, '')
version = '{version}.0'
"""

_ODOO_BIN = """#!{python}
import sys

sys.path[0] = {source!r}
from slotwise.standin.odoo_bin import main

main(sys.argv)
"""


class StandinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A host of Odoo, by the names that odoo.conf has. Zero ports are replaced by free ones when the host starts."""

    odoo_version: OdooVersion = 18
    workers: int = 4
    """HTTP processes; 0 is threaded mode."""
    max_cron_threads: int = 2
    db_name: tuple[str, ...] = ()
    """``-d``: databases whose registries are loaded before the fork, so that their sessions carry the master's pid."""
    db_host: str = "127.0.0.1"
    """An address, or the directory of a Unix-domain socket."""
    db_port: int = 5432
    db_user: str = "odoo"
    db_password: str | None = None
    db_sslmode: str = "prefer"
    db_maxconn: int = 64
    db_maxconn_gevent: int | None = None
    db_replica_host: str | None = None
    db_replica_port: int | None = None
    """18 and newer: a second, read-only pool of the same size to this server."""
    http_enable: bool = True
    http_port: int = 0
    gevent_port: int = 0
    queue_job: bool = False
    """OCA's queue_job is among the server-wide modules: one more process (prefork) with a session per database."""
    idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS
    uses_tables: bool = True
    """Whether statements touch the tables of ``slotwise.standin.schema``; else they touch nothing at all."""

    @property
    def threaded(self) -> bool:
        """Whether everything runs in one process (``workers = 0``)."""
        return self.workers == 0

    def pool_size(self, *, evented: bool) -> int:
        """Connections that one pool of a process may hold (odoo/sql_db.py ``db_connect``, 18.0:842-849)."""
        chosen = (self.db_maxconn_gevent or self.db_maxconn) if evented else self.db_maxconn
        return max(chosen, 1)


def write_home(home: Path, settings: StandinSettings) -> None:
    """Write what a real host has on disk: odoo-bin, odoo/release.py and odoo.conf. ``home`` must exist."""
    source = str(Path(__file__).resolve().parents[2])
    (home / "odoo").mkdir(exist_ok=True)
    (home / "odoo" / "release.py").write_text(_RELEASE.format(version=settings.odoo_version))
    (home / "odoo-bin").write_text(_ODOO_BIN.format(python=sys.executable, source=source))
    (home / "odoo.conf").write_text(odoo_conf(settings, home))


def odoo_conf(settings: StandinSettings, home: Path) -> str:
    """The host's odoo.conf."""
    options: dict[str, object] = {
        "db_host": settings.db_host,
        "db_port": settings.db_port,
        "db_user": settings.db_user,
        "db_password": settings.db_password or "False",
        "db_sslmode": settings.db_sslmode,
        "db_maxconn": settings.db_maxconn,
        "http_interface": "127.0.0.1",
        "http_enable": settings.http_enable,
        "http_port": settings.http_port,
        "gevent_port": settings.gevent_port,
        "workers": settings.workers,
        "max_cron_threads": settings.max_cron_threads,
        "logfile": home / "odoo.log",
    }
    if settings.db_name:
        options["db_name"] = ",".join(settings.db_name)
    if settings.db_maxconn_gevent is not None:
        options["db_maxconn_gevent"] = settings.db_maxconn_gevent
    if settings.db_replica_host is not None:
        options["db_replica_host"] = settings.db_replica_host
    if settings.db_replica_port is not None:
        options["db_replica_port"] = settings.db_replica_port
    if settings.queue_job:
        options["server_wide_modules"] = "base,web,queue_job"
    return "[options]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())


def command_line(settings: StandinSettings, home: Path) -> list[str]:
    """How the host's master is started, as an operator or a service file would."""
    words = [sys.executable, str(home / "odoo-bin"), "-c", str(home / "odoo.conf")]
    words += [f"--workers={settings.workers}", f"--max-cron-threads={settings.max_cron_threads}"]
    if settings.db_name:
        words += ["-d", ",".join(settings.db_name)]
    return words
