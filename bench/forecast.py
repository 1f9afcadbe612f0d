"""Backtests of the forecast on generated histories with a known truth; writes the table of docs/forecast.md.

Run as `python -m bench.forecast`. Every history is seeded, so that the table changes only with the code.
"""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from bench import _heldout, _unseen
from bench._table import Table
from slotwise.forecast.saturation import forecast
from slotwise.forecast.series import Sample
from tests.forecast.histories import DAY, HOUR, history

PAGE = Path(__file__).parent.parent / "docs" / "forecast.md"
LIMIT = 97
BASE = 20
DAYS = 14
FIRST_HOUR = 30
"""A day's history and six hours: before that a forecast is provisional by its own word."""
MOST_FALSE_ALARMS = 1.0
MOST_HOURS = 12.0
MOST_ERROR = 0.2
PARTS_OF_THE_WAY = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85)

QUIET: dict[str, dict[str, Any]] = {
    "flat": {},
    "flat, noisy": {"scatter": 3.0},
    "daily season": {"daily": 40.0},
    "daily season, quiet weekend": {"daily": 40.0, "weekend": 0.2},
    "bursts": {"burst": 40.0, "daily": 15.0},
    "nightly batch": {"nightly": 25.0, "daily": 20.0},
    "step by deploy": {"step": 15.0, "step_at": 9.4 * DAY, "daily": 15.0},
    "three more databases": {"more": ((5.3 * DAY, 5.0), (8.4 * DAY, 5.0), (11.4 * DAY, 5.0)), "daily": 15.0},
    "two more databases, larger": {"more": ((5.3 * DAY, 8.0), (9.4 * DAY, 10.0)), "daily": 15.0},
    "restart saw-tooth": {"leak_per_hour": 0.5, "restart_every": DAY, "daily": 10.0},
    "gaps": {"gap_share": 0.4, "daily": 30.0},
}
SLOW: dict[str, dict[str, Any]] = {
    "leak of 1 an hour": {},
    "leak of 1 an hour, daily season": {"daily": 30.0},
    "leak of 1 an hour, season and bursts": {"daily": 20.0, "burst": 20.0, "weekend": 0.3},
}
FAST: dict[str, tuple[float, dict[str, Any]]] = {
    "leak of 1 an hour": (1.0, {}),
    "leak of 2 an hour": (2.0, {}),
    "leak of 6 an hour": (6.0, {}),
    "leak of 20 an hour": (20.0, {}),
    "leak of 40 an hour": (40.0, {}),
    "leak of 6 an hour, daily season": (6.0, {"daily": 30.0}),
    "leak of 20 an hour, bursts": (20.0, {"burst": 20.0}),
}
SEEDS = (1, 2, 3)


class Line(Struct, frozen=True):
    """One row of a table: what the histories are, how many, the figures, and whether they meet the goal."""

    name: str
    histories: int
    figures: tuple[str, ...]
    values: tuple[float, ...]
    met: bool


def main() -> Table:
    """Backtest, print the tables and write them to docs/forecast.md."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        quiet = pool.starmap(_alarms, [(name, seed) for name in QUIET for seed in SEEDS])
        slow = pool.starmap(_hours_until_found, [(name, seed) for name in SLOW for seed in SEEDS])
        fast = pool.starmap(_errors, [(name, seed) for name in FAST for seed in SEEDS])
        new = _unseen.run(pool)
        judged = _heldout.run(pool)
    tables = (
        _quiet_lines(dict(zip([(n, s) for n in QUIET for s in SEEDS], quiet, strict=True))),
        _slow_lines(dict(zip([(n, s) for n in SLOW for s in SEEDS], slow, strict=True))),
        _fast_lines(dict(zip([(n, s) for n in FAST for s in SEEDS], fast, strict=True))),
    )
    fresh = _unseen_lines(*new)
    _write("backtest", _text(*tables))
    _write("unseen", _text(*fresh))
    heldout = _unseen_lines(*judged)
    _write("heldout", _text(*heldout, days="10 to 28"))
    sets = (("tuned", tables), ("unseen", fresh), ("held out", heldout))
    told = [(kind, line) for kind, group in sets for table in group for line in table]
    shown = tuple((f"{kind}: {line.name}", ", ".join(line.figures), "yes" if line.met else "no") for kind, line in told)
    missed = not all(line.met for _, line in told)
    return Table("forecast, backtests (docs/forecast.md)", ("history", "figures", "goal met"), shown, missed)


def _write(block: str, text: str) -> None:
    print(text)
    found = re.compile(rf"(<!-- generated: {block} -->\n).*?(<!-- end -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(found.sub(lambda m: f"{m[1]}{text}{m[2]}", page), encoding="utf-8")


def _unseen_lines(
    quiet: list[_unseen.Found], slow: list[_unseen.Found], fast: list[_unseen.Found]
) -> tuple[list[Line], list[Line], list[Line]]:
    """The same three tables, of the histories that no threshold was tuned on, each with a line for all of them."""
    quiets = [(n, f) for n, f in _unseen.by_name(quiet).items()] + [("all", quiet)]
    slows = [(n, sorted(x.hours for x in f)) for n, f in _unseen.by_name(slow).items()]
    slows.append(("all", sorted(x.hours for x in slow)))
    fasts = [(n, f) for n, f in _unseen.by_name(fast).items()] + [("all", fast)]
    return (
        [
            Line(n, len(f), (f"{_unseen.per_month(f):.1f}",), (), _unseen.per_month(f) < MOST_FALSE_ALARMS)
            for n, f in quiets
        ],
        [Line(n, len(h), (_hours(median(h)), _hours(h[-1])), (), h[-1] <= MOST_HOURS) for n, h in slows],
        [
            Line(
                n,
                len(f),
                (f"{_unseen.median_error(f):.0%}", f"{_given(f):.0%}"),
                (),
                _unseen.median_error(f) < MOST_ERROR,
            )
            for n, f in fasts
        ],
    )


def _hours(hours: float) -> str:
    return "not in 48" if hours == float("inf") else f"{hours:.1f}"


def _given(found: list[_unseen.Found]) -> float:
    errors = [error for f in found for error in f.errors]
    return sum(error != 1.0 for error in errors) / len(errors)


def _alarms(name: str, seed: int) -> int:
    """How often a confirmed growth began to be reported in a quiet fortnight, looked at every hour."""
    samples = history(DAYS, seed=seed * 100 + len(name), every=300, base=BASE, **QUIET[name])
    begun, before = 0, False
    for hours in range(FIRST_HOUR, DAYS * 24 + 1):
        alarm = _confirmed([s for s in samples if s.at <= hours * HOUR]) is not None
        begun += alarm and not before
        before = alarm
    return begun


def _hours_until_found(name: str, seed: int) -> float:
    """Hours from the leak's first connection to a confirmed forecast; infinite where it takes more than two days."""
    start = 5 * DAY + seed * 7 * HOUR
    samples = history(7.5, seed=seed, every=300, base=BASE, leak_per_hour=1.0, leak_from=start, **SLOW[name])
    for half_hours in range(1, 97):
        now = start + half_hours * HOUR / 2
        if _confirmed([s for s in samples if s.at <= now]) is not None:
            return half_hours / 2
    return float("inf")


