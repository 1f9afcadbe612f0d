"""reap from the command line: mistakes, a saved snapshot, and a loop that ends in order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.snapshot.json_form import to_json
from tests.build import FIRST_HTTP, backend, host

SLOTWISE = [sys.executable, "-m", "slotwise", "reap"]
POLICY = ["--idle-in-transaction", "600"]


def ran(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SLOTWISE, *words], capture_output=True, timeout=60, check=False)


@pytest.fixture
def saved(tmp_path: Path) -> str:
    row = backend(1, state="idle in transaction", idle_for=900, query="SELECT 1")
    (tmp_path / "saved.json").write_bytes(to_json(host([(FIRST_HTTP, row)])))
    return str(tmp_path / "saved.json")


def test_a_saved_system_is_judged(saved: str) -> None:
    done = ran(*POLICY, "--snapshot", saved, "--format", "json")
    assert done.returncode == 1
    assert [one["pid"] for one in json.loads(done.stdout)["condemned"]] == [1]
    assert ran("--idle", "600", "--snapshot", saved).returncode == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], b"names no state"),
        (["--idle", "0.1"], b"0.1"),
        ([*POLICY, "--apply", "--snapshot", "x.json"], b"no system to act on"),
    ],
)
def test_a_mistake_is_two_lines(words: list[str], problem: bytes) -> None:
    done = ran(*words)
    assert done.returncode == 2 and problem in done.stderr
    assert len(done.stderr.splitlines()) == 2 and done.stdout == b""


def test_the_loop_ends_in_order(pg15: PostgresServer, tmp_path: Path) -> None:
    words = [*POLICY, "--dsn", pg15.dsn(), "--apply", "--audit", str(tmp_path / "reap.jsonl"), "--every", "1"]
    loop = subprocess.Popen([*SLOTWISE, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert loop.stdout is not None
        rounds = [loop.stdout.readline() for _ in range(2)]
        assert all(b"sessions looked at" in line for line in rounds)
        loop.send_signal(signal.SIGTERM)
        assert loop.wait(20) == 0
    finally:
        loop.kill()
        loop.wait()
        loop.stdout.close()
