from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from slotwise.cli.app import run
from slotwise.cli.logs_command import command
from slotwise.commands.logs import exit_code_of, story_of
from slotwise.errors import ExitCode

LINES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "walls" / "labelled_lines.jsonl").read_text(encoding="utf-8").splitlines()
]
FULL = "2026-11-23 17:08:02.994 UTC [577] odoo@prod FATAL:  sorry, too many clients already\n"
QUIET = "2026-11-23 17:08:01.000 UTC [1] LOG:  checkpoint starting: time\n"


def document(*arguments: str, stdin: bytes | None = None) -> dict[str, object]:
    result = CliRunner().invoke(command, [*arguments, "--format", "json"], input=stdin, standalone_mode=False)
    assert result.exception is None, result.output
    made: dict[str, object] = json.loads(result.stdout)
    return made


@pytest.mark.parametrize("row", LINES, ids=lambda row: f"{row['wall']}: {row['text'][-40:]!r}")
def test_a_file_with_one_labelled_record_names_its_wall_once(row: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(row["text"] + "\n", encoding="utf-8")
    made = document(str(log))
    assert made["schema"] == "slotwise.logs/1"
    assert made["walls"] == {row["wall"]: 1}
    events = made["events"]
    assert isinstance(events, list)
    assert [event["line"] for event in events] == [1]


@pytest.mark.parametrize("pack", ["plain", "gzip", "xz", "zstd"])
def test_packed_logs_are_read_like_plain_ones(pack: str, tmp_path: Path) -> None:
    raw = (QUIET * 50 + FULL).encode()
    packed = {
        "plain": lambda: raw,
        "gzip": lambda: gzip.compress(raw),
        "xz": lambda: lzma.compress(raw),
        "zstd": lambda: zstandard.ZstdCompressor().compress(raw),
    }[pack]()
    log = tmp_path / "server.log.1"
    log.write_bytes(packed)
    story = story_of([str(log)])
    assert story.tally.walls == {"pg_max_connections": 1}
    assert story.tally.events[0].line == 51
    assert exit_code_of(story) == ExitCode.FINDINGS


def test_a_packed_log_that_ends_early_is_read_as_far_as_it_goes_and_said(tmp_path: Path) -> None:
    log = tmp_path / "server.log.gz"
    noise = "".join(f"2026-11-23 17:08:01.{n % 1000:03d} UTC [{n}] LOG:  line {n * 7919}\n" for n in range(60_000))
    log.write_bytes(gzip.compress((FULL + noise).encode())[:-5000])
    story = story_of([str(log)])
    assert story.tally.walls == {"pg_max_connections": 1}
    assert any("ends early" in reason for reason in story.tally.unread.reasons)


def test_a_directory_is_read_with_its_rotated_files(tmp_path: Path) -> None:
    (tmp_path / "postgresql.log").write_text(FULL)
    (tmp_path / "postgresql.log.1").write_text(FULL)
    (tmp_path / "odoo.log.2.gz").write_bytes(gzip.compress(FULL.encode()))
    (tmp_path / "picture.png").write_bytes(b"FATAL:  sorry, too many clients already")
    assert story_of([str(tmp_path)]).tally.walls == {"pg_max_connections": 3}


def test_standard_input_is_read(tmp_path: Path) -> None:
    made = document("-", stdin=(QUIET + FULL).encode())
    assert made["walls"] == {"pg_max_connections": 1}


def test_a_quiet_log_is_healthy_and_an_empty_one_is_unknown(tmp_path: Path) -> None:
    quiet, empty = tmp_path / "quiet.log", tmp_path / "empty.log"
    quiet.write_text(QUIET)
    empty.write_text("")
    assert run(["logs", str(quiet)]) == ExitCode.HEALTHY
    assert run(["logs", str(empty)]) == ExitCode.UNKNOWN


def test_a_log_that_is_not_there_is_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", str(tmp_path / "none.log")]) == ExitCode.USAGE
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert "none.log" in error[0]


def test_passwords_do_not_come_out(tmp_path: Path) -> None:
    log = tmp_path / "odoo.log"
    log.write_text(
        "2026-11-23 17:08:02,944 12 INFO prod odoo.sql_db: ConnectionPool(used=1/count=1/max=64): Free leaked "
        "connection to 'user=odoo password=hunter2 dbname=prod' \n"
    )
    made = document(str(log))
    assert made["classes"] == {"leak_recovered": 1}
    assert "hunter2" not in json.dumps(made)


def test_parts_read_side_by_side_give_what_one_pass_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slotwise.collectors import log_files

    log = tmp_path / "odoo.log"
    traceback = (
        "2026-11-23 17:08:02,944 12 ERROR prod odoo.http: Exception during request handling. \n"
        "Traceback (most recent call last):\n"
        '  File "/opt/odoo/odoo/sql_db.py", line 700, in borrow\n'
        "    raise PoolError('The Connection Pool Is Full')\n"
        "psycopg2.pool.PoolError: The Connection Pool Is Full\n"
    )
    quiet = "2026-11-23 17:08:02,944 12 INFO prod werkzeug: GET / 200 \n"
    log.write_text((quiet * 3 + traceback + quiet * 2 + traceback * 2) * 300)
    whole = story_of([str(log)], processes=1).tally
    monkeypatch.setattr(log_files, "PART_BYTES", 7_919)
    cut = story_of([str(log)], processes=1).tally
    assert cut.walls == whole.walls == {"odoo_pool": 900}
    assert cut.lines == whole.lines
    assert [event.line for event in cut.events] == [event.line for event in whole.events]


@pytest.mark.parametrize("rotation", ["renamed", "truncated"])
def test_a_log_that_is_rotated_while_it_is_read_is_said(
    rotation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slotwise.collectors import log_files

    log = tmp_path / "server.log"
    log.write_text((QUIET * 20 + FULL) * 40)
    monkeypatch.setattr(log_files, "PART_BYTES", 9_973)

    def rotate(progress: log_files.Progress) -> None:
        if rotation == "renamed" and not (tmp_path / "server.log.1").exists():
            log.rename(tmp_path / "server.log.1")
            log.write_text(QUIET)
        elif rotation == "truncated" and log.stat().st_size:
            log.write_text("")

    tally = story_of([str(log)], processes=1, on_progress=rotate).tally
    assert 0 < tally.walls["pg_max_connections"] < 40
    words = "rotated while" if rotation == "renamed" else "cut short while"
    assert any(words in reason for reason in tally.unread.reasons)
    assert tally.unread.bytes > 0


INCIDENT = (
    "2026-11-23 17:00:00,000 12 INFO ? odoo: Odoo version 18.0-20261101 \n"
    "2026-11-23 17:05:00,000 12 WARNING prod odoo.sql_db: Cursor not closed explicitly\nPlease enable sql debugging. \n"
    + "".join(
        f"2026-11-23 17:08:{second:02d},000 12 WARNING prod odoo.http: Database or registry unusable, trying without\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/odoo/odoo/sql_db.py", line 763, in db_connect\n'
        "    <script>alert(1)</script>\n"
        "psycopg2.OperationalError: FATAL:  sorry, too many clients already\n"
        for second in range(10, 40, 3)
    )
)


@pytest.fixture
def incident_log(tmp_path: Path) -> str:
    log = tmp_path / "odoo.log"
    log.write_text(INCIDENT)
    return str(log)


def test_the_json_contract(incident_log: str) -> None:
    made = document(incident_log)
    assert made["schema"] == "slotwise.logs/1"
    assert made["exit_code"] == ExitCode.FINDINGS
    assert made["unread"] == {"bytes": 0, "records": 0, "reasons": {}}
    (incident,) = made["incidents"]  # type: ignore[misc]
    assert (incident["start"], incident["end"]) == ("2026-11-23T17:08:10.000Z", "2026-11-23T17:08:37.000Z")
    assert incident["wall"] == "pg_max_connections"
    assert incident["refused"] == 10
    assert incident["cause"]["slug"] == "leak"
    assert incident["cause"]["rule"] == "leaking-process"
    assert "db_maxconn" in incident["cause"]["avoid"]
    assert incident["first_victim"]["process"] == "http_worker"
    assert [event["class"] for event in incident["before"]] == ["odoo_start", "leak_warning"]
    events = made["events"]
    assert isinstance(events, list)
    assert {"time", "layer", "wall", "database", "pid", "file", "line", "text"} <= events[-1].keys()


def test_the_text_says_what_happened_and_what_not_to_do(incident_log: str) -> None:
    result = CliRunner().invoke(command, [incident_log], standalone_mode=False)
    text = result.stdout
    assert "from    2026-11-23 17:08:10 to 2026-11-23 17:08:37 (27 s)" in text
    assert "refused 10 connections: prod 10" in text
    assert "cause   a process takes connections and does not give them back (likely)" in text
    assert "avoid   do not raise max_connections or db_maxconn" in text
    assert "users were logged out" in text
    assert text.splitlines()[-1].startswith("1 incident(s), 10 lines about a limit on connections")


def test_the_page_is_complete_offline_and_escapes_what_logs_say(incident_log: str) -> None:
    result = CliRunner().invoke(command, [incident_log, "--format", "html"], standalone_mode=False)
    page = result.stdout
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<title>pg_max_connections: 1</title>") == 10
    assert "prefers-color-scheme:dark" in page


def test_causes_name_only_rules_of_the_catalogue_in_the_output(incident_log: str) -> None:
    from slotwise.commands.logs import rule_ids

    made = document(incident_log)
    (incident,) = made["incidents"]  # type: ignore[misc]
    assert incident["cause"]["rule_id"] == rule_ids().get("leaking-process")


def test_following_tells_each_refusal_as_it_comes(tmp_path: Path) -> None:
    from slotwise.commands.logs import follow_logs

    log = tmp_path / "server.log"
    log.touch()
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            return False
        if asked == 2:
            with log.open("a") as file:
                file.write(QUIET + FULL)
        return asked > 100

    lines = []
    for line in follow_logs([str(log)], "text", stopped=stopped):
        lines.append(line)
        asked = 100
    assert lines == [
        "2026-11-23 17:08:02 PostgreSQL: every slot taken (max_connections): odoo@prod sorry, too many clients already "
        "(server.log:2)"
    ]


def test_without_a_file_the_usual_places_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slotwise.collectors import log_places

    places = tmp_path / "var/log/postgresql"
    places.mkdir(parents=True)
    (places / "postgresql.log").write_text(FULL)
    usual = log_places.log_places
    monkeypatch.setattr(log_places, "log_places", lambda _root: usual(tmp_path))
    assert document()["walls"] == {"pg_max_connections": 1}
    (places / "postgresql.log").unlink()
    assert run(["logs"]) == ExitCode.USAGE
