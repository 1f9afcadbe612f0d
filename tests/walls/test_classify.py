from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.walls.classify import classify, wall_of_connect_error
from slotwise.walls.kinds import Role, Wall
from slotwise.walls.translated import _texts

LINES = [
    json.loads(line)
    for line in (Path(__file__).parent / "labelled_lines.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", LINES, ids=lambda row: f"{row['wall']}: {row['text'][-40:]!r}")
def test_labelled_lines_keep_their_wall(row: dict[str, str]) -> None:
    seen = classify(row["text"])
    assert seen is not None
    assert seen.wall.value == row["wall"]


def test_every_translation_is_read_alone_and_behind_any_severity() -> None:
    wrong = []
    for row in _texts():
        text = _example(row.kind, row.language)
        for prefix in ("", "FATAL:  ", "2026-11-23 17:08:02.944 UTC [575] odoo@prod ВАЖНО:  "):
            for example in text:
                seen = classify(prefix + example)
                if seen is None or (seen.kind != row.kind and row.kind != "pg_child_died"):
                    wrong.append((row.kind, row.language, prefix + example, seen))
    assert wrong == []


def _example(kind: str, language: str) -> list[str]:
    path = Path(__file__).parents[2] / "src/slotwise/walls/translations.json"
    texts: list[str] = json.loads(path.read_text(encoding="utf-8"))[kind][language]
    return [text.replace("%s", "odoo") for text in texts]


@pytest.mark.parametrize(
    ("text", "wall", "kind", "name"),
    [
        ('FATAL:  too many connections for role "odoo"', Wall.PG_ROLE_LIMIT, "pg_role_limit", "odoo"),
        ("désolé, trop de clients sont déjà connectés", Wall.PG_MAX_CONNECTIONS, "pg_slots_hard", None),
        ("trop de connexions pour le rôle « odoo »", Wall.PG_ROLE_LIMIT, "pg_role_limit", "odoo"),
        ("客户端连接过多", Wall.PG_MAX_CONNECTIONS, "pg_slots_hard", None),
        (
            "FATAL:  server login has been failing, cached error: FATAL: sorry, too many clients already "
            "(server_login_retry)",
            Wall.PG_MAX_CONNECTIONS,
            "pg_slots_hard",
            None,
        ),
        (
            "server login has been failing, cached error: connect failed (server_login_retry)",
            Wall.PGB_SERVER_LOGIN,
            "pgb_login_failing",
            "connect failed",
        ),
        (
            "WARNING server login failed: FATAL the database system is starting up",
            Wall.OTHER,
            "pg_starting",
            None,
        ),
        (
            "LOG kernel file descriptor limit: 1024 (hard: 1024); max_client_conn: 5000, max expected fd use: 5212",
            Wall.FD_LIMIT,
            "pgb_fd_plan",
            "5212",
        ),
        ("server process (PID 41) was terminated by signal 9: Killed", Wall.MEMORY, "pg_killed", None),
        ("server process (PID 41) was terminated by signal 11: Segmentation fault", Wall.OTHER, "pg_crash", "11"),
        ("Serverprozess (PID 41) wurde von Signal 9 beendet: Killed", Wall.MEMORY, "pg_killed", "Serverprozess"),
        ("Failed to acquire cursor after 10 retries", Wall.ODOO_POOL, "gevent_retries", None),
        ("ConnectionPool(used=8/count=8/max=8) Create", Wall.ODOO_POOL, "odoo_pool_at_limit", "8"),
    ],
)
def test_exact_kinds(text: str, wall: Wall, kind: str, name: str | None) -> None:
    seen = classify(text)
    assert seen is not None
    assert (seen.wall, seen.kind, seen.name) == (wall, kind, name)


@pytest.mark.parametrize(
    "text",
    [
        "LOG kernel file descriptor limit: 65536 (hard: 65536); max_client_conn: 100, max expected fd use: 172",
        "ConnectionPool(used=1/count=16/max=16) Create new connection backend PID 4242",
        "connection received: host=192.0.2.9 port=5000",
        "Modules loaded.",
        "",
    ],
)
def test_ordinary_lines_name_nothing(text: str) -> None:
    assert classify(text) is None


def test_the_function_that_refused_tells_the_child_table_from_the_slots() -> None:
    text = "sorry, too many clients already"
    for routine in ("ProcessStartupPacket", "BackendInitialize"):
        seen = classify(text, routine=routine, sqlstate="53300")
        assert seen is not None
        assert seen.wall is Wall.PG_PROCESS_TABLE
    seen = classify(text, routine="InitProcess", sqlstate="53300")
    assert seen is not None
    assert seen.wall is Wall.PG_MAX_CONNECTIONS


def test_the_function_that_refused_works_in_a_language_that_is_not_known() -> None:
    seen = classify("tro multaj konektoj", routine="InitPostgres", sqlstate="53300")
    assert seen is not None
    assert (seen.wall, seen.language) == (Wall.PG_RESERVED, "?")


def test_the_first_fatal_of_a_block_wins() -> None:
    block = (
        'connection to server at "10.0.0.1" failed: Connection refused\n'
        'connection to server at "10.0.0.2" failed: FATAL:  too many connections for role "odoo"\n'
        'connection to server at "10.0.0.3" failed: FATAL:  sorry, too many clients already\n'
    )
    seen = wall_of_connect_error(block)
    assert seen is not None
    assert seen.wall is Wall.PG_ROLE_LIMIT


def test_an_unknown_connect_error_is_not_guessed() -> None:
    assert wall_of_connect_error("the moon is in the wrong phase") is None


def test_a_refusal_by_the_pool_is_never_a_refusal_by_the_server() -> None:
    pool, server = (
        classify("psycopg2.pool.PoolError: The Connection Pool Is Full"),
        classify("sorry, too many clients already"),
    )
    assert pool is not None
    assert server is not None
    assert {pool.wall, server.wall} == {Wall.ODOO_POOL, Wall.PG_MAX_CONNECTIONS}
    assert pool.role is Role.REFUSAL


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    seen = classify(text)
    assert seen is None or 0 <= seen.start <= len(text)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=60), st.text(max_size=60))
def test_words_around_a_wall_do_not_hide_it(before: str, after: str) -> None:
    seen = classify(f"{before}\nFATAL:  sorry, too many clients already\n{after}")
    assert seen is not None
    assert seen.role is Role.REFUSAL
