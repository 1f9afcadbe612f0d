"""What one refresh of `slotwise watch` costs with 10,000 sessions. Run as `python -m bench.watch`."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time

import msgspec

from bench._table import Table
from slotwise.commands.watch import Watched
from slotwise.tui.app import PAGES, Looked, WatchApp, freeze_what_lasts
from tests.tui.watched import Looks, incident, watched

SESSIONS = 10_000
ROUNDS = 300
TARGET_MS = 100.0


def main() -> Table:
    """Measure each page and print; missed where any refresh takes 100 ms or more."""
    seen = watched(incident(SESSIONS))
    wire = msgspec.msgpack.encode(seen)
    threshold = gc.get_threshold()
    freeze_what_lasts()
    try:
        found = asyncio.run(_pages(seen, wire))
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
    print(f"refresh with {SESSIONS} sessions (decode, group, sort, draw): median, p99, worst of {ROUNDS}, ms")
    rows: list[tuple[str, ...]] = []
    for page, taken in found.items():
        figures = (statistics.median(taken), statistics.quantiles(taken, n=100)[98], max(taken))
        print(f"  {page:<13}" + "".join(f"{figure:7.1f}" for figure in figures))
        rows.append((page, *(f"{figure:.0f} ms" for figure in figures)))
    missed = any(max(taken) >= TARGET_MS for taken in found.values())
    title = f"watch, {ROUNDS} refreshes of each page with {SESSIONS:,} sessions"
    return Table(title, ("page", "median", "p99", "worst"), tuple(rows), missed)


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
