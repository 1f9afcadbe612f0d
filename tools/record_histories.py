"""Records histories for the forecast's backtest: a real PostgreSQL, a stand-in of Odoo, a week in a few minutes.

Run as ``.venv/bin/python tools/record_histories.py``; it writes tests/forecast/recorded. Each step is five minutes by
the stand-in's clock (its pools age by it), with requests by the hour of the day, and one count of pg_stat_activity.
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slotwise.standin.host import StandinHost as Host

ROOT = Path(__file__).parent.parent
OUT = ROOT / "tests" / "forecast" / "recorded"
STEP_SECONDS = 300.0
DAYS = 7
LEAK_FROM = 5 * 24 * 12
sys.path.insert(0, str(ROOT))

Event = Callable[["Host", int, random.Random], None]


def main() -> int:
    """Record each history that is not there yet, or those that are named."""
    OUT.mkdir(exist_ok=True)
    for name, event in EVENTS.items():
        file = OUT / f"{name}.json"
        if name in sys.argv[1:] or not file.exists():
            counts = recorded(event, seed=len(name))
            file.write_text(json.dumps({"step_seconds": STEP_SECONDS, "used": counts}) + "\n", encoding="utf-8")
            print(f"{file.name}: {len(counts)} counts from {min(counts)} to {max(counts)}", flush=True)
    return 0


def recorded(event: Event, seed: int) -> list[int]:
    """The counts of a week from a Monday's midnight."""
    import psycopg
    from msgspec import structs

    from slotwise.demo.postgres_server import PostgresServers
    from slotwise.standin.host import StandinHost
    from slotwise.standin.settings import StandinSettings
    from tests.servers import binaries_for, create_odoo

    chance = random.Random(seed)
    counts: list[int] = []
    settings = StandinSettings(workers=10, max_cron_threads=2, db_name=("prod",))
    with (
        tempfile.TemporaryDirectory() as scratch,
        PostgresServers() as servers,
        servers.start(binaries_for(15), {"max_connections": "300"}) as server,
    ):
        create_odoo(server, ("prod", "second"))
        here = structs.replace(settings, db_port=server.port)
        with StandinHost(here, Path(scratch)) as host, psycopg.connect(server.dsn(), autocommit=True) as monitor:
            for step in range(int(DAYS * 86400 / STEP_SECONDS)):
                event(host, step, chance)
                running = host.begin(_requests(step, chance), "prod")
                row = monitor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'odoo'").fetchone()
                assert row is not None
                counts.append(int(row[0]))
                for outcome in running:
                    host.finish(outcome)
                host.let_time_pass(STEP_SECONDS)
    return counts


def _requests(step: int, chance: random.Random) -> int:
    """How many requests run at a moment: a working day with a lunch break, hardly any at night and on Sundays."""
    day, hour = step // 288, step % 288 / 12
    busy = max(0.0, math.sin((hour - 7) / 12 * math.pi)) if 7 <= hour <= 19 else 0.0
    busy *= 0.6 if 12 <= hour < 13 else 1.0
    busy *= (0.5, 0.1)[day % 7 - 5] if day % 7 >= 5 else 1.0
    return min(10, max(0, round(9 * busy + chance.gauss(0.5, 1.0))))


def nothing(host: Host, step: int, chance: random.Random) -> None:
    """An ordinary week, with scheduled actions."""
    if step % 6 == 0:
        host.run_scheduled_action("prod", worker=step // 6 % 2)


def leak(host: Host, step: int, chance: random.Random) -> None:
    """The same, and an addon that forgets one cursor an hour from the sixth day on."""
    nothing(host, step, chance)
    if step >= LEAK_FROM and step % 12 == 0:
        host.leak("prod", cursors=1, worker=chance.randrange(10))


def recycled(host: Host, step: int, chance: random.Random) -> None:
    """An addon that forgets a cursor every two hours, and workers that are replaced every few hours (limit_memory)."""
    nothing(host, step, chance)
    if step % 24 == 0:
        host.leak("prod", cursors=1, worker=chance.randrange(10))
    if step % 48 == 47:
        host.kill(chance.choice([p.pid for p in host.processes("http_worker")]))


def second_database(host: Host, step: int, chance: random.Random) -> None:
    """A second database that people begin to use on the fourth day."""
    nothing(host, step, chance)
    if step >= 3 * 288 and _requests(step, chance) > 2:
        host.serve(4, "second", concurrent=4)


EVENTS: dict[str, Event] = {
    "quiet": nothing,
    "leak": leak,
    "recycled": recycled,
    "second-database": second_database,
}

if __name__ == "__main__":
    sys.exit(main())
