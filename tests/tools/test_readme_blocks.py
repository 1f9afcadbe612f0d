from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_what_the_program_prints() -> None:
    tool = ROOT / "tools" / "readme_blocks.py"
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"<!-- generated: doctor -->\n```text\n\$ slotwise doctor\n", (ROOT / "README.md").read_text())
