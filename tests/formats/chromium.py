"""A headless Chromium for pages that are files: what it measures, shows and prints. No driver, no network."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browse(page: Path, *options: str) -> str:
    """Runs the browser on ``page`` in a profile beside it and returns its standard output."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found is not None, "no Chromium: run `make setup`"
    command = [
        found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def measured(page: Path, expression: str, width: int, *options: str) -> object:
    """The value of a JavaScript expression in ``page`` shown ``width`` CSS pixels wide.

    The page forbids scripts, so it is measured in a frame of another page, which Chromium allows files on request.
    """
    framing = page.with_name(f"frame-{width}.html")
    framing.write_text(
        f"""<!doctype html><meta charset=utf-8><body style="margin:0">
<iframe id=f style="border:0;width:{width}px;height:900px" src="{page.name}"></iframe><pre id=out></pre><script>
f.onload=()=>{{const w=f.contentWindow,d=f.contentDocument;out.textContent='<<'+JSON.stringify({expression})+'>>'}}
</script>""",
        encoding="utf-8",
    )
    shown = browse(framing, "--allow-file-access-from-files", "--dump-dom", "--virtual-time-budget=3000", *options)
    found = re.search(r"&lt;&lt;(.*)&gt;&gt;", shown, re.DOTALL)
    assert found is not None, shown[-500:]
    return json.loads(html.unescape(found.group(1)))
