from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.pg_failures import REMEDIES, failure_of, read_again

PREFIX = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "wall", "kind"),
    [
        ("FATAL:  sorry, too many clients already", "pg_max_connections", "pg_slots_hard"),
        ("FATAL:  désolé, trop de clients sont déjà connectés", "pg_max_connections", "pg_slots_hard"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "pg_reserved",
            "pg_slots_reserved_superuser",
        ),
        ('FATAL:  too many connections for role "odoo"', "pg_role_limit", "pg_role_limit"),
        ('FATAL:  too many connections for database "prod"', "pg_db_limit", "pg_database_limit"),
        ("FATAL:  no more connections allowed (max_client_conn)", "pgb_max_client_conn", "pgb_max_client_conn"),
        ('FATAL:  password authentication failed for user "odoo"', None, "authentication"),
        ('FATAL:  database "nix" does not exist', None, "database_missing"),
        ("FATAL:  the database system is starting up", None, "pg_starting"),
        ("Connection refused\n\tIs the server running on that host?", None, "connection_refused"),
        ("something that nobody has seen", None, "other"),
    ],
)
def test_the_reason_is_named_and_only_a_limit_is_a_wall(text: str, wall: str | None, kind: str) -> None:
    failure = failure_of(PREFIX + text)
    assert (failure.wall, failure.kind) == (wall, kind)
    assert failure.remedy and failure.text in (PREFIX + text)


def test_the_line_that_says_most_is_quoted() -> None:
    assert failure_of(PREFIX + "FATAL:  role is gone\nHINT: x").text == "FATAL:  role is gone"
    assert "Connection refused" in failure_of(PREFIX + "Connection refused\n\tIs the server running?").text


def test_the_routine_tells_a_full_process_table_from_full_slots() -> None:
    text = "FATAL:  sorry, too many clients already"
    assert failure_of(text, routine="InitProcess", sqlstate="53300").wall == "pg_max_connections"
    assert failure_of(text, routine="BackendInitialize", sqlstate="53300").wall == "pg_process_table"


def test_a_text_that_could_not_be_looked_at_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("slotwise.walls.classify.wall_of_connect_error", unreadable)
        met = failure_of(PREFIX + "FATAL:  désolé, trop de clients sont déjà connectés")
    assert met.wall is None
    again = read_again(met)
    assert again is not None and again.wall == "pg_max_connections"
    assert read_again(again) is again and read_again(None) is None


def test_the_process_that_connects_has_the_words_of_failures_before_it_takes_another_identity() -> None:
    code = (
        "import sys; from slotwise.collectors.pg_session import prepare; prepare();"
        "sys.exit('slotwise.walls.classify' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_wall_that_postgresql_has_gets_a_remedy_of_its_own() -> None:
    walls = [k for k in REMEDIES if k.startswith(("pg_slots", "pg_role", "pg_database", "pg_process"))]
    assert len(walls) == 7


@given(st.text())
def test_no_text_breaks_it_and_no_password_comes_through(text: str) -> None:
    secret = "hunter2hunter2"
    assert secret not in failure_of(f"{text} postgresql://odoo:{secret}@host/db failed").text
