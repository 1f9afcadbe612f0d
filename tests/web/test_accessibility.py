"""axe-core on the live page as a browser has built it, and what a keyboard reaches on it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from msgspec import structs

from slotwise.collectors.saved_snapshot import read_snapshot
from slotwise.demo.postgres_server import free_port
from slotwise.history.recorder import Observation
from slotwise.history.sample import round_of
from slotwise.history.store import Store
from slotwise.rules.engine import catalogue, judge
from slotwise.web.app import application
from slotwise.web.board import Board
from tests.formats.chromium import browse_url, violations
from tests.servers import until

ROOT = Path(__file__).parents[2]
LIGHT, DARK = "--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"


@contextmanager
def page_of(recording: str, directory: Path) -> Iterator[str]:
    """The live page over a recorded host."""
    snapshot = structs.replace(read_snapshot(str(ROOT / "tests/evidence" / recording)), taken_at=time.time())
    verdicts = judge(snapshot, catalogue())
    board = Board(Store(directory / "h.db"), 3600.0)
    for seconds in (-120, -60, 0):
        round_ = round_of(structs.replace(snapshot, taken_at=snapshot.taken_at + seconds), verdicts)
        board.store.append(round_)
    board.show(Observation(snapshot, round_, verdicts))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(application(board, None), port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(20)
        board.store.close()


def test_the_live_page_is_readable_by_keyboard_and_screen_reader(tmp_path: Path) -> None:
    with page_of("18-leaking-addon.json", tmp_path) as url:
        built = browse_url(url, tmp_path / "profile", "--dump-dom", "--virtual-time-budget=5000")
    assert "SW203" in built and "http_worker" in built, built[:2000]
    styles = "".join((ROOT / f"src/slotwise/web/static/{name}").read_text() for name in ("uplot.css", "page.css"))
    text = re.sub(r"<script.*?</script>|<link[^>]*>", "", built, flags=re.DOTALL)
    page = tmp_path / "built.html"
    page.write_text(text.replace("</head>", f"<style>{styles}</style></head>"), encoding="utf-8")
    for mode in (LIGHT, DARK):
        assert violations(page, mode) == []
    # What can be used or scrolls is in the order of the tab key, and nothing jumps ahead of it.
    reached = re.findall(r'<(?:a|select|button|input)\b[^>]*>|<[^>]*tabindex="0"[^>]*>', text)
    assert any('class="skip"' in tag for tag in reached[:1])
    assert any("<select" in tag for tag in reached) and any("table of holders" in tag for tag in reached)
    assert not re.search(r'tabindex="[1-9]', text)
