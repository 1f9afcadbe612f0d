"""verify's voices: the contract slotwise.verify/1, the terminal, JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from jsonschema import Draft202012Validator

from slotwise.collectors.path_run import probes
from slotwise.fixes.path_checks import Check, PathReport, Seen
from slotwise.formats.verify_json import SCHEMA, verify_json
from slotwise.formats.verify_junit import verify_junit
from slotwise.formats.verify_text import verify_text

PUBLISHED = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "verify.json").read_text(encoding="utf-8"))

REPORT = PathReport(
    path="pool:6432",
    database="prod",
    user="odoo",
    direct="db:5432",
    server_version=150020,
    through_pooler=True,
    checks=(
        Check("copy", "works", "bulk loading works", (Seen("rows in", 1000), Seen("same out", True))),
        Check("listen-notify", "broken", "live chat stays silent", (Seen("arrived", 0),), "session mode for postgres"),
        Check("prepared-statement", "not-needed", "Odoo prepares none", ()),
        Check("nested-cursors", "unknown", "not known", (Seen("pool size", None), Seen("name", "\x1b[31mred"))),
    ),
    seconds=1.5,
    connections=40,
    most_connections=4,
)


def test_the_published_schema_names_every_probe_and_takes_the_report() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    ids = PUBLISHED["$defs"]["check"]["properties"]["id"]["enum"]
    assert sorted(ids) == sorted(probe.need.id for probe in probes())
    document = json.loads(verify_json(REPORT))
    Draft202012Validator(PUBLISHED).validate(document)
    assert document["schema"] == SCHEMA == PUBLISHED["properties"]["schema"]["const"]
    assert document["exit_code"] == 1
    assert document["checks"][3]["evidence"][0] == {"name": "pool size", "value": None}


def test_the_terminal_shows_what_is_broken_first_and_no_escape_of_others() -> None:
    text = verify_text(REPORT, width=100)
    lines = [line for line in text.splitlines() if line[:1] in "✗?✓–" and line.strip()]
    assert [line.split()[1] for line in lines] == ["broken", "unknown", "works", "not-needed"]
    assert "do: session mode for postgres" in text
    assert all(len(line) <= 60 for line in verify_text(REPORT, width=60).splitlines())
    assert "bulk loading works" in " ".join(verify_text(REPORT, width=50).split())
    assert "pool size not visible" in text
    assert "\x1b" not in text
    assert "1 broken, 1 unknown, 1 works, 1 not-needed; 40 connections, at most 4 at once, 1.5 s" in text


def test_junit_never_passes_what_is_not_known() -> None:
    suite = ET.fromstring(verify_junit(REPORT)).find("testsuite")
    assert suite is not None
    outcomes = {case.get("name"): [child.tag for child in case] for case in suite}
    assert outcomes == {
        "copy": [], "listen-notify": ["failure"], "prepared-statement": ["skipped"], "nested-cursors": ["error"],
    }  # fmt: skip
