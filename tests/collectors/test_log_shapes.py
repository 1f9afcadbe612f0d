"""Whole small logs in the shapes that people have: prefixes, versions, languages, wrappers, drivers, look-alikes."""

from __future__ import annotations

import gettext
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from slotwise.collectors.log_scanner import Scanner
from slotwise.collectors.log_streams import entries_of
from slotwise.walls.events import LogEvent
from slotwise.walls.kinds import Wall

REFERENCE = 1_795_453_687.0  # 2026-11-23 17:08:07 UTC
SHAPES = [
    json.loads(line) for line in Path(__file__).with_name("log_shapes.jsonl").read_text(encoding="utf-8").splitlines()
]
CATALOGUES = sorted(Path("/usr/share/locale").glob("*/LC_MESSAGES/postgres-*.mo"))
MESSAGES = {
    "sorry, too many clients already": Wall.PG_MAX_CONNECTIONS,
    "remaining connection slots are reserved for non-replication superuser connections": Wall.PG_RESERVED,
    "remaining connection slots are reserved for roles with the %s attribute": Wall.PG_RESERVED,
    'remaining connection slots are reserved for roles with privileges of the "%s" role': Wall.PG_RESERVED,
    'too many connections for role "%s"': Wall.PG_ROLE_LIMIT,
    'too many connections for database "%s"': Wall.PG_DB_LIMIT,
    "could not fork new process for connection: %m": Wall.MEMORY,
    "could not map anonymous shared memory: %m": Wall.MEMORY,
    "deadlock detected": Wall.OTHER,
    "could not serialize access due to concurrent update": Wall.OTHER,
    "canceling statement due to statement timeout": Wall.OTHER,
    'password authentication failed for user "%s"': Wall.OTHER,
    'database "%s" does not exist': Wall.OTHER,
    "the database system is starting up": Wall.OTHER,
    "the database system is not yet accepting connections": Wall.OTHER,
    'database "%s" is being accessed by other users': Wall.OTHER,
    'could not obtain lock on row in relation "%s"': Wall.OTHER,
    "terminating connection due to conflict with recovery": Wall.OTHER,
    "number of requested standby connections exceeds max_wal_senders (currently %d)": Wall.OTHER,
}


def scan(data: bytes, chunk: int = 1 << 20) -> list[LogEvent]:
    events: list[LogEvent] = []
    scanner = Scanner("some.log", REFERENCE, events.append)
    for piece in entries_of(data[at : at + chunk] for at in range(0, len(data), chunk)):
        scanner.feed(piece)
    scanner.feed(b"", final=True)
    return events


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
def test_every_shape_names_its_walls_and_no_other(shape: dict[str, object]) -> None:
    data = str(shape["text"]).encode()
    whole = scan(data)
    assert Counter(event.wall.value for event in whole if event.wall.refuses) == shape["walls"]
    told = [(event.kind, event.line, event.text) for event in whole]
    for chunk in (7, 333):
        assert [(event.kind, event.line, event.text) for event in scan(data, chunk)] == told


def test_prefixes_give_time_user_database_and_process() -> None:
    named = {shape["name"]: scan(str(shape["text"]).encode())[0] for shape in SHAPES if "stderr" in shape["name"]}
    for name in ("rds", "cloudsql", "azure flexible", "crunchy", "heroku", "digitalocean", "%t [%p]: [%l-1] pgbadger"):
        event = named[f"stderr {name}"]
        assert (name, event.user, event.database, event.pid) == (name, "odoo", "prod", 577)
    for name in ("azure", "patroni/spilo", "%c %l session"):
        # %c alone names the process, in hexadecimal
        assert (name, named[f"stderr {name}"].pid) == (name, 577)
    timeless = {name for name, event in named.items() if event.seconds is None}
    assert timeless == {"stderr empty", "stderr %p only", "stderr %u %d", "stderr digitalocean"}


def test_json_loggers_and_shippers_give_what_a_plain_line_gives() -> None:
    named = {shape["name"]: scan(str(shape["text"]).encode()) for shape in SHAPES}
    plain = [
        (event.layer, event.user, event.database, event.pid, event.seconds) for event in named["jsonlog"] if event.user
    ]
    (cluster,) = named["cnpg in CRI"]
    assert (cluster.layer, cluster.user, cluster.database, cluster.pid, cluster.seconds) == plain[0]
    (odoo,) = named["odoo json logger (camptocamp)"]
    assert (odoo.layer, odoo.database, odoo.pid, odoo.process) == ("odoo", "prod", 12, "http_worker")
    (logged_out,) = named["odoo json logger (OCA logging_json)"]
    assert logged_out.logged_out
    (pooler,) = named["cnpg pgbouncer pooler"]
    assert (pooler.layer, pooler.user, pooler.database) == ("pgbouncer", "odoo", "prod")


def test_servers_own_catalogues_are_read() -> None:
    """What PostgreSQL of this host would write in each of its languages, taken from its own message catalogues."""
    assert len(CATALOGUES) >= 10, "PostgreSQL's message catalogues are missing (apt install postgresql)"
    wrong = []
    for path in CATALOGUES:
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        for message, wall in MESSAGES.items():
            text = catalogue.gettext(message)
            if text == message:
                continue
            text = re.sub(r"%(?:\d\$)?[sdmu]", "odoo", text).replace("\n", "\n\t")
            line = f"2026-11-23 17:08:02.944 UTC [577] odoo@prod {catalogue.gettext('FATAL')}:  {text}\n"
            walls = [event.wall for event in scan(line.encode())]
            if walls != [wall]:
                wrong.append((path.parts[4], line, walls))
    assert wrong == []
