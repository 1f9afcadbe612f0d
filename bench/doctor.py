"""`slotwise doctor` beside its peers: the same server, the same 100 sessions, the same run.

Run as `python -m bench.doctor`. Peers: check_pgactivity and check_postgres (apt), pg-diag (PyPI, in a venv of its own
under the user's cache directory). A peer that is not there is installed; where that fails, the bench says so and ends.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bench._table import Table
from slotwise.collectors.network import read_network
from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob, perform_postgres
from slotwise.collectors.pg_target import Target
from slotwise.collectors.postmasters import find_postmasters
from slotwise.collectors.procfs import sweep
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Backend
from tests.servers import binaries_for, create_odoo

SESSIONS = 100
ROUNDS = 11
COLLECTIONS = 60
PROCESSES = 1000
PEER = "pg-diag==0.19.*"
_PLUGIN = Path("/usr/lib/nagios/plugins/check_pgactivity")
_CPU_FIELDS = slice(11, 15)


def main() -> Table:
    """Measure and print."""
    check_postgres, pg_diag = _peers()
    with (
        tempfile.TemporaryDirectory() as scratch,
        PostgresServers() as servers,
        servers.start(binaries_for(15), {"max_connections": "130"}) as server,
    ):
        create_odoo(server)
        with ExitStack() as held:
            for _ in range(SESSIONS):
                held.enter_context(psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)).execute("SELECT 1")
            seconds = _interleaved(_commands(server, check_postgres, pg_diag, scratch), scratch)
            query_ms, whole_ms = _server_cpu(server)
        with servers.start(binaries_for(15), {"max_connections": str(PROCESSES + 10)}) as large:
            create_odoo(large)
            sweep_ms = _sweep(large)
    return _report(seconds, query_ms, whole_ms, sweep_ms)


def _commands(server: PostgresServer, check_postgres: str, pg_diag: Path, scratch: str) -> dict[str, list[str]]:
    port, python = str(server.port), sys.executable
    address = ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]
    return {
        "slotwise doctor": [python, "-m", "slotwise", "doctor", "--dsn", server.dsn()],
        "check_pgactivity -s backends": [str(_PLUGIN), "-s", "backends", *address, "-w", "90%", "-c", "95%"],
        "check_postgres backends": [
            *(check_postgres, "--action=backends", "-H", "127.0.0.1", "-p", port, "-u", "postgres"),
            *("--warning=90%", "--critical=95%"),
        ],
        "pg-diag one-shot": [
            *(str(pg_diag), "one-shot", "--host", "127.0.0.1", "--port", port, "--user", "postgres"),
            *("--database", "postgres", "--out", scratch),
        ],
        "slotwise --version": [str(Path(python).with_name("slotwise")), "--version"],
        "python -c pass": [python, "-c", "pass"],
    }


def _interleaved(commands: dict[str, list[str]], scratch: str) -> dict[str, float]:
    """The median wall-clock seconds of each command; rounds go through all of them, so that a busy moment hits all."""
    # As after an installation, where pip has compiled every file; the first round fills this and is not counted.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONPYCACHEPREFIX"] = f"{scratch}/compiled"
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, env=environment, check=False)
            took = time.perf_counter() - started
            # doctor: 1 is findings, 3 is that something could not be judged; for the others all but 0 is a failure.
            if done.returncode not in ((0, 1, 3) if name == "slotwise doctor" else (0,)):
                raise SystemExit(f"{name} failed: {(done.stderr or done.stdout).decode()[-500:]}")
            if turn:
                taken[name].append(took)
    return {name: statistics.median(values) for name, values in taken.items()}


def _server_cpu(server: PostgresServer) -> tuple[float, float]:
    """CPU that one collection costs PostgreSQL, in milliseconds: its statements alone (median, from the backend's
    scheduler clock), and with fork, login and exit (mean, from the postmaster's accounts of its children)."""
    target, inside = Target("bench", server.dsn()), []
    before = _children_ms(server.pid)
    for _ in range(COLLECTIONS):
        answers: list[PostgresAnswer] = []
        clock = {}

        def tell(
            answer: PostgresAnswer, clock: dict[str, float] = clock, answers: list[PostgresAnswer] = answers
        ) -> None:
            if answer.step in ("asking", "complete"):
                clock[answer.step] = _newest_backend_ms(server.pid)
            answers.append(answer)

        perform_postgres(PostgresJob(target, time.time(), 10.0), tell)
        assert answers[-1].step == "complete", answers[-1].failure
        inside.append(clock["complete"] - clock["asking"])
    time.sleep(0.5)
    return statistics.median(inside), (_children_ms(server.pid) - before) / COLLECTIONS


def _newest_backend_ms(postmaster: int) -> float:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return int(Path(f"/proc/{max(children, key=int)}/schedstat").read_text().split()[0]) / 1e6


def _children_ms(postmaster: int) -> float:
    fields = Path(f"/proc/{postmaster}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(f) for f in fields[_CPU_FIELDS]) * 1000 / os.sysconf("SC_CLK_TCK")


def _sweep(server: PostgresServer) -> float:
    """Milliseconds (median) for all sessions of a server with 1,000 of them, without a slot of it."""
    with ExitStack() as held:
        for _ in range(PROCESSES):
            held.enter_context(psycopg.connect(server.dsn("odoo", "prod"), autocommit=True))
        seen = len(_sessions_from_outside().get(server.pid, ()))
        assert seen == PROCESSES, f"{seen} of {PROCESSES} sessions seen"
        return 1000 * statistics.median(_timed(_sessions_from_outside) for _ in range(ROUNDS))


def _sessions_from_outside() -> Mapping[int, Sequence[Backend]]:
    """Every session of every server here: sockets, processes, titles."""
    network = read_network()
    assert not isinstance(network, Unavailable)
    swept = sweep(known=network.known())
    assert not isinstance(swept, Unavailable)
    return find_postmasters(swept.facts, network.ports, network.unix_listening).sessions


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _report(seconds: dict[str, float], query_ms: float, whole_ms: float, sweep_ms: float) -> Table:
    ours = seconds["slotwise doctor"]
    start = seconds["slotwise --version"] / seconds["python -c pass"]
    rows: list[tuple[str, str, str, bool]] = [
        ("check_pgactivity -s backends", _ms(seconds["check_pgactivity -s backends"]), "", True),
        ("check_postgres backends", _ms(seconds["check_postgres backends"]), "", True),
        ("pg-diag one-shot, full", _ms(seconds["pg-diag one-shot"]), "", True),
        (
            "**slotwise doctor**, every rule",
            _ms(ours),
            "no slower than check_postgres; pg-diag / 5",
            ours <= seconds["check_postgres backends"] and ours * 5 <= seconds["pg-diag one-shot"],
        ),
        ("`slotwise --version` / `python -c pass`", f"{start:.1f} ×", "< 4 ×", start < 4),
        (f"sweep of {PROCESSES:,} server processes, no slot", f"{sweep_ms:.0f} ms", "< 100 ms", sweep_ms < 100),
        ("CPU for PostgreSQL, statements of one collection", f"{query_ms:.1f} ms", "< 5 ms", query_ms < 5),
        ("CPU for PostgreSQL, with fork, login and exit", f"{whole_ms:.1f} ms", "", True),
    ]
    title = f"PostgreSQL 15, {SESSIONS} sessions, medians of {ROUNDS} interleaved rounds"
    print(f"{title}\n\n| operation | measured | target | |\n|---|---|---|---|")
    for name, value, target, met in rows:
        print(f"| {name} | {value} | {target} | {'' if met else 'missed'} |")
    shown = tuple((name, value, target if met else f"{target} (missed)") for name, value, target, met in rows)
    return Table(title, ("operation", "measured", "target"), shown, not all(met for *_, met in rows))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _peers() -> tuple[str, Path]:
    """The peers' programs, installed where they are missing."""
    if not _PLUGIN.exists() or shutil.which("check_postgres") is None:
        _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "check-pgactivity", "check-postgres"])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slotwise-bench/pg-diag"
    if not (cache / "bin/pg-diag").exists():
        _run([sys.executable, "-m", "venv", str(cache)])
        _run([str(cache / "bin/pip"), "install", "-q", "--disable-pip-version-check", PEER])
    return shutil.which("check_postgres") or "check_postgres", cache / "bin/pg-diag"


def _run(command: Sequence[str]) -> None:
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise SystemExit(f"cannot install a peer: {' '.join(command)}")


if __name__ == "__main__":
    raise SystemExit(int(main().missed))
