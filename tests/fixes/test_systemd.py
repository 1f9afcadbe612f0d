"""Drop-ins that change what a service is started with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.findings import SetOdooOption
from slotwise.fixes.odoo_conf import odoo_remedies
from slotwise.fixes.remedy import WriteFile
from slotwise.fixes.requested import Requested
from slotwise.fixes.systemd import OdooUnit, changed_start, commands_of, is_drop_in, path_of, with_option
from slotwise.snapshot.odoo import Odoo, OdooInstance, OdooOption

UNIT = """\
[Unit]
Description=Odoo
# ExecStart=/not/this
[Service]
Type=simple
ExecStart=/usr/bin/odoo --config /etc/odoo/odoo.conf \\
    --db_port 5432 --workers=4 \\
    # a comment in between
    --logfile /var/log/odoo.log
[Install]
ExecStart=/nor/this
"""
COMMAND = "/usr/bin/odoo --config /etc/odoo/odoo.conf --db_port 5432 --workers=4 --logfile /var/log/odoo.log"
FLAGS = {
    "db_port": ("--db_port",),
    "db_host": ("--db_host",),
    "workers": ("--workers",),
    "db_maxconn": ("--db_maxconn",),
    "db_name": ("-d", "--database"),
}


def unit(**changed: object) -> OdooUnit:
    return OdooUnit(**{"name": "odoo.service", "command": COMMAND, "flags": FLAGS, **changed})  # type: ignore[arg-type]


def test_the_command_of_a_unit_and_its_drop_ins() -> None:
    first = commands_of(UNIT)
    assert first == (COMMAND,)
    assert commands_of("[Service]\nEnvironment=A=b\n", first) == first
    assert commands_of("[Service]\nExecStart=\nExecStart=/opt/odoo -c x\n", first) == ("/opt/odoo -c x",)
    assert commands_of("[Service]\nExecStart=/opt/second\n", first) == (COMMAND, "/opt/second")
    assert commands_of("[Unit]\nExecStart=\n", first) == first


@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("odoo --db_port 5432 -c x", "odoo --db_port 6432 -c x"),
        ("odoo --db_port=5432", "odoo --db_port=6432"),
        ('odoo --db_port="5432" -c x', "odoo --db_port=6432 -c x"),
        ("odoo --db_port   5432", "odoo --db_port   6432"),
        ("odoo -c x", None),
        ("odoo --db_port 1 --db_port 2", None),
        ("odoo --db_por 5432", None),
        ("sh -c 'odoo --db_port 5432'", None),
        ("odoo --db_port", None),
    ],
)
def test_an_option_on_a_command_line(command: str, after: str | None) -> None:
    assert with_option(command, FLAGS["db_port"], "6432") == after


def test_an_option_is_taken_away() -> None:
    assert with_option("odoo --db_maxconn 64 -c x", FLAGS["db_maxconn"], None) == "odoo -c x"
    assert with_option("odoo -c x --db_maxconn=64", FLAGS["db_maxconn"], None) == "odoo -c x"


def test_a_short_flag_or_a_value_that_needs_quotes_is_left_to_a_person() -> None:
    assert with_option("odoo -d prod", FLAGS["db_name"], "other") is None
    assert with_option("odoo --database prod -dother", FLAGS["db_name"], "x") is None
    assert with_option("odoo --db_host a", FLAGS["db_host"], "my host; rm") is None


@given(st.integers(1, 65535), st.integers(0, 64))
def test_every_other_word_stays(port: int, workers: int) -> None:
    after = changed_start(unit(), {"db_port": str(port), "workers": str(workers)})
    assert after is not None
    (command,) = commands_of(after.decode(), (COMMAND,))
    assert command == COMMAND.replace("5432", str(port)).replace("--workers=4", f"--workers={workers}")
    again = changed_start(unit(command=command, drop_in=after), {"db_port": str(port), "workers": str(workers)})
    assert again == after


def test_what_cannot_be_changed() -> None:
    assert changed_start(unit(command=None), {"db_port": "1"}) is None
    assert changed_start(unit(overruled=True), {"db_port": "1"}) is None
    assert changed_start(unit(), {"db_port": "1", "db_maxconn": "8"}) is None


def odoo(source: str) -> Odoo:
    option = OdooOption("db_port", 5432, source)
    return Odoo((OdooInstance("odoo", "18.0", "release.py", "/etc/odoo/odoo.conf", (option,)),))


REQUEST = (Requested(SetOdooOption("odoo", "db_port", "6432"), "because", None, "plan"),)
FILES: dict[str, bytes | None] = {"/etc/odoo/odoo.conf": b"[options]\ndb_port = 5432\n"}


def test_the_command_line_wins_over_the_file_and_is_changed_where_it_stands() -> None:
    source = "command line of pid 7"
    (remedy,), notes = odoo_remedies(REQUEST, odoo(source), FILES, {"odoo": unit()})
    (step,) = remedy.steps
    assert isinstance(step, WriteFile) and step.path == path_of("odoo.service") and step.before is None
    assert step.after is not None and b"ExecStart=\nExecStart=/usr/bin/odoo" in step.after and b"6432" in step.after
    assert "systemctl daemon-reload" in remedy.commands and notes == ()
    # A second time, before the restart: nothing to write, and it says what is missing.
    done = unit(command=COMMAND.replace("5432", "6432"), drop_in=step.after)
    again, notes = odoo_remedies(REQUEST, odoo(source), FILES, {"odoo": done})
    assert again == () and notes == ("the drop-in of odoo.service holds the new options already: restart it",)


@pytest.mark.parametrize("source", ["command line of pid 7", "ODOO_DB_PORT in the environment of pid 7"])
def test_what_wins_over_the_file_is_told_where_no_unit_is(source: str) -> None:
    remedies, (note,) = odoo_remedies(REQUEST, odoo(source), FILES, {})
    assert remedies == () and source in note and "set db_port = 6432 where Odoo is started" in note


@pytest.mark.parametrize(
    "source", ["/etc/odoo/odoo.conf:2", "default of 18.0", "PGPORT in the environment of pid 7 (libpq)"]
)
def test_the_file_decides_where_nothing_wins_over_it(source: str) -> None:
    (remedy,), notes = odoo_remedies(REQUEST, odoo(source), FILES, {"odoo": unit()})
    (step,) = remedy.steps
    assert isinstance(step, WriteFile) and step.path == "/etc/odoo/odoo.conf" and notes == ()


def test_what_is_a_drop_in() -> None:
    assert is_drop_in(WriteFile(path_of("odoo.service"), None, b"x"))
    assert not is_drop_in(WriteFile("/etc/odoo/odoo.conf", None, b"x"))
