"""How quickly a plan is made: from flags to JSON, a sweep through the library, a fleet of a thousand hosts.

Run as ``python -m bench.plan``. Medians of one run; the interpreter's own start and the third-party imports beside it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench._table import Table
from slotwise.capacity.demand import demand
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.planner import Terms, plan_server, weigh

RUNS = 15
SWEEP = 10_000
FLEET_HOSTS = FLEET_DATABASES = 1_000


def rows() -> list[tuple[str, float, str]]:
    """(what, figure, unit) of every measurement."""
    start = _process("-c", "pass")
    imports = _process("-c", "import click, msgspec") - start
    whole = _process("-m", "slotwise", "plan", "--workers", "8", "--max-cron-threads", "2", "--format", "json")
    return [
        ("python -c pass", start * 1000, "ms"),
        ("import click, msgspec", imports * 1000, "ms more"),
        ("slotwise plan, flags to JSON", whole * 1000, "ms"),
        ("the same without third-party imports, against python -c pass", (whole - imports) / start, "times"),
        ("demand of different configurations", SWEEP / _once(_demands), "a second"),
        ("verdict of different configurations", SWEEP / _once(_verdicts), "a second"),
        ("whole plan with alternatives", _plan_milliseconds(), "ms"),
        (f"fleet of {FLEET_HOSTS} equal hosts x {FLEET_DATABASES} databases", _fleet(different=False), "s"),
        (f"fleet of {FLEET_HOSTS} different hosts x {FLEET_DATABASES} databases", _fleet(different=True), "s"),
    ]


def _process(*arguments: str, runs: int = RUNS, codes: tuple[int, ...] = (0,)) -> float:
    """Median seconds of a process that runs this interpreter with ``arguments``, byte code compiled as after pip."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *arguments]
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment)
        times.append(time.perf_counter() - begin)
        assert done.returncode in codes, command
    del times[0]  # the first one compiles
    return statistics.median(times)


def _once(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _configurations(offset: int) -> list[Deployment]:
    """Deployments of which no two are alike, so that nothing is remembered from one to the next."""
    return [
        Deployment(
            hosts=(
                OdooHost(
                    odoo_version=17 + number % 3,
                    workers=1 + number % 40,
                    max_cron_threads=number % 5,
                    databases=1 + number % 7,
                    db_maxconn=8 + (number + offset) // 280,
                ),
            ),
            servers=(PostgresServer(max_connections=100 + number),),
        )
        for number in range(SWEEP)
    ]


def _demands() -> None:
    for deployment in _configurations(0):
        demand(deployment)


def _verdicts() -> None:
    terms = Terms()
    for deployment in _configurations(10**6):
        weigh(deployment, "primary", terms)


def _plan_milliseconds() -> float:
    deployments = _configurations(2 * 10**6)[:200]
    times = [_once(lambda one=deployment: plan_server(one, "primary")) for deployment in deployments]  # type: ignore[misc]
    return statistics.median(times) * 1000


def _fleet(different: bool) -> float:
    """Seconds of the whole command, from a fleet file to its plan."""
    hosts = {}
    for number in range(FLEET_HOSTS):
        prefix = f"d{number}_" if different else "d"
        names = [f"{prefix}{database}" for database in range(FLEET_DATABASES)]
        hosts[f"h{number}"] = {"workers": 1 + number if different else 4, "databases": names}
    document = {"servers": {"main": {"max_connections": 5000, "ram": "256GB"}}, "hosts": hosts}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.json"
        path.write_bytes(msgspec.json.encode(document))
        arguments = ("-m", "slotwise", "plan", "--fleet", str(path), "--format", "json")
        return _process(*arguments, runs=3, codes=(0, 1))


def main() -> Table:
    """Measure and print."""
    shown = []
    for what, figure, unit in rows():
        print(f"{what:<64}{figure:>12,.4g} {unit}")
        shown.append((what, f"{figure:,.4g} {unit}"))
    return Table(f"slotwise plan, medians of {RUNS} runs", ("operation", "measured"), tuple(shown))


if __name__ == "__main__":
    main()
