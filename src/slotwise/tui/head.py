"""The lines above the table: slots with their reserve and the 80 % line, the recent past, what is coming, the worst
finding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from slotwise.capacity.slots import SATURATED_RATIO, Slots
from slotwise.commands.watch import Watched
from slotwise.findings import Severity
from slotwise.forecast.saturation import Forecast
from slotwise.formats.growth_text import grows
from slotwise.formats.terminal import duration, printable
from slotwise.tui.listing import said_words

HIGH_RATIO = 0.8
_BLOCKS = "▁▂▃▄▅▆▇█"
_COLOURS = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def title(watched: Watched | None, note: str, width: int) -> Text:
    """Which system, and when it was looked at."""
    if watched is None:
        return Text("slotwise watch"[:width], style="bold", no_wrap=True)
    where = watched.server or "PostgreSQL did not answer"
    text = f"slotwise · {watched.host} · {where} · {clock(watched.taken_at)}"
    if watched.replayed is not None:
        return Text(printable(f"{watched.host} · {watched.replayed}")[:width], style="bold", no_wrap=True)
    return Text(printable(f"{text} · {note}" if note else text)[:width], style="bold", no_wrap=True)


def clock(at: float) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def slots_line(watched: Watched, width: int) -> Text:
    """The bar and its words; a gap is said and no bar is drawn."""
    taken = watched.slots
    if taken is None:
        return Text(printable(f"slots are not known: {watched.gap}")[:width], style="bold red", no_wrap=True)
    used = str(taken.used) if taken.used is not None else f"at least {taken.used_at_least}"
    ratio = taken.utilization_ratio
    percent = f" ({ratio:.0%})" if ratio is not None else ""
    words = f" {used} of {taken.usable}{percent}, {taken.reserved} reserved"
    style = "bold red" if ratio is not None and ratio >= SATURATED_RATIO else "yellow" if over(taken) else "green"
    return Text.assemble((bar(taken, max(10, width - len(words))), style), (words, "bold"), no_wrap=True)


def over(taken: Slots) -> bool:
    """Whether the 80 % line is crossed, as far as is certain."""
    return taken.usable > 0 and taken.used_at_least >= HIGH_RATIO * taken.usable


def bar(taken: Slots, width: int) -> str:
    """``█`` taken, ``·`` free, ``▒`` reserved, ``│`` 80 % of the usable ones. As wide as ``width``."""
    most = max(taken.max_connections, taken.used_at_least, 1)
    filled = min(width, math.ceil(width * taken.used_at_least / most))
    kept = min(width - filled, math.ceil(width * taken.reserved / most))
    cells = ["█"] * filled + ["·"] * (width - filled - kept) + ["▒"] * kept
    line = int(width * HIGH_RATIO * max(0, taken.usable) / most)
    if line < width and taken.usable > 0:
        cells[line] = "┃" if line < filled else "│"
    return "".join(cells)


def sparkline(points: Sequence[tuple[float, float | None]], limit: float, width: int) -> str:
    """The latest counts against ``limit``, newest at the right; a blank is a moment when nobody could look."""
    shown = points[-width:]
    top = max([limit, 1.0, *(used for _, used in shown if used is not None)])
    marks = (" " if used is None else _BLOCKS[min(7, int(used / top * 8))] for _, used in shown)
    return "".join(marks)


def past_line(watched: Watched, width: int) -> Text:
    """The sparkline and the forecast in words."""
    words = f" {coming_words(watched)}"
    limit = float(watched.slots.usable) if watched.slots else 1.0
    room = width - len(words)
    line = sparkline(watched.drawn, limit, room) if room >= 8 else ""
    return Text(line + words[: width - len(line)], no_wrap=True)


def coming_words(watched: Watched) -> str:
    """The fastest leak where there is one, because it says who; else the forecast of all together, which is nothing
    to speak of where no slot is left."""
    if watched.leaking:
        more = f" (+{len(watched.leaking) - 1} more)" if len(watched.leaking) > 1 else ""
        return grows(watched.leaking[0], watched.taken_at) + more
    if watched.slots is not None and watched.slots.used_at_least >= watched.slots.usable:
        return "the last slot is gone"
    return forecast_words(watched.forecast, watched.taken_at)


def forecast_words(said: Forecast | None, now: float) -> str:
    """When the last slot goes, or why nobody can say."""
    if said is None:
        return "no forecast yet"
    if said.trend != "growing" or said.eta_seconds is None or said.slope_per_hour is None:
        return f"forecast: {said.trend}, {said.reason}"
    when = datetime.fromtimestamp(now + said.eta_seconds)
    day = "" if said.eta_seconds < 12 * 3600 else when.strftime("%a ")
    sure = "" if said.certainty == "confirmed" else ", provisional"
    return f"+{said.slope_per_hour:.1f}/h: last slot at {day}{when:%H:%M} (in {duration(said.eta_seconds)}{sure})"


def states_line(watched: Watched, width: int) -> Text:
    """How many sessions are in which state, most first."""
    counts: dict[str, int] = {}
    for session in watched.sessions:
        counts[session.state] = counts.get(session.state, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    waiting = sum(1 for s in watched.sessions if s.waits_for)
    words = " · ".join(f"{count} {state}" for state, count in ordered)
    if waiting:
        words += f" · {waiting} blocked"
    if not watched.locks_known and watched.sessions:
        words += " · blockers not known"
    return Text(printable(words)[:width], no_wrap=True)


def finding_line(watched: Watched, width: int) -> Text:
    """The worst finding, or what else keeps this look from being the whole truth."""
    if watched.findings:
        worst = watched.findings[0]
        more = f" (+{len(watched.findings) - 1} more, key 4)" if len(watched.findings) > 1 else ""
        text = printable(said_words(worst))
        room = max(10, width - len(more))
        text = text if len(text) <= room else text[: room - 1] + "…"
        return Text(text + more, style=_COLOURS[Severity(worst.severity)], no_wrap=True)
    if watched.judged_at is None:
        return Text("findings: nothing was judged yet", no_wrap=True)
    unknown = f"; {len(watched.unknown)} rules could not judge" if watched.unknown else ""
    return Text(f"no finding{unknown}"[:width], style="green" if not unknown else "", no_wrap=True)
