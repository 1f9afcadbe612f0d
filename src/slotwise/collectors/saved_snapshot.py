"""Reads a saved system: a snapshot that slotwise wrote, or a recording of a host's raw views."""

from __future__ import annotations

import sys
from pathlib import Path

from slotwise.errors import OperatorError
from slotwise.snapshot.json_form import from_json
from slotwise.snapshot.model import Snapshot

LARGEST_BYTES = 512 * 1024 * 1024
"""A snapshot of 10,000 sessions is about 10 MB; a file beyond this is something else."""

_RECORDING_KEYS = (b'"pg_stat_activity"', b'"proc_net_tcp"')


def read_snapshot(path: str) -> Snapshot:
    """The snapshot in the file called ``path`` (``-`` reads standard input). Raises OperatorError when it is none."""
    content = _content(path)
    if b'"slotwise.snapshot/' not in content[:200] and any(key in content for key in _RECORDING_KEYS):
        from slotwise.collectors.recording import snapshot_of_recording

        return snapshot_of_recording(content, path)
    return from_json(content, path)


def _content(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(LARGEST_BYTES)
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OperatorError(f"cannot read {path}: {reason}", "check the path and its permissions") from error
    if len(content) > LARGEST_BYTES:
        raise OperatorError(f"{path} is larger than {LARGEST_BYTES // 1024**2} MB", "give a slotwise snapshot")
    return content
