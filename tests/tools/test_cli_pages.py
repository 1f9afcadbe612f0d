from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"


def test_the_page_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, TOOLS / "cli_pages.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_its_section() -> None:
    from slotwise.cli.app import root

    page = (TOOLS.parent / "docs" / "cli.md").read_text()
    import click

    for name in root.list_commands(click.Context(root)):
        assert f"## slotwise {name}\n" in page
