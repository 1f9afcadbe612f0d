"""What watching a server costs: `slotwise serve` and `watch` beside postgres_exporter, pgbouncer_exporter, pg_activity.

Run as `python -m bench exporters` (about 8 minutes, on a machine that does nothing else). Peers:
prometheus-postgres-exporter (Debian's package, unpacked and not installed), prometheus-pgbouncer-exporter (PyPI;
Debian's 1.7 ends with a KeyError on PgBouncer 1.8 and later), pg_activity's queries (PyPI).

One measure for all: CPU of the watched server with all its processes, less what the same server takes in as long a time
when nobody watches. The three take turns, so that what else happens meets them all. `serve` looks every 5 seconds
whoever asks and answers a scrape from its last look; an exporter looks at each scrape. What counts is therefore the
CPU in 15 seconds with one scrape, Prometheus' usual interval. While it is not its turn, `serve` is stopped (SIGSTOP).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from msgspec import Struct

from bench._cpu import tree_seconds
from bench._table import Table
from slotwise.collectors.runner import Request
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, free_port
from slotwise.history.sample import round_of
from slotwise.history.sampler import Sampler
from tests.servers import binaries_for, create_odoo, until

SIZES = (100, 1000)
TURNS = 10
TURN_SECONDS = 5.0
"""As long as the interval of `serve`, so that one of its looks falls into each of its turns."""
SETTLE_SECONDS = 1.0
LOOKS = 3
SCRAPE_SECONDS = 15.0
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slotwise-bench"
PGBOUNCER_PEER = "prometheus-pgbouncer-exporter==2.1.2"
_ACTIVITY = """
import sys, time
from pgactivity.data import Data
data = Data.pg_connect(min_duration=0, host="127.0.0.1", port=int(sys.argv[1]), user="postgres", database="postgres",
                       rds_mode=False)
information = None
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        information = data.pg_get_server_information(prev_server_info=information, skip_db_size=information is not None)
        data.pg_get_activities(1)
    print((time.perf_counter() - begun) / int(line) * 1000, flush=True)
