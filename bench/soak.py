"""`slotwise record` for half an hour beside a real PostgreSQL, a PgBouncer and a stand-in of Odoo that works.

Run as `python -m bench --minutes 30 soak`. The load changes right after each look that the history shows, and rests
until the next one, so that the look and pg_stat_activity can be compared to the session.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
from msgspec import Struct

from bench._cpu import own_seconds, rss_mib
from bench._table import Table
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.history.reading import Reader
from slotwise.snapshot.round import Round
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from slotwise.standin.settings import StandinSettings
from tests.servers import binaries_for, create_odoo

ONLY_BY_NAME = True
SESSIONS = 500
INTERVAL_SECONDS = 5.0
WARM_UP_LOOKS = 12
"""The first minute is left out of CPU: imports, the first rules, the first pages of the file. Memory needs longer,
until caches of bounded size are full: the middle third of the run is compared with the last."""
MOST_CPU = 0.01
MOST_GROWTH_MIB = 2.0
minutes = 30.0


class Check(Struct, frozen=True):
    """One tenth look beside pg_stat_activity."""

    used: int | None
    counted: int
    own: int


def main() -> Table:
    """Run for ``minutes``, print, and miss where a look was wrong, memory grew or the load was too high."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = stack.enter_context(PostgresServers())
        server = stack.enter_context(servers.start(binaries_for(15), {"max_connections": str(SESSIONS + 100)}))
        create_odoo(server)
        entry = {"prod": f"host=127.0.0.1 port={server.port} dbname=prod"}
        bouncer = stack.enter_context(PgBouncerServer(servers.directory, entry, {"pool_mode": "transaction"}))
        home = scratch / "odoo"
        home.mkdir()
        settings = StandinSettings(db_port=server.port, workers=4, max_cron_threads=2, db_name=("prod",))
        host = stack.enter_context(StandinHost(settings, home))
        for _ in range(20):
            stack.enter_context(psycopg.connect(bouncer.dsn("odoo", "prod"), autocommit=True)).execute("SELECT 1")
        monitor = stack.enter_context(psycopg.connect(server.dsn(), autocommit=True))
        load = stack.enter_context(Load(server, host, SESSIONS - _count(monitor)[0]))
        command = [
            *(sys.executable, "-m", "slotwise", "record", "--dsn", server.dsn(), "--pgbouncer"),
            *(bouncer.dsn("postgres"), "--interval", str(INTERVAL_SECONDS), "--history", str(scratch / "h.db")),
            *("--config", str(host.conf_file)),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                return _watched(process, scratch / "h.db", monitor, load)
            finally:
                process.terminate()
                process.communicate(timeout=30)


class Load:
    """Sessions that come and go, and requests to the stand-in. A context manager."""

    def __init__(self, server: PostgresServer, host: StandinHost, sessions: int) -> None:
        self._server, self._host = server, host
        self._chance = random.Random(1)
        self._held = [self._connected() for _ in range(sessions)]

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._held:
            connection.close()

    def change(self) -> None:
        """Close some, open some, let Odoo work; return when all of it is done."""
        for _ in range(self._chance.randrange(0, 8)):
            self._held.pop(self._chance.randrange(len(self._held))).close()
        self._held += [self._connected() for _ in range(self._chance.randrange(0, 8)) if len(self._held) < SESSIONS]
        self._host.serve(4, "prod", options=RequestOptions(writes=True))
        if self._chance.random() < 0.2:
            self._host.run_scheduled_action("prod")

    def _connected(self) -> psycopg.Connection[object]:
        connection = psycopg.connect(self._server.dsn("odoo", "prod"), autocommit=True)
        connection.execute("SELECT 1")
        return connection  # type: ignore[return-value]


def _watched(process: subprocess.Popen[bytes], history: Path, monitor: psycopg.Connection[object], load: Load) -> Table:
    reader = _reader(history, process)
    end = time.monotonic() + minutes * 60
    looks: list[Round] = []
    checks: list[Check] = []
    memory: list[float] = []
    began, cpu = 0.0, 0.0
    while time.monotonic() < end:
        newest = reader.newest()
        assert process.poll() is None, "the recorder has ended"
        if newest is None or (looks and newest.at <= looks[-1].at):
            time.sleep(0.2)
            continue
        looks.append(newest)
        if len(looks) % 10 == 0:
            checks.append(Check(newest.used, *_count(monitor)))
        memory.append(rss_mib(process.pid))
        if len(looks) == WARM_UP_LOOKS:
            began, cpu = time.monotonic(), own_seconds(process.pid)
        if len(looks) % 60 == 0:
            print(f"  {len(looks)} looks, {memory[-1]:.1f} MiB, {newest.used} used", flush=True)
        load.change()
    share = (own_seconds(process.pid) - cpu) / (time.monotonic() - began)
    reader.close()
    return _report(looks, checks, memory[WARM_UP_LOOKS:], share, history)


def _reader(history: Path, process: subprocess.Popen[bytes]) -> Reader:
    deadline = time.monotonic() + 60
    while not history.exists() or history.stat().st_size == 0 or not history.with_name("h.db-wal").exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "no history after a minute"
        time.sleep(0.2)
    time.sleep(1.0)
    return Reader(history)


def _count(monitor: psycopg.Connection[object]) -> tuple[int, int]:
    """Sessions that hold a slot, and how many of them are slotwise's."""
    row = monitor.execute(
        "SELECT count(*), count(*) FILTER (WHERE application_name = 'slotwise') FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'"
    ).fetchone()
    assert isinstance(row, tuple)
    return int(row[0]), int(row[1])


def _report(looks: list[Round], checks: list[Check], memory: list[float], share: float, history: Path) -> Table:
    wrong = [c for c in checks if c.used != c.counted]
    third = max(1, len(memory) // 3)
    growth = statistics.median(memory[-third:]) - statistics.median(memory[third : 2 * third] or memory)
    lasted = (looks[-1].at - looks[0].at) / 60
    expected = round((looks[-1].at - looks[0].at) / INTERVAL_SECONDS) + 1
    own = {c.own for c in checks}
    size = sum(f.stat().st_size for f in history.parent.glob("h.db*")) / 1024
    rows: list[tuple[str, str, str, bool]] = [
        ("looks, of as many intervals", f"{len(looks)} of {expected}", "", True),
        ("looks that could not count", str(sum(1 for r in looks if r.used is None)), "0",
         all(r.used is not None for r in looks)),
        ("every tenth look equals pg_stat_activity", f"{len(checks) - len(wrong)} of {len(checks)}", "all", not wrong),
        ("connections of its own", ", ".join(map(str, sorted(own))), "1", own == {1}),
        ("memory, median of the last third less the middle one", f"{growth:+.2f} MiB of {memory[-1]:.0f}",
         f"< {MOST_GROWTH_MIB:g} MiB", growth < MOST_GROWTH_MIB),
        ("its CPU, of one core", f"{share:.2%}", f"< {MOST_CPU:.0%}", share < MOST_CPU),
        ("history file", f"{size:.0f} KiB", "", True),
    ]  # fmt: skip
    title = f"record for {lasted:.0f} minutes, a look every {INTERVAL_SECONDS:g} s, about {SESSIONS} sessions"
    print(title)
    for name, value, target, met in rows:
        print(f"  {name:<50} {value:<22} {target} {'' if met else 'missed'}")
    for check in wrong[:5]:
        print(f"  wrong: {check}")
    shown = tuple((name, value, target if met else f"{target} (missed)") for name, value, target, met in rows)
    return Table(title, ("what", "measured", "target"), shown, not all(met for *_, met in rows))
