"""What one refresh of `slotwise watch` costs with 10,000 sessions. Run as `python -m bench.watch`."""

from __future__ import annotations

import asyncio
import statistics
import time

import msgspec

from bench._table import Table
from slotwise.commands.watch import Watched
from slotwise.tui.app import PAGES, Looked, WatchApp
from tests.tui.watched import Looks, incident, watched

SESSIONS = 10_000
ROUNDS = 15
TARGET_MS = 100.0


def main() -> Table:
    """Measure each page and print; missed where a refresh takes 100 ms or more."""
    seen = watched(incident(SESSIONS))
    wire = msgspec.msgpack.encode(seen)
    found = asyncio.run(_pages(seen, wire))
    print(f"refresh with {SESSIONS} sessions (decode, group, sort, draw): median and worst of {ROUNDS}, ms")
    for page, milliseconds in found.items():
        print(f"  {page:<13} {statistics.median(milliseconds):6.1f} {max(milliseconds):6.1f}")
    rows = tuple((page, f"{statistics.median(ms):.0f} ms", f"{max(ms):.0f} ms") for page, ms in found.items())
    missed = any(statistics.median(ms) >= TARGET_MS for ms in found.values())
    return Table(f"watch, a refresh with {SESSIONS:,} sessions", ("page", "median", "worst"), rows, missed)


async def _pages(seen: Watched, wire: bytes) -> dict[str, list[float]]:
    decoder = msgspec.msgpack.Decoder(Watched)
    app = WatchApp(Looks("not looked at"), interval_seconds=3600)
    found: dict[str, list[float]] = {}
    async with app.run_test(size=(120, 40)) as pilot:
        app.watched = seen
        for page in PAGES:
            app.open_page(page)
            await pilot.pause()
            found[page] = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                app.on_looked(Looked(decoder.decode(wire), ""))
                app.screen._compositor.render_strips()
                found[page].append((time.perf_counter() - began) * 1000)
                await pilot.pause()
    return found


if __name__ == "__main__":
    raise SystemExit(main().missed)
