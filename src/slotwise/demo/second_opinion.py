"""Runs this installation's own ``slotwise doctor`` as a user would, and once more to read its verdict by program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec


class Opinion(msgspec.Struct, frozen=True):
    """What doctor concluded: its exit code, the slugs of its findings, and the processes that it wants replaced."""

    exit_code: int
    findings: frozenset[str]
    processes_to_replace: tuple[int, ...]


def ask_doctor(options: Sequence[str]) -> Opinion:
    """Let doctor print its report to this program's output, and return its opinion."""
    sys.stdout.flush()
    subprocess.run(_doctor(options), check=False)
    # What it says on standard error has just been said.
    done = subprocess.run(_doctor([*options, "--format", "json"]), capture_output=True, check=False)
    verdicts = json.loads(done.stdout)["verdicts"] if done.stdout else []
    found: list[dict[str, Any]] = [one for one in verdicts if one["state"] == "found"]
    changes = [change for one in found for finding in one["findings"] for change in _changes(finding)]
    return Opinion(
        exit_code=done.returncode,
        findings=frozenset(one["slug"] for one in found),
        processes_to_replace=tuple(
            dict.fromkeys(one["pid"] for one in changes if one["change"] == "restart-process" and one["pid"])
        ),
    )


def _doctor(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "slotwise", "doctor", *options]


def _changes(finding: dict[str, Any]) -> list[dict[str, Any]]:
    return list((finding["fix"] or {}).get("changes", ()))