"""


class Cost(Struct, frozen=True):
    """Of one way to watch, a value for each of its turns: milliseconds until the answer, and CPU milliseconds of the
    watched server in ``SCRAPE_SECONDS``. ``bytes`` is the size of an answer."""

    milliseconds: tuple[float, ...]
    server_cpu_ms: tuple[float, ...]
    bytes: int | None = None


def main() -> Table:
    """Measure, print, and miss where slotwise is slower or dearer for the server than a peer, by the median."""
    exporter, bouncer_exporter, activity = _peers()
    rows: list[tuple[str, ...]] = []
    missed = False
    with tempfile.TemporaryDirectory() as scratch, PostgresServers() as servers:
        for size in SIZES:
            with servers.start(binaries_for(15), {"max_connections": str(size + 30)}) as server, ExitStack() as held:
                create_odoo(server)
                for _ in range(size):
                    connection = held.enter_context(psycopg.connect(server.dsn("odoo", "prod"), autocommit=True))
                    connection.execute("SELECT 1")
                ours, theirs = _exporters(server, Path(scratch) / f"{size}.db", exporter)
                watch, table = _screens(server, size, activity)
            rows += _shown(f"{size} backends", "postgres_exporter", ours, theirs)
            rows += [_refresh(f"{size} backends: `slotwise watch`, a refresh", watch)]
            rows += [_refresh(f"{size} backends: pg_activity's queries, a refresh", table)]
            missed = missed or _dearer(ours, theirs)
        ours, theirs = _poolers(servers, Path(scratch), bouncer_exporter)
        rows += _shown("PgBouncer, 100 clients", "pgbouncer_exporter", ours, theirs)
        missed = missed or _dearer(ours, theirs)
    for row in rows:
        print("  " + " | ".join(row), flush=True)
    columns = ("operation", "answer", "bytes", "server's CPU in 15 s, one scrape")
    title = f"Watching PostgreSQL 15 and PgBouncer: median (least to most) of {TURNS} turns"
    return Table(title, columns, tuple(rows), missed)


def _dearer(ours: Cost, theirs: Cost) -> bool:
    return statistics.median(ours.milliseconds) > statistics.median(theirs.milliseconds) or statistics.median(
        ours.server_cpu_ms
    ) > statistics.median(theirs.server_cpu_ms)


def _shown(what: str, peer: str, ours: Cost, theirs: Cost) -> list[tuple[str, ...]]:
    return [
        (f"{what}: `slotwise serve`", _spread(ours.milliseconds), f"{ours.bytes:,}", _spread(ours.server_cpu_ms)),
        (f"{what}: {peer}", _spread(theirs.milliseconds), f"{theirs.bytes:,}", _spread(theirs.server_cpu_ms)),
    ]


def _refresh(name: str, cost: Cost) -> tuple[str, ...]:
    return (name, _spread(cost.milliseconds), "", f"{_spread(cost.server_cpu_ms)} each")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ms ({min(values):.1f} to {max(values):.1f})"


def _exporters(server: PostgresServer, history: Path, exporter: Path) -> tuple[Cost, Cost]:
    """`serve` and postgres_exporter on the same server, by turns."""
    port, peer_port = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "slotwise", "serve", "--dsn", server.dsn(), "--listen", f"127.0.0.1:{port}"),
        *("--history", str(history)),
    ]
    source = f"postgresql://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable"
    with (
        _running(command) as ours,
        _answering(f"http://127.0.0.1:{port}/metrics", b"slotwise_up 1.0") as url,
        _running([str(exporter), f"--web.listen-address=127.0.0.1:{peer_port}"], {"DATA_SOURCE_NAME": source}),
        _answering(f"http://127.0.0.1:{peer_port}/metrics", b"pg_up 1") as peer_url,
    ):
        return _by_turns(ours, url, peer_url, lambda: tree_seconds(server.pid))


def _by_turns(
    ours: subprocess.Popen[bytes], url: str, peer_url: str, cpu_seconds: Callable[[], float]
) -> tuple[Cost, Cost]:
    """``TURNS`` times: `serve` with one scrape, the peer with one scrape, and nobody."""
    found: dict[str, tuple[list[float], list[float]]] = {url: ([], []), peer_url: ([], [])}
    lengths: dict[str, int] = {}
    for _ in range(TURNS):
        os.killpg(ours.pid, signal.SIGCONT)
        time.sleep(SETTLE_SECONDS)
        lengths[url], answer, cpu = _turn(url, cpu_seconds)
        os.killpg(ours.pid, signal.SIGSTOP)
        time.sleep(SETTLE_SECONDS)
        lengths[peer_url], peer_answer, peer_cpu = _turn(peer_url, cpu_seconds)
        _, _, idle = _turn(None, cpu_seconds)
        found[url][0].append(answer)
        # Several looks fall into 15 seconds, but one scrape.
        found[url][1].append((cpu - idle) * SCRAPE_SECONDS / TURN_SECONDS * 1000)
        found[peer_url][0].append(peer_answer)
        found[peer_url][1].append((peer_cpu - idle) * 1000)
    os.killpg(ours.pid, signal.SIGCONT)
    first, second = (Cost(tuple(t), tuple(c), lengths[u]) for u, (t, c) in found.items())
    return first, second


def _turn(url: str | None, cpu_seconds: Callable[[], float]) -> tuple[int, float, float]:
    """Bytes and milliseconds of one scrape, and the server's CPU seconds in ``TURN_SECONDS``."""
    end = time.monotonic() + TURN_SECONDS
    before = cpu_seconds()
    length, milliseconds = 0, 0.0
    if url is not None:
        begun = time.perf_counter()
        length = len(_scrape(url))
        milliseconds = (time.perf_counter() - begun) * 1000
    time.sleep(max(0.0, end - time.monotonic()))
    return length, milliseconds, cpu_seconds() - before


