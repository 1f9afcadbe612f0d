from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slotwise.cli.app import run
from slotwise.collectors.runner import Request, collect
from slotwise.commands.snapshot import save_snapshot, write_private
from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.snapshot.json_form import from_json
from slotwise.snapshot.postgres import Activity


def test_the_file_is_whole_private_and_reads_back(pg15: PostgresServer, tmp_path: Path) -> None:
    destination = tmp_path / "s.json"
    request = Request(dsn=pg15.dsn() + " password=unneeded-Secret", timeout_seconds=20)
    snapshot = save_snapshot(lambda: collect(request)[0], str(destination))
    assert from_json(destination.read_bytes(), "s.json") == snapshot
    assert isinstance(snapshot.activity, Activity)
    assert destination.stat().st_mode & 0o777 == 0o600
    assert b"unneeded" not in destination.read_bytes() and "unneeded" not in repr(request)
    assert list(tmp_path.iterdir()) == [destination]


def test_a_dash_is_standard_output(pg15: PostgresServer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["snapshot", "-o", "-", "--dsn", pg15.dsn(), "--timeout", "20"]) == 0
    assert isinstance(from_json(capfdbinary.readouterr().out, "stdout").activity, Activity)


def test_an_existing_file_stays_what_it_was_until_the_new_one_is_whole(tmp_path: Path) -> None:
    destination = tmp_path / "s.json"
    destination.write_text("old")
    destination.chmod(0o644)
    write_private(destination, b"new")
    assert destination.read_text() == "new" and destination.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["missing/s.json", "."])
def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError):
        save_snapshot(lambda: pytest.fail("it looked first"), str(tmp_path / name))


def slotwise(arguments: str, stdout: str) -> subprocess.CompletedProcess[str]:
    command = f"ulimit -f 4; exec {sys.executable} -m slotwise snapshot {arguments} > {stdout}"
    return subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)


def test_a_full_disk_is_two_lines_and_leaves_nothing(pg15: PostgresServer, tmp_path: Path) -> None:
    # The limit on the size of files (4 blocks of 512 bytes) stands for a disk without room.
    done = slotwise(f"-o {tmp_path / 's.json'} --timeout 20 --dsn '{pg15.dsn()}'", "/dev/null")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()[-2:]] == ["error", "  do"]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_behind_standard_output_is_two_lines(pg15: PostgresServer) -> None:
    done = slotwise(f"-o - --timeout 20 --dsn '{pg15.dsn()}'", "/dev/full")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2] == "error: cannot write to standard output: No space left on device"
    assert "Traceback" not in done.stderr
