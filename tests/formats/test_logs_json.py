"""The published schema of ``slotwise.logs/1``, held against what real logs make."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from slotwise.commands.logs import render, story_of
from slotwise.formats.logs_json import SCHEMA
from slotwise.walls.kinds import Role, Wall

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "docs" / "schema" / "logs.json").read_text(encoding="utf-8"))
SHAPES = ROOT / "tests" / "collectors" / "log_shapes.jsonl"
ODOO = "2026-11-23 {moment},000 12 WARNING prod odoo.http: Database or registry unusable, trying without\n{trace}"
TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/opt/odoo/odoo/sql_db.py", line 763, in db_connect\n'
    "psycopg2.OperationalError: FATAL:  sorry, too many clients already\n"
)


def validated(*logs: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(render(story_of([str(log) for log in logs]), "json"))
    Draft202012Validator(PUBLISHED).validate(document)
    return document


def test_the_published_schema_names_every_wall_and_role() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["properties"]["schema"]["const"] == SCHEMA
    assert sorted(PUBLISHED["$defs"]["wall"]["enum"]) == sorted(wall.value for wall in Wall)
    assert sorted(PUBLISHED["$defs"]["event"]["properties"]["role"]["enum"]) == sorted(role.value for role in Role)


def test_it_takes_every_kind_of_log_at_once(tmp_path: Path) -> None:
    log = tmp_path / "all.log"
    texts = (json.loads(line)["text"] for line in SHAPES.read_text(encoding="utf-8").splitlines())
    log.write_text("".join(texts), encoding="utf-8")
    document = validated(log)
    assert len(document["walls"]) >= 12  # type: ignore[arg-type]
    assert document["incidents"]


def test_it_takes_an_incident_told_by_two_logs_with_different_clocks(tmp_path: Path) -> None:
    odoo, server = tmp_path / "odoo.log", tmp_path / "postgresql.log"
    seconds = [1, 2, 5, 9, 14, 15]
    odoo.write_text("".join(ODOO.format(moment=f"19:08:{at:02d}", trace=TRACE) for at in seconds))
    server.write_text(
        "".join(
            f"2026-11-23 17:08:{at:02d}.000 UTC [{at}] odoo@prod FATAL:  sorry, too many clients already\n"
            for at in seconds
        )
    )
    document = validated(odoo, server)
    (clock,) = document["clocks"]  # type: ignore[misc]
    assert abs(clock["offset_seconds"]) == 7200
    (incident,) = document["incidents"]  # type: ignore[misc]
    assert incident["first_victim"]["time"] == incident["start"]


def test_it_takes_nothing_read_and_what_could_not_be_read(tmp_path: Path) -> None:
    empty, torn = tmp_path / "empty.log", tmp_path / "torn.log"
    empty.write_text("")
    torn.write_text('{"log":"FATAL:  sorry, too many clients')
    document = validated(empty, torn)
    assert document["unread"]["records"] == 1  # type: ignore[index]
