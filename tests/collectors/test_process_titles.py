from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.process_titles import Title, backend_of_title, parse_title
from slotwise.snapshot.postgres import CLIENT_BACKEND


@pytest.mark.parametrize(
    ("text", "user", "database", "host", "port", "state"),
    [
        ("postgres: odoo prod 127.0.0.1(41926) idle", "odoo", "prod", "127.0.0.1", 41926, "idle"),
        ("postgres: odoo prod [local] idle in transaction", "odoo", "prod", None, -1, "idle in transaction"),
        ("postgres: 15/main: odoo prod 10.0.0.7(5) SELECT", "odoo", "prod", "10.0.0.7", 5, "SELECT"),
        (
            "postgres: odoo prod ::1(50000) idle in transaction (aborted)",
            "odoo",
            "prod",
            "::1",
            50000,
            "idle in transaction (aborted)",
        ),
        ("postgres: odoo prod fe80::1%eth0(9) CREATE TABLE", "odoo", "prod", "fe80::1%eth0", 9, "CREATE TABLE"),
        ("postgres: odoo prod erp.example.org(9) COMMIT", "odoo", "prod", "erp.example.org", 9, "COMMIT"),
        ("postgres: odoo prod 127.0.0.1(1) ", "odoo", "prod", "127.0.0.1", 1, None),
        ("postgres: odoo prod 127.0.0.1(1) authentication", "odoo", "prod", "127.0.0.1", 1, "authentication"),
        ("postgres: odoo prod 127.0.0.1(1) <FASTPATH>", "odoo", "prod", "127.0.0.1", 1, "<FASTPATH>"),
        ("postgres: web app prod 127.0.0.1(1) idle", "web app", "prod", "127.0.0.1", 1, "idle"),
    ],
)
def test_a_session_is_read_from_the_right(
    text: str, user: str, database: str, host: str | None, port: int, state: str | None
) -> None:
    assert parse_title(text) == Title(CLIENT_BACKEND, user, database, host, port, state)


def test_known_databases_tell_where_the_user_ends() -> None:
    title = parse_title("postgres: web app my shop 127.0.0.1(1) idle", databases=frozenset({"my shop"}))
    assert title is not None and (title.user, title.database) == ("web app", "my shop")


def test_a_cluster_name_may_look_like_anything() -> None:
    title = parse_title("postgres: erp: east 1(2) idle: odoo prod [local] idle", "erp: east 1(2) idle")
    assert title is not None and (title.user, title.database, title.port) == ("odoo", "prod", -1)


@pytest.mark.parametrize(("text", "waits"), [("UPDATE waiting", True), ("COMMIT waiting for 0/3000148", False)])
def test_waiting_for_a_lock_is_not_waiting_for_a_standby(text: str, waits: bool) -> None:
    title = parse_title(f"postgres: odoo prod [local] {text}")
    assert title is not None and title.waits_for_lock is waits and title.state == text.split()[0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("postgres: checkpointer ", "checkpointer"),
        ("postgres: 15/main: autovacuum worker prod", "autovacuum worker"),
        ("postgres: parallel worker for PID 7", "parallel worker"),
        ("postgres: io worker 0", "io worker"),
        ("postgres: 15/main: logical replication launcher", "logical replication worker"),
        ("postgres: walsender repl 10.0.0.9(4) streaming 0/3000148", "walsender"),
        ("postgres: something new", None),
    ],
)
def test_background_processes_hold_no_slot(text: str, kind: str | None) -> None:
    title = parse_title(text)
    assert title is not None and title.backend_type == kind
    assert backend_of_title(1, title) is None


@pytest.mark.parametrize("text", ["", "  ", "/usr/lib/postgresql/15/bin/postgres -D /data", "sshd: root"])
def test_what_is_no_title(text: str) -> None:
    assert parse_title(text) is None


@pytest.mark.parametrize(
    ("shown", "state"),
    [("SELECT", "active"), ("notify interrupt", "active"), ("<FASTPATH>", "fastpath function call"), ("idle", "idle")],
)
def test_a_command_means_that_a_statement_runs(shown: str, state: str) -> None:
    title = parse_title(f"postgres: odoo prod [local] {shown}")
    assert title is not None
    backend = backend_of_title(7, title, 5.0)
    assert backend is not None and (backend.state, backend.backend_start, backend.seen_in) == (
        state,
        5.0,
        "process title",
    )


_NAME = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)


@given(_NAME, _NAME, st.integers(1, 65535), st.sampled_from(["idle", "SELECT", "idle in transaction", "startup"]))
def test_names_without_spaces_survive(user: str, database: str, port: int, state: str) -> None:
    if ": " in f"{user} {database}" or user == "walsender":
        return
    title = parse_title(f"postgres: {user} {database} 127.0.0.1({port}) {state}", cluster_name="x")
    assert title is not None
    assert (title.user, title.database, title.port, title.state) == (user, database, port, state)


@given(st.text(max_size=80), st.text(max_size=8) | st.none())
def test_any_text_is_read_or_left_alone(text: str, cluster_name: str | None) -> None:
    for full in (text, f"postgres: {text}", f"postgres: a b [local] {text}"):
        title = parse_title(full, cluster_name, frozenset({"b", text}))
        if title is not None:
            backend_of_title(1, title)
