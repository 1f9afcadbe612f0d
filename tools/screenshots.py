"""Makes the pictures of README.md: a real PostgreSQL, a stand-in of Odoo whose addon leaks, and what slotwise shows.

Run as ``.venv/bin/python tools/screenshots.py``; it takes about two minutes and writes docs/images.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slotwise.commands.watch import Watched

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MAX_CONNECTIONS = 45
LEAKS = 50
LARGEST_BYTES = 150_000
sys.path.insert(0, str(ROOT))


def main() -> int:
    """Rehearse, and take the pictures while the server is nearly full."""
    from slotwise.demo.postgres_server import PostgresServers, free_port
    from slotwise.standin.flows import RequestOptions
    from slotwise.standin.host import StandinHost
    from slotwise.standin.settings import StandinSettings
    from tests.servers import binaries_for, create_odoo

    IMAGES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = stack.enter_context(PostgresServers())
        server = stack.enter_context(servers.start(binaries_for(15), {"max_connections": str(MAX_CONNECTIONS)}))
        create_odoo(server, ("prod",))
        home, history = scratch / "odoo", scratch / "history.db"
        home.mkdir()
        settings = StandinSettings(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
        host = stack.enter_context(StandinHost(settings, home))
        port = free_port()
        dsn = server.dsn()
        command = [
            *(sys.executable, "-m", "slotwise", "serve", "--dsn", dsn, "--config", str(host.conf_file)),
            *("--listen", f"127.0.0.1:{port}", "--interval", "1", "--history", str(history)),
        ]
        process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(process.send_signal, signal.SIGTERM)
        _await(f"http://127.0.0.1:{port}/metrics")
        for turn in range(LEAKS):
            host.serve(2, "prod", options=RequestOptions(writes=True))
            if turn >= LEAKS // 4:
                host.leak("prod", cursors=1, worker=turn % 2)
            time.sleep(1.5)
        time.sleep(2)
        page = f"http://127.0.0.1:{port}/"
        _picture(scratch, "live-light.png", page, (1000, 1000), dark=False)
        _picture(scratch, "live-dark.png", page, (1000, 1000), dark=True)
        asyncio.run(_screen(dsn, str(host.conf_file), history))
        out = scratch / "report.html"
        _run([sys.executable, "-m", "slotwise", "report", "--history", str(history), "-o", str(out),
              "--title", "The morning the addon leaked"])  # fmt: skip
        _picture(scratch, "report.png", out.as_uri(), (1000, 1150), dark=False)
    large = [p.name for p in IMAGES.iterdir() if p.stat().st_size > LARGEST_BYTES]
    for picture in sorted(IMAGES.iterdir()):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size:,} bytes")
    return 1 if large else 0


def _picture(scratch: Path, name: str, address: str, size: tuple[int, int], *, dark: bool) -> None:
    browser = next(path for one in BROWSERS if (path := shutil.which(one)))
    _run([
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={scratch / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=6000", "--run-all-compositor-stages-before-draw",
        f"--window-size={size[0]},{size[1]}", f"--screenshot={IMAGES / name}", address,
    ])  # fmt: skip


class Look:
    """A feed of one look, with the counts before it."""

    live = True

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def look(self) -> Watched:
        """The look."""
        return self._watched

    def saved(self) -> bytes:
        """Nothing is saved."""
        return b""

    def close(self) -> None:
        """Nothing runs."""


async def _screen(dsn: str, config: str, history: Path) -> None:
    """The terminal screen as SVG, without the web fonts that Textual asks for."""
    from slotwise.collectors.runner import Request
    from slotwise.commands.watch import Watcher
    from slotwise.history.reading import Reader
    from slotwise.history.sample import series_of
    from slotwise.history.sampler import Sampler
    from slotwise.tui.app import WatchApp

    with Sampler(Request(dsn=dsn, configs=(config,), timeout_seconds=10.0), 5.0) as sampler:
        sampler.look()
        snapshot = sampler.look()
    reader = Reader(history)
    past = series_of(reader.rounds(0, snapshot.taken_at))
    reader.close()
    app = WatchApp(Look(Watcher(lambda: snapshot, time.monotonic, past).look()), interval_seconds=3600)
    async with app.run_test(size=(110, 18)) as pilot:
        for _ in range(100):
            await pilot.pause(0.05)
            if app.watched is not None:
                break
        await pilot.press("b")
        await pilot.pause(0.3)
        svg = app.export_screenshot(title="slotwise watch")
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    (IMAGES / "watch.svg").write_text(svg, encoding="utf-8")


def _await(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if b"slotwise_up 1.0" in answer.read():
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
