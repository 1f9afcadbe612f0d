"""What watching a server costs: `slotwise serve` and `watch` beside postgres_exporter, pgbouncer_exporter, pg_activity.

Run as `python -m bench exporters`. Peers: prometheus-postgres-exporter (Debian's package, unpacked and not installed),
prometheus-pgbouncer-exporter (PyPI; Debian's 1.7 ends with a KeyError on PgBouncer 1.8 and later), pg_activity's
queries (PyPI). `serve` looks every 5 seconds whoever asks; an exporter looks at each scrape. Costs are therefore given
for 15 seconds, Prometheus' usual interval, as well.
"""

from __future__ import annotations

import os
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

from bench._cpu import thread_seconds, tree_seconds
from bench._table import Table
from slotwise.collectors.runner import Request
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, free_port
from slotwise.history.sample import round_of
from slotwise.history.sampler import Sampler
from tests.servers import binaries_for, create_odoo, until

SIZES = (100, 1000)
SCRAPES = 40
LOOKS = 12
INTERVAL_SECONDS = 5.0
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
    """Of one answer: milliseconds until it is there, its bytes, and CPU milliseconds of the watched server for it."""

    milliseconds: float
    bytes: int | None
    server_cpu_ms: float


def main() -> Table:
    """Measure, print, and miss where slotwise is slower or dearer for the server than a peer."""
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
                ours, looks = _serve(server, Path(scratch), size)
                theirs = _postgres_exporter(server, exporter)
                watch, table = _watch(server, size), _activity(server, activity)
            found = [
                _row(f"{size} backends: `slotwise serve`, a scrape", ours, looks),
                _row(f"{size} backends: postgres_exporter, a scrape", theirs, 1.0),
                _row(f"{size} backends: `slotwise watch`, a refresh", watch, None),
                _row(f"{size} backends: pg_activity's queries, a refresh", table, None),
            ]
            rows += found
            for row in found:
                print("  " + " | ".join(row), flush=True)
            dear = ours.server_cpu_ms * looks > theirs.server_cpu_ms
            missed = missed or ours.milliseconds > theirs.milliseconds or dear
        rows += _poolers(servers, Path(scratch), bouncer_exporter)
    columns = ("operation", "answer", "bytes", "server's CPU, each", "server's CPU in 15 s")
    title = f"Watching PostgreSQL 15 and PgBouncer, medians and means of {SCRAPES} scrapes, {LOOKS} looks"
    for row in rows[-2:]:
        print("  " + " | ".join(row))
    return Table(title, columns, tuple(rows), missed)


def _row(name: str, cost: Cost, per_scrape: float | None) -> tuple[str, ...]:
    whole = "" if per_scrape is None else f"{cost.server_cpu_ms * per_scrape:.1f} ms"
    size = "" if cost.bytes is None else f"{cost.bytes:,}"
    return (name, f"{cost.milliseconds:.1f} ms", size, f"{cost.server_cpu_ms:.2f} ms", whole)


def _serve(server: PostgresServer, scratch: Path, size: int) -> tuple[Cost, float]:
    """A scrape of `serve`, what one of its looks costs the server, and how many looks there are in 15 seconds.

    The cost is that of its one server process: between looks the server has work of its own, which is not counted.
    """
    port = free_port()
    command = [
        *(sys.executable, "-m", "slotwise", "serve", "--dsn", server.dsn(), "--listen", f"127.0.0.1:{port}"),
        *("--interval", str(INTERVAL_SECONDS), "--history", str(scratch / f"{size}.db")),
    ]
    with _running(command), _answering(f"http://127.0.0.1:{port}/metrics", b"slotwise_up 1.0") as url:
        time.sleep(2 * INTERVAL_SECONDS)
        backend = _own_backend(server)
        before = thread_seconds(backend)
        time.sleep(LOOKS * INTERVAL_SECONDS)
        each = (thread_seconds(backend) - before) / LOOKS * 1000
        assert _own_backend(server) == backend
        milliseconds, length = _scrapes(url)
    return Cost(milliseconds, length, each), SCRAPE_SECONDS / INTERVAL_SECONDS


