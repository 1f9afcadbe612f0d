from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.pg_settings import in_unit, settings_of_rows
from slotwise.snapshot.postgres import Setting

Row = dict[str, object]


def row(name: str = "max_connections", setting: str = "100", **changes: object) -> Row:
    found: Row = {
        "name": name,
        "setting": setting,
        "reset_val": setting,
        "unit": None,
        "source": "configuration file",
        "context": "postmaster",
        "sourcefile": "/etc/postgresql.conf",
        "boot_val": "100",
        "pending_restart": False,
    }
    return {**found, **changes}


def written(name: str, setting: str | None, seqno: int = 1) -> Row:
    return {"name": name, "setting": setting, "sourcefile": "/d/postgresql.auto.conf", "seqno": seqno, "error": None}


def one(settings_row: Row, *files: Row, files_read: bool = True) -> Setting:
    return settings_of_rows([settings_row], list(files) if files_read else None).settings[0]


def test_the_value_at_next_start_is_what_the_last_line_of_the_files_says() -> None:
    found = one(row(pending_restart=True), written("max_connections", "200"), written("max_connections", "300", 2))
    assert (found.value, found.next_start, found.pending_restart) == ("100", "300", True)


def test_a_file_that_was_edited_but_not_reloaded_is_seen_too() -> None:
    assert one(row(), written("max_connections", "250")).next_start == "250"


def test_a_value_from_the_command_line_stays_at_the_next_start() -> None:
    found = one(row(source="command line", pending_restart=True, sourcefile=None), written("max_connections", "500"))
    assert (found.next_start, found.pending_restart) == ("100", True)


def test_a_line_taken_out_of_the_files_brings_back_the_default() -> None:
    assert one(row(setting="300", reset_val="300", pending_restart=True)).next_start == "100"


def test_without_the_right_to_read_the_files_the_next_value_is_not_known() -> None:
    assert one(row(pending_restart=True), files_read=False).next_start is None


def test_the_unit_of_the_file_is_turned_into_the_unit_of_the_setting() -> None:
    shared = row("shared_buffers", "16384", unit="8kB", pending_restart=True)
    assert one(shared, written("shared_buffers", "1GB")).next_start == "131072"


def test_what_the_session_may_change_is_read_as_it_was_before_the_session_changed_it() -> None:
    keepalive = row("tcp_keepalives_idle", "0", reset_val="60", context="user", unit="s")
    assert one(keepalive).value == "60"


def test_a_value_for_slotwises_own_role_does_not_hide_the_servers() -> None:
    own = row("statement_timeout", "5", reset_val="1020000", source="user", context="user", unit="ms", boot_val="0")
    assert one(own).value == "0"
    assert one(own, written("statement_timeout", "2min")).value == "120000"
    told = one(own, files_read=False)
    assert (told.value, told.source) == ("1020000", "user")


def test_settings_that_do_not_matter_are_left_out_unless_they_wait_for_a_restart() -> None:
    quiet, waiting = row("wal_log_hints", "off"), row("bonjour", "off", pending_restart=True)
    assert [s.name for s in settings_of_rows([quiet, waiting], None).settings] == ["bonjour"]


def test_units() -> None:
    cases = [
        ("256MB", "8kB", "32768"),
        ("1GB", "kB", "1048576"),
        ("128MB", "MB", "128"),
        ("4096", "kB", "4096"),
        ("1min", "ms", "60000"),
        ("1.5h", "s", "5400"),
        ("500us", "ms", "0"),
        ("10 s", "ms", "10000"),
        ("on", None, "on"),
        ("-1", "ms", "-1"),
        ("10parsec", "ms", None),
        ("MB", "kB", None),
        ("1MB", "ms", None),
        (None, "kB", None),
    ]
    assert [(text, unit, in_unit(text, unit)) for text, unit, _ in cases] == cases


@given(st.integers(0, 10**9), st.sampled_from(["B", "kB", "MB", "GB", "TB"]))
def test_a_size_in_its_own_unit_stays_the_same(number: int, unit: str) -> None:
    assert in_unit(f"{number}{unit}", unit) == str(number)


@given(st.text(max_size=20), st.sampled_from([None, "8kB", "kB", "ms", "s", "min", "16MB", "?"]))
def test_no_text_breaks_it(text: str, unit: str | None) -> None:
    in_unit(text, unit)