def _screens(server: PostgresServer, size: int, python: Path) -> tuple[Cost, Cost]:
    """What a refresh of a screen asks of the server, after the first ones: watch's look and pg_activity's queries, by
    turns of ``LOOKS``."""
    command = [str(python), "-c", _ACTIVITY, str(server.port)]
    with (
        Sampler(Request(dsn=server.dsn(), timeout_seconds=10.0), 5.0) as sampler,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        sent, told = process.stdin, process.stdout
        assert sent is not None and told is not None

        def theirs() -> float:
            sent.write(f"{LOOKS}\n")
            sent.flush()
            return float(told.readline())

        def ours() -> float:
            begun = time.perf_counter()
            for _ in range(LOOKS):
                seen = round_of(sampler.look())
                assert seen.used is not None and seen.used > size and not seen.gap, seen
            return (time.perf_counter() - begun) / LOOKS * 1000

        refreshes: tuple[Callable[[], float], ...] = (ours, theirs)
        found: list[tuple[list[float], list[float]]] = [([], []), ([], [])]
        for turn in range(TURNS + 1):
            for refresh, (times, cpus) in zip(refreshes, found, strict=True):
                before = tree_seconds(server.pid)
                milliseconds = refresh()
                if turn:
                    times.append(milliseconds)
                    cpus.append((tree_seconds(server.pid) - before) / LOOKS * 1000)
        sent.close()
    first, second = (Cost(tuple(times), tuple(cpus)) for times, cpus in found)
    return first, second


def _poolers(servers: PostgresServers, scratch: Path, exporter: Path) -> tuple[Cost, Cost]:
    """PgBouncer with 100 clients on 20 databases: `serve`, which looks at PostgreSQL too, and pgbouncer_exporter."""
    with servers.start(binaries_for(15), {"max_connections": "100"}) as server, ExitStack() as held:
        create_odoo(server)
        entries = {f"prod{n}": f"host=127.0.0.1 port={server.port} dbname=prod" for n in range(20)}
        bouncer = held.enter_context(
            PgBouncerServer(servers.directory, entries, {"pool_mode": "transaction", "max_client_conn": "500"})
        )
        for n in range(100):
            client = held.enter_context(psycopg.connect(bouncer.dsn("odoo", f"prod{n % 20}"), autocommit=True))
            client.execute("SELECT 1")
        port, peer_port = free_port(), free_port()
        command = [
            *(sys.executable, "-m", "slotwise", "serve", "--dsn", server.dsn(), "--pgbouncer"),
            *(bouncer.dsn("postgres"), "--listen", f"127.0.0.1:{port}", "--history", str(scratch / "pooler.db")),
        ]
        config = scratch / "pgbouncer-exporter.yml"
        dsn = f"postgresql://postgres:none@127.0.0.1:{bouncer.port}/pgbouncer"
        config.write_text(f"exporter_host: 127.0.0.1\nexporter_port: {peer_port}\npgbouncers:\n  - dsn: {dsn}\n")
        with (
            _running(command) as ours,
            _answering(f"http://127.0.0.1:{port}/metrics", b"slotwise_pgbouncer_clients{") as url,
            _running([str(exporter), "--config", str(config)]),
            _answering(f"http://127.0.0.1:{peer_port}/metrics", b"pgbouncer_pools") as peer_url,
        ):
            return _by_turns(ours, url, peer_url, lambda: tree_seconds(bouncer.pid))


def _scrape(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """In a process group of its own, which can be stopped as a whole."""
    with subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            process.terminate()
            process.wait(30)


@contextmanager
def _answering(url: str, with_words: bytes) -> Iterator[str]:
    def answers() -> bool:
        try:
            return with_words in _scrape(url)
        except OSError:
            return False

    until(answers, within_seconds=60)
    yield url


def _peers() -> tuple[Path, Path, Path]:
    """The peers' programs, fetched where they are missing."""
    debs = CACHE / "debs"
    if not (debs / "usr/bin/prometheus-postgres-exporter").exists():
        debs.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "download", "-q", "prometheus-postgres-exporter"], debs)
        for deb in debs.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(deb), str(debs)], debs)
    pooler = _venv("pgbouncer-exporter", "psycopg2-binary", "prometheus-client", "pyyaml", "python-json-logger<4")
    # Without its pins, which are older than this Python.
    _run([str(pooler), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", PGBOUNCER_PEER], debs)
    activity = _venv("pg-activity", "pg-activity[psycopg]==3.6.*")
    return debs / "usr/bin/prometheus-postgres-exporter", pooler.with_name("pgbouncer-exporter"), activity


def _venv(name: str, *packages: str) -> Path:
    python = CACHE / name / "bin/python"
    stamp = CACHE / name / ".complete"
    if not stamp.exists():
        _run([sys.executable, "-m", "venv", str(CACHE / name)], Path.cwd())
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], Path.cwd())
        stamp.touch()
    return python


def _run(command: Sequence[str], where: Path) -> None:
    if subprocess.run(command, stdout=sys.stderr, cwd=where, check=False).returncode != 0:
        raise SystemExit(f"cannot fetch a peer: {' '.join(command)}")


if __name__ == "__main__":
    raise SystemExit(int(main().missed))