def _errors(name: str, seed: int) -> list[float]:
    """Relative errors of the time to the last slot, at some parts of the way; 1 where no forecast is given."""
    rate, extra = FAST[name]
    start = 3 * DAY + seed * 5 * HOUR
    plain = (LIMIT - BASE) / rate * HOUR
    every = 60.0 if rate >= 6 else 300.0
    samples = history(
        (start + plain) / DAY + 0.1, seed=seed, every=every, base=BASE, leak_per_hour=rate, leak_from=start, **extra
    )
    calm = history(
        (start + plain) / DAY + 0.1,
        seed=seed,
        every=every,
        base=BASE,
        leak_per_hour=rate,
        leak_from=start,
        scatter=0,
        **{k: v for k, v in extra.items() if k != "burst"},
    )
    end = next(s.at for s in calm if s.at > start and (s.used or 0) >= LIMIT)
    errors = []
    for part in PARTS_OF_THE_WAY:
        now = start + (end - start) * part
        eta = _confirmed([s for s in samples if s.at <= now])
        errors.append(1.0 if eta is None else abs(eta - (end - now)) / (end - now))
    return errors


def _confirmed(samples: list[Sample]) -> float | None:
    said = forecast(samples, LIMIT)
    return said.eta_seconds if said.trend == "growing" and said.certainty == "confirmed" else None


def _by_name(found: dict[tuple[str, int], Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for name, _ in found)
    return {name: [value for (of, _), value in found.items() if of == name] for name in names}


def _quiet_lines(found: dict[tuple[str, int], int]) -> list[Line]:
    lines = []
    for name, counts in _by_name(found).items():
        per_month = sum(counts) / (len(counts) * (DAYS - FIRST_HOUR / 24)) * 30
        lines.append(Line(name, len(counts), (f"{per_month:.1f}",), (per_month,), per_month < MOST_FALSE_ALARMS))
    whole = sum(line.values[0] for line in lines) / len(lines)
    return [*lines, Line("all", len(found), (f"{whole:.1f}",), (whole,), whole < MOST_FALSE_ALARMS)]


def _slow_lines(found: dict[tuple[str, int], float]) -> list[Line]:
    return [
        Line(name, len(h), (f"{median(h):.1f}", f"{max(h):.1f}"), (max(h),), max(h) <= MOST_HOURS)
        for name, h in _by_name(found).items()
    ]


def _fast_lines(found: dict[tuple[str, int], list[float]]) -> list[Line]:
    lines = []
    for name, lists in _by_name(found).items():
        errors = [error for errors in lists for error in errors]
        said = sum(1 for error in errors if error != 1.0) / len(errors)
        figures = (f"{median(errors):.0%}", f"{said:.0%}")
        lines.append(Line(name, len(lists), figures, (median(errors),), median(errors) < MOST_ERROR))
    return lines


def _text(quiet: list[Line], slow: list[Line], fast: list[Line], days: str = f"{DAYS}") -> str:
    def rows(lines: list[Line]) -> list[str]:
        return [
            f"| {line.name} | {line.histories} | {' | '.join(line.figures)} | {'yes' if line.met else '**no**'} |"
            for line in lines
        ]

    return "\n".join(
        [
            f"Quiet histories of {days} days, looked at every hour:",
            "",
            "| history | how many | false alarms in 30 days | under 1 |",
            "|---|---|---|---|",
            *rows(quiet),
            "",
            "Leaks of one connection an hour, after five quiet days or more:",
            "",
            "| history | how many | found after hours (median) | at most | within 12 h |",
            "|---|---|---|---|---|",
            *rows(slow),
            "",
            "Time to the last slot, from 35 % of the way on (no confirmed forecast counts as 100 % off):",
            "",
            "| history | how many | median error | forecast given | under 20 % |",
            "|---|---|---|---|---|",
            *rows(fast),
            "",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main().missed)
