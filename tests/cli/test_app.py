"""The command line's frame: exit codes and the shape of an operator's error."""

import subprocess
import sys

from slotwise import __version__


def slotwise(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "slotwise", *arguments], capture_output=True, text=True, timeout=60)


def test_version_is_answered_on_stdout() -> None:
    done = slotwise("--version")
    assert (done.returncode, done.stdout) == (0, f"slotwise {__version__}\n")


def test_unknown_command_is_two_lines_and_exit_2() -> None:
    done = slotwise("dokter")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 2
    assert "dokter" in done.stderr


def test_no_arguments_shows_help_and_exit_2() -> None:
    done = slotwise()
    assert done.returncode == 2
    assert "Usage: slotwise" in done.stderr
