"""The published schema of ``slotwise.scan/1``, held against real scans."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from slotwise.formats.scan_json import SCHEMA

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "docs" / "schema" / "scan.json").read_text(encoding="utf-8"))
LEAKY = """import psycopg2


def poll(dsn):
    connection = psycopg2.connect(dsn)
    connection.cursor().execute("SELECT 1")


def known(dsn):
    connection = psycopg2.connect(dsn)  # slotwise: ignore[SW602] closed by the process
"""


def scanned(*arguments: str, at: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "slotwise", "scan", "--format", "json", "--no-cache", *arguments]
    done = subprocess.run(command, capture_output=True, cwd=at, timeout=120, check=False)
    document: dict[str, object] = json.loads(done.stdout)
    Draft202012Validator(PUBLISHED).validate(document)
    return document


def test_the_schema_is_one_and_names_its_version() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["properties"]["schema"]["const"] == SCHEMA


def test_findings_ignored_ones_and_what_was_not_judged(tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY)
    (tmp_path / "torn.py").write_text("def broken(:\n    psycopg2.connect(\n")
    document = scanned(".", at=tmp_path)
    assert {f["standing"] for f in document["findings"]} == {"active", "ignored"}  # type: ignore[attr-defined]
    assert len(document["not_judged"]) == 1  # type: ignore[arg-type]


def test_every_pattern_of_the_corpus(tmp_path: Path) -> None:
    document = scanned(str(ROOT / "tests" / "leaks" / "corpus"), "--pedantic", at=tmp_path)
    assert len({f["id"] for f in document["findings"]}) > 20  # type: ignore[attr-defined]
