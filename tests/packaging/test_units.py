"""The systemd units: systemd itself reads them, what they start exists, and they may do little."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from slotwise.cli.app import root

UNITS = sorted((Path(__file__).parents[2] / "packaging/systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSURE = {"slotwise-record.service": 30, "slotwise-serve.service": 30, "slotwise-reap.service": 50}
"""Tenths of what `systemd-analyze security` counts: 10 is no protection at all. reap runs as root."""


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_it_without_a_word(unit: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # a container without systemd: what every unit must have is looked for by hand
        assert re.search(r"^\[Unit\]$", unit.read_text(), re.MULTILINE)
        return
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_it_may_do_little(unit: Path) -> None:
    said = settings(unit)
    assert said["NoNewPrivileges"] == ["yes"] and said["ProtectSystem"] == ["strict"]
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        limit = f"--threshold={MOST_EXPOSURE[unit.name]}"
        command = [analyze, "security", "--offline=yes", "--no-pager", limit, str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_it_starts_a_command_with_options_that_exist(unit: Path) -> None:
    (start,) = settings(unit)["ExecStart"]
    program, slotwise, name, *arguments = shlex.split(start.replace("$", "x"))
    assert (program, slotwise) == ("/usr/bin/env", "slotwise")
    command = root.get_command(click.Context(root), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {a for a in arguments if a.startswith("--")} <= known
