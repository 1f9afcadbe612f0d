"""What one refresh of `slotwise watch` costs with 10,000 sessions. Run as `python -m bench.watch`."""

from __future__ import annotations

import asyncio
import statistics
import time

import msgspec

from slotwise.commands.watch import Watched
from slotwise.tui.app import PAGES, Looked, WatchApp
from tests.tui.watched import Looks, incident, watched

SESSIONS = 10_000
ROUNDS = 15
TARGET_MS = 100.0


def main() -> int:
    """Measure each page, print a table, and return 1 where a refresh takes 100 ms or more."""
    seen = watched(incident(SESSIONS))
    wire = msgspec.msgpack.encode(seen)
    found = asyncio.run(_pages(seen, wire))
    print(f"refresh with {SESSIONS} sessions (decode, group, sort, draw): median and worst of {ROUNDS}, ms")
    for page, milliseconds in found.items():
        print(f"  {page:<13} {statistics.median(milliseconds):6.1f} {max(milliseconds):6.1f}")
    return 0 if all(statistics.median(ms) < TARGET_MS for ms in found.values()) else 1


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
    raise SystemExit(main())
