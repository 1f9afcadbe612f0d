from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from slotwise.snapshot.json_form import to_json
from tests.build import FIRST_HTTP, backend, host

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "doctor.json").read_text())
FULL = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=100 + n)) for n in range(20)]


def slotwise(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "slotwise", *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def healthy(tmp_path: Path) -> str:
    (tmp_path / "healthy.json").write_bytes(to_json(host()))
    return str(tmp_path / "healthy.json")


@pytest.fixture
def full(tmp_path: Path) -> str:
    (tmp_path / "full.json").write_bytes(to_json(host(FULL, settings_={"max_connections": "23"})))
    return str(tmp_path / "full.json")


def test_text_and_exit_code(healthy: str, full: str) -> None:
    good = slotwise("doctor", "--snapshot", healthy, "--select", "slots-saturated")
    assert (good.returncode, good.stderr) == (0, b"")
    bad = slotwise("doctor", "--snapshot", full, "--select", "slots-saturated")
    assert bad.returncode == 1 and "✗ critical SW201 slots-saturated" in bad.stdout.decode()


def test_json_keeps_its_published_schema(full: str) -> None:
    done = slotwise("doctor", "--snapshot", full, "--format", "json")
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["schema"] == "slotwise.doctor/1" and document["exit_code"] == done.returncode == 1
    assert document["slots"]["used"] == 20 and document["slots"]["usable"] == 20 and document["slots"]["free"] == 0
    assert sum(h["count"] for h in document["holders"]) == 20
    found = {v["slug"]: v for v in document["verdicts"]}["slots-saturated"]
    assert found["state"] == "found" and found["findings"][0]["evidence"][0] == {
        "name": "used",
        "value": 20,
        "source": "pg_settings, pg_stat_activity",
    }


def test_sarif_and_junit_name_the_finding(full: str) -> None:
    sarif = json.loads(slotwise("doctor", "--snapshot", full, "--format", "sarif").stdout)
    assert "SW201" in {r["ruleId"] for r in sarif["runs"][0]["results"]}
    junit = ElementTree.fromstring(slotwise("doctor", "--snapshot", full, "--format", "junit").stdout)
    failed = {c.get("name") for c in junit.iter("testcase") if c.find("failure") is not None}
    assert "SW201 slots-saturated" in failed


def test_a_snapshot_may_come_from_standard_input(full: str) -> None:
    done = slotwise("doctor", "--snapshot", "-", "--format", "json", stdin=Path(full).read_bytes())
    assert json.loads(done.stdout)["slots"]["used"] == 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("--snapshot", "/nowhere/case.json"),
        ("--snapshot", "{dir}"),
        ("--snapshot", "{foreign}"),
        ("--snapshot", "{healthy}", "--select", "SW999"),
        ("--snapshot", "{healthy}", "--dsn", "host=x"),
        ("--fail-on", "nothing"),
        ("--timeout", "soon"),
    ],
)
def test_mistakes_are_two_lines_and_exit_2(tmp_path: Path, healthy: str, arguments: tuple[str, ...]) -> None:
    (tmp_path / "foreign.json").write_text('{"pgmetrics": 1}')
    places = {"dir": str(tmp_path), "foreign": str(tmp_path / "foreign.json"), "healthy": healthy}
    done = slotwise("doctor", *(a.format(**places) for a in arguments))
    assert done.returncode == 2 and done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("  do: ")
