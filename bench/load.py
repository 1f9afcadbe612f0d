"""Whether `slotwise load` finds known knees, and whether its HTTP generator is in the way: `python -m bench.load`.

Five set-ups of stand-ins with known service times on a real PostgreSQL (two of them behind PgBouncer), and 500 users
over HTTP against the stand-in's web face, whose own clock says what the generator adds. About seven minutes.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple
from urllib.request import urlopen

from bench._table import Table
from slotwise.commands.load_connections import ConnectionsRequest, load_connections
from slotwise.commands.load_http import HttpRequest, load_http
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.load.people import People
from slotwise.load.ramp import Limits
from slotwise.load.visits import Duration, Scenario
from tests.loadtest.web_face import web_face
from tests.servers import binaries_for, create_odoo

STEP_SECONDS = 5.0
TARGET_ERROR_RATIO = 0.1
USERS = 500
THINK_SECONDS = 5.0
SERVICE_SECONDS = 0.05
MOST_CPU_RATIO = 0.8
MOST_INFLATION_SECONDS = 0.01


class SetUp(NamedTuple):
    """A scenario and PgBouncer's pool, None where the stand-ins connect directly."""

    name: str
    scenario: Scenario
    pool: int | None


SET_UPS = (
    SetUp("2 workers, constant", Scenario(databases=(), workers=2, service=Duration(0.15), think=Duration(0.6)), None),
    SetUp(
        "4 workers, exponential",
        Scenario(databases=(), workers=4, service=Duration(0.2, "exponential"), think=Duration(0.8, "exponential")),
        None,
    ),
    SetUp(
        "2 hosts × 3 workers, lognormal",
        Scenario(databases=(), hosts=2, workers=3, service=Duration(0.2, "lognormal"), think=Duration(0.6)),
        None,
    ),
    SetUp(
        "12 workers, a pool of 3",
        Scenario(databases=(), workers=12, service=Duration(0.2, "lognormal"), think=Duration(0.8)),
        3,
    ),
    SetUp(
        "16 workers, a pool of 5, exponential",
        Scenario(databases=(), workers=16, service=Duration(0.25, "exponential"), think=Duration(0.75)),
        5,
    ),
)


def main() -> Table:
    """Measure and print; missed where a knee is more than 10 % off or the generator is in the way."""
    rows: list[tuple[str, ...]] = []
    missed = False
    with PostgresServers() as servers, servers.start(binaries_for(15), {"max_connections": "100"}) as server:
        create_odoo(server, ["staging"])
        for one in SET_UPS:
            row, off = _knee(servers, server, one)
            rows.append(row)
            missed = missed or off > TARGET_ERROR_RATIO
            print("  ".join(row), flush=True)
    row, in_the_way = _generator()
    print("  ".join(row), flush=True)
    return Table(
        "load: known knees found, and 500 users over HTTP from this machine",
        ("what", "known", "found", "off"),
        (*rows, row),
        missed or in_the_way,
    )


def _knee(servers: PostgresServers, server: PostgresServer, one: SetUp) -> tuple[tuple[str, ...], float]:
    limits = Limits(step_seconds=STEP_SECONDS, seconds=400.0, users=200)
    observe = server.dsn(dbname="staging")
    if one.pool is None:
        request = ConnectionsRequest(
            dsn=server.dsn("odoo", "staging"), observe=observe, scenario=one.scenario, limits=limits, is_staging=True
        )
        report = load_connections(request, lambda line: None)
    else:
        # LISTEN needs a session of its own, as with a real Odoo.
        databases = {
            "postgres": f"host=127.0.0.1 port={server.port} pool_mode=session pool_size=20",
            "*": f"host=127.0.0.1 port={server.port}",
        }
        settings = {"pool_mode": "transaction", "default_pool_size": str(one.pool)}
        with PgBouncerServer(servers.directory, databases, settings, users=("postgres", "odoo")) as pooler:
            request = ConnectionsRequest(
                dsn=pooler.dsn("odoo", "staging"),
                observe=observe,
                consoles=(pooler.dsn("postgres", "pgbouncer"),),
                scenario=one.scenario,
                limits=limits,
                is_staging=True,
            )
            report = load_connections(request, lambda line: None)
    known, knee = report.model.knee_users, report.knee
    if known is None or knee.users is None or knee.low is None or knee.high is None:
        return (one.name, str(known), f"none: {knee.why}", "-"), 1.0
    off = abs(knee.users / known - 1)
    found = f"{knee.users:.1f} users ({knee.low:.1f} to {knee.high:.1f})"
    return (one.name, f"{known:.1f} users", found, f"{off:.1%}"), off


def _generator() -> tuple[tuple[str, ...], bool]:
    """500 users: what one Locust process needs, and how much longer its response times are than the server's own."""
    with web_face("--workers", "400", "--service", str(SERVICE_SECONDS)) as face:
        people = People(url=face.url, databases=("staging",), think_seconds=THINK_SECONDS, websocket_ratio=1.0)
        limits = Limits(steps=(USERS,), users=USERS, step_seconds=20.0, seconds=300.0)
        seen: list[tuple[float, float]] = []

        def look(_line: str) -> None:
            with urlopen(f"{face.url}/standin", timeout=10) as response:
                found = json.loads(response.read())
            seen.append((found["served"], found["inside_seconds"]))

        request = HttpRequest(people=people, password="x", limits=limits, is_staging=True)
        report = load_http(request, look)
    (step,) = report.steps
    served, inside = seen[-1]
    assert step.latency is not None and step.generator_cpu_ratio is not None
    inflation = step.latency.mean - inside / served
    in_the_way = step.generator_cpu_ratio > MOST_CPU_RATIO or inflation > MOST_INFLATION_SECONDS
    row = (
        f"{step.users} users, {step.throughput_per_second:.0f} requests/s, websockets, {os.cpu_count()} cores",
        f"{inside / served * 1000:.1f} ms in the server",
        f"{step.latency.mean * 1000:.1f} ms measured, generator at {step.generator_cpu_ratio:.0%} of a core",
        f"+{inflation * 1000:.1f} ms",
    )
    return row, in_the_way


if __name__ == "__main__":
    raise SystemExit(main().missed)
