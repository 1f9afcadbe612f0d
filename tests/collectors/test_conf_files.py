from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.conf_files import ConfFiles, Reading, parse_conf_line, read_conf_files
from slotwise.collectors.control_data import parse_control_data
from slotwise.collectors.server_settings import ServerFiles, conf_paths, settings_without_connection
from slotwise.snapshot.postgres import Settings


def read(files: dict[str, str], main: str = "/etc/pg/postgresql.conf", auto: str = "/data/auto.conf") -> ConfFiles:
    directories = {posixpath.dirname(f) for f in files}

    def names(directory: str) -> list[str] | None:
        inside = [posixpath.basename(f) for f in files if posixpath.dirname(f) == directory.rstrip("/")]
        return inside if directory.rstrip("/") in directories else None

    return read_conf_files(main, auto, Reading(files.get, names))


def settings_of(text: str, *, control: dict[str, str] | None = None, major: int = 15, **given: str) -> Settings:
    conf = read({"/etc/pg/postgresql.conf": text})
    return settings_without_connection(ServerFiles(major, control or {}, conf, given))


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("max_connections = 100", ("max_connections", "100")),
        ("max_connections 100   # comment", ("max_connections", "100")),
        ("MAX_Connections=100", ("max_connections", "100")),
        ("cluster_name = 'it''s \\'east\\' \\101'", ("cluster_name", "it's 'east' A")),
        ("work_mem='4 MB'#x", ("work_mem", "4 MB")),
        ("include_dir 'conf.d'", ("include_dir", "conf.d")),
        ("pg_stat_statements.max = 5", ("pg_stat_statements.max", "5")),
        ("search_path = ''", ("search_path", "")),
        ("# max_connections = 5", None),
        ("", None),
        ("max_connections =", None),
        ("= 5", None),
        ("a = b c", None),
    ],
)
def test_a_line(line: str, pair: tuple[str, str] | None) -> None:
    assert parse_conf_line(line) == pair


def test_includes_are_followed_and_the_last_line_wins() -> None:
    found = read(
        {
            "/etc/pg/postgresql.conf": "max_connections = 1\ninclude more.conf\ninclude_dir = conf.d\nport = 5433\n",
            "/etc/pg/more.conf": "max_connections = 2\nwork_mem = 1MB\ninclude_if_exists 'none.conf'\n",
            "/etc/pg/conf.d/20.conf": "max_connections = 4\n",
            "/etc/pg/conf.d/10.conf": "max_connections = 3\n",
            "/etc/pg/conf.d/.hidden.conf": "max_connections = 99\n",
            "/etc/pg/conf.d/readme": "max_connections = 98\n",
            "/data/auto.conf": "work_mem = '9MB'\n",
        }
    )
    assert {n: (v.value, v.place) for n, v in found.values.items()} == {
        "max_connections": ("4", "/etc/pg/conf.d/20.conf:1"),
        "port": ("5433", "/etc/pg/postgresql.conf:4"),
        "work_mem": ("9MB", "/data/auto.conf:1"),
    }
    assert found.unread == ()


def test_a_circle_of_includes_ends() -> None:
    found = read({"/etc/pg/postgresql.conf": "port = 1\ninclude 'postgresql.conf'\n"})
    assert found.values["port"].value == "1" and found.unread


def test_what_cannot_be_read_leaves_defaults_unknown() -> None:
    found = settings_of("include 'secret.conf'\nmax_connections = 40\n")
    assert found.integer("max_connections") == 40
    assert found.find("superuser_reserved_connections") is None


def test_values_are_shown_as_pg_settings_shows_them() -> None:
    text = (
        "shared_buffers = 1GB\nwork_mem = 8MB\nidle_in_transaction_session_timeout = 5min\nupdate_process_title = off\n"
    )
    found = settings_of(text)
    assert (found.integer("shared_buffers"), found.need("shared_buffers").unit) == (131072, "8kB")
    assert (found.integer("work_mem"), found.integer("idle_in_transaction_session_timeout")) == (8192, 300000)
    assert found.need("update_process_title").value == "off"
    assert (found.integer("superuser_reserved_connections"), found.integer("server_version_num")) == (3, 150000)
    assert found.find("reserved_connections") is None
    assert settings_of("", major=16).integer("reserved_connections") == 0


def test_the_running_value_and_the_next_one() -> None:
    limit = settings_of("max_connections = 200\n", control={"max_connections": "100"}).need("max_connections")
    assert (limit.value, limit.next_start, limit.pending_restart) == ("100", "200", True)
    limit = settings_of("max_connections = 100\n", control={"max_connections": "100"}).need("max_connections")
    assert (limit.next_start, limit.pending_restart, limit.source) == (None, False, "configuration file")


def test_the_command_line_wins_over_files_at_the_next_start_too() -> None:
    limit = settings_of("max_connections = 200\n", control={"max_connections": "50"}, max_connections="50")
    setting = limit.need("max_connections")
    assert (setting.value, setting.source, setting.next_start, setting.pending_restart) == (
        "50",
        "command line",
        None,
        False,
    )


def test_a_value_that_may_not_run_yet_says_so() -> None:
    conf = read({"/etc/pg/postgresql.conf": "superuser_reserved_connections = 5\nwork_mem = 1MB\n"})
    files = ServerFiles(15, {}, conf, {}, frozenset({"/etc/pg/postgresql.conf"}))
    found = settings_without_connection(files)
    assert "changed after the server started" in found.need("superuser_reserved_connections").read_from
    assert "changed" not in found.need("work_mem").read_from


def test_control_data() -> None:
    text = "pg_control version number:  1300\nmax_connections setting:              33\nwal_level setting: replica\n"
    assert parse_control_data(text) == {"max_connections": "33", "wal_level": "replica"}


def test_debian_keeps_the_main_file_elsewhere() -> None:
    given = {"config_file": "/etc/postgresql/15/main/postgresql.conf"}
    assert conf_paths("/var/lib/pg", given) == (given["config_file"], "/var/lib/pg/postgresql.auto.conf")
    assert conf_paths("/var/lib/pg", {})[0] == "/var/lib/pg/postgresql.conf"


@given(st.text(max_size=120))
def test_any_file_is_read(text: str) -> None:
    settings_of(text)
    parse_control_data(text)
    for line in text.splitlines():
        parse_conf_line(line)