def _own_backend(server: PostgresServer) -> int:
    """The server process of slotwise's connection, of which there is one."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'slotwise'"
        rows = connection.execute(query).fetchall()
    assert len(rows) == 1, rows
    return int(rows[0][0])


def _postgres_exporter(server: PostgresServer, program: Path) -> Cost:
    port = free_port()
    source = f"postgresql://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable"
    command = [str(program), f"--web.listen-address=127.0.0.1:{port}"]
    with (
        _running(command, {"DATA_SOURCE_NAME": source}),
        _answering(f"http://127.0.0.1:{port}/metrics", b"pg_up 1") as url,
    ):
        return _scraped(url, lambda: tree_seconds(server.pid))


def _watch(server: PostgresServer, size: int) -> Cost:
    """What a refresh of the screen asks of the server: the sampler's look, after the first one."""
    with Sampler(Request(dsn=server.dsn(), timeout_seconds=10.0), 5.0) as sampler:
        for _ in range(3):
            seen = round_of(sampler.look())
        assert seen.used is not None and seen.used > size and not seen.gap, seen
        before, taken = tree_seconds(server.pid), []
        for _ in range(LOOKS):
            begun = time.perf_counter()
            sampler.look()
            taken.append((time.perf_counter() - begun) * 1000)
        each = (tree_seconds(server.pid) - before) / LOOKS * 1000
    return Cost(statistics.median(taken), None, each)


def _activity(server: PostgresServer, python: Path) -> Cost:
    command = [str(python), "-c", _ACTIVITY, str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def refreshes(count: int) -> float:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        refreshes(3)
        before = tree_seconds(server.pid)
        milliseconds = refreshes(LOOKS)
        each = (tree_seconds(server.pid) - before) / LOOKS * 1000
        process.stdin.close()
    return Cost(milliseconds, None, each)


def _poolers(servers: PostgresServers, scratch: Path, exporter: Path) -> list[tuple[str, ...]]:
    """PgBouncer with 100 clients on 20 databases."""
    with servers.start(binaries_for(15), {"max_connections": "100"}) as server, ExitStack() as held:
        create_odoo(server)
        entries = {f"prod{n}": f"host=127.0.0.1 port={server.port} dbname=prod" for n in range(20)}
        bouncer = held.enter_context(
            PgBouncerServer(servers.directory, entries, {"pool_mode": "transaction", "max_client_conn": "500"})
        )
        for n in range(100):
            client = held.enter_context(psycopg.connect(bouncer.dsn("odoo", f"prod{n % 20}"), autocommit=True))
            client.execute("SELECT 1")
        port = free_port()
        command = [
            *(sys.executable, "-m", "slotwise", "serve", "--dsn", server.dsn(), "--pgbouncer"),
            *(bouncer.dsn("postgres"), "--listen", f"127.0.0.1:{port}", "--interval", str(INTERVAL_SECONDS)),
            *("--history", str(scratch / "pooler.db")),
        ]
        url = f"http://127.0.0.1:{port}/metrics"
        with _running(command), _answering(url, b"slotwise_pgbouncer_clients{"):
            time.sleep(2 * INTERVAL_SECONDS)
            before = tree_seconds(bouncer.pid)
            time.sleep(LOOKS * INTERVAL_SECONDS)
            each = (tree_seconds(bouncer.pid) - before) / LOOKS * 1000
            ours = Cost(*_scrapes(url), each)
        port = free_port()
        config = scratch / "pgbouncer-exporter.yml"
        dsn = f"postgresql://postgres:none@127.0.0.1:{bouncer.port}/pgbouncer"
        config.write_text(f"exporter_host: 127.0.0.1\nexporter_port: {port}\npgbouncers:\n  - dsn: {dsn}\n")
        url = f"http://127.0.0.1:{port}/metrics"
        with _running([str(exporter), "--config", str(config)]), _answering(url, b"pgbouncer_pools"):
            theirs = _scraped(url, lambda: tree_seconds(bouncer.pid))
    return [
        _row("PgBouncer, 100 clients: `slotwise serve`, a scrape", ours, SCRAPE_SECONDS / INTERVAL_SECONDS),
        _row("PgBouncer, 100 clients: pgbouncer_exporter, a scrape", theirs, 1.0),
    ]


def _scraped(url: str, cpu_seconds: Callable[[], float]) -> Cost:
    for _ in range(3):
        _scrape(url)
    before = cpu_seconds()
    milliseconds, length = _scrapes(url)
    return Cost(milliseconds, length, (cpu_seconds() - before) / SCRAPES * 1000)


def _scrapes(url: str) -> tuple[float, int]:
    taken, length = [], 0
    for _ in range(SCRAPES):
        begun = time.perf_counter()
        length = len(_scrape(url))
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken), length


def _scrape(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[None]:
    with subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
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
