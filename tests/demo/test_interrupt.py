"""^C at any moment of the demo leaves no process and no file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import alive, until


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A TMPDIR that the server's user may enter and whose name is short enough for a Unix-domain socket."""
    path = Path(tempfile.mkdtemp(prefix="sw-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def processes_under(directory: Path) -> list[int]:
    """Processes that name the directory on their command line: servers, stand-ins and the janitor."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(directory).encode() in line and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def start_demo(temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "slotwise", "demo"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )


def read_to_step(demo: subprocess.Popen[str], step: int) -> None:
    assert demo.stderr is not None
    for line in demo.stderr:
        if f"[{step}/" in line:
            return
    raise AssertionError(f"the demo ended with {demo.wait()} before step {step}")


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6, 7])
def test_control_c_in_step(temporary: Path, step: int) -> None:
    demo = start_demo(temporary)
    read_to_step(demo, step)
    # A terminal sends it to the whole process group.
    os.killpg(demo.pid, signal.SIGINT)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Traceback" not in said
    assert list(temporary.iterdir()) == []
    assert processes_under(temporary) == []


def test_a_second_control_c_changes_nothing(temporary: Path) -> None:
    demo = start_demo(temporary)
    read_to_step(demo, 4)
    for _ in range(2):
        os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode in (130, -signal.SIGINT)
    until(lambda: not list(temporary.iterdir()) and not processes_under(temporary))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_killed(temporary: Path, end: signal.Signals) -> None:
    demo = start_demo(temporary)
    read_to_step(demo, 4)
    demo.send_signal(end)
    demo.communicate(timeout=60)
    until(lambda: not list(temporary.iterdir()) and not processes_under(temporary))
