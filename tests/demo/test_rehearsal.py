"""The demo from begin to end: the wall is real, doctor names the leak while the server is full, and not afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def test_the_incident_is_named_and_mended() -> None:
    with tempfile.TemporaryDirectory(prefix="sw-", dir="/tmp") as temporary:
        Path(temporary).chmod(0o755)
        demo = subprocess.run(
            [sys.executable, "-m", "slotwise", "demo"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "TMPDIR": temporary},
        )
        assert list(Path(temporary).iterdir()) == []
    assert demo.returncode == 0, demo.stderr
    assert re.findall(r"^\[(\d)/7\]", demo.stderr, re.MULTILINE) == list("1234567")
    assert "FATAL:  remaining connection slots are reserved" in demo.stderr
    assert "\033" not in demo.stderr + demo.stdout
    full, _, mended = demo.stdout.partition("exit 1")
    leaking = re.search(r"leaking-process · http_worker (\d+)", full)
    assert leaking is not None
    assert "slots-saturated" in full
    assert f"$ kill {leaking.group(1)}\n" in demo.stderr
    assert "100 of 100 exports succeed" in demo.stderr
    assert "leaking-process" not in mended and "slots-saturated" not in mended
