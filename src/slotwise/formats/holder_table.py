"""The table of who holds the slots: one line a process, equal processes of one role on one line."""

from __future__ import annotations

from collections import Counter, defaultdict

from slotwise.formats.terminal import Ink, columns, shortened
from slotwise.rules.diagnosis import LISTENING, SCHEDULED_ACTION, Holder
from slotwise.snapshot.evidence import Unavailable

_MOST_LINES = 14
_ORDER = ("http_worker", "cron_worker", "gevent", "threaded", "queue_job", "shell", "cli", "master", "unknown")
_STATES = {
    "idle in transaction (aborted)": "idle in transaction (aborted)",
    "idle in transaction": "idle in transaction",
    SCHEDULED_ACTION: "scheduled action",
    "active": "active",
    LISTENING: "listening",
    "idle": "idle",
}
"""What asks for attention stands first, in few words: the column is narrow."""

_WORDS = {"orphan": "gone client", "unknown": "owner not visible"}


def holder_lines(holders: tuple[Holder, ...] | Unavailable, ink: Ink, width: int, verbose: bool) -> list[str]:
    """The table for a terminal; at most 14 lines unless ``verbose``."""
    title = ink("Who holds them", "bold")
    if isinstance(holders, Unavailable):
        return [f"{title}  not known: {holders.reason} ({holders.source})"]
    if not holders:
        return [f"{title}  nobody"]
    rows = _rows(holders, verbose)
    shown = rows if verbose else rows[:_MOST_LINES]
    head = ("role", "process", "sessions", "database", "application", "state")
    widths = (width * 3 // 10, width // 4, width * 2 // 5)
    table = columns(
        [
            head,
            *(
                (
                    r[0],
                    shortened(r[1], widths[1]),
                    r[2],
                    shortened(r[3], widths[0]),
                    shortened(r[4], 24),
                    shortened(r[5], widths[2]),
                )
                for r in shown
            ),
        ],
        right=frozenset({2}),
    )
    lines = [title, f"  {ink(table[0], 'dim')}", *(f"  {line}" for line in table[1:])]
    if len(rows) > len(shown):
        left = sum(int(r[2]) for r in rows[len(shown) :])
        lines.append(ink(f"  … {len(rows) - len(shown)} more lines, {left} sessions (-v shows all)", "dim"))
    return lines


Row = tuple[str, str, str, str, str, str]


def _rows(holders: tuple[Holder, ...], verbose: bool) -> list[Row]:
    by_process: dict[tuple[str, str | None, int | None, str, str | None], list[Holder]] = defaultdict(list)
    for holder in holders:
        place = holder.host if holder.owner == "foreign" else None
        by_process[(holder.owner, place, holder.pid, holder.role, holder.process)].append(holder)
    alike: dict[tuple[object, ...], list[list[Holder]]] = defaultdict(list)
    for number, group in enumerate(by_process.values()):
        key = (_role(group[0]), _databases(group), _states(group))
        alike[(*key, number) if verbose else key].append(group)
    rows = [_row(groups) for groups in alike.values()]
    order = {role: n for n, role in enumerate(_ORDER)}
    return sorted(rows, key=lambda r: (order.get(r[0], len(order)), -int(r[2]), r[1]))


def _row(groups: list[list[Holder]]) -> Row:
    first = groups[0]
    sessions = sum(h.count for group in groups for h in group)
    names = sorted({h.application for group in groups for h in group if h.application})
    applications = names[0] if len(names) == 1 else f"{names[0]} …" if names else "-"
    return (
        _role(first[0]),
        _process(groups),
        str(sessions),
        _databases([h for group in groups for h in group]),
        applications,
        _states([h for group in groups for h in group]),
    )


def _role(holder: Holder) -> str:
    if holder.owner != "known":
        return {"foreign": "other host"}.get(holder.owner, _WORDS.get(holder.owner, holder.owner))
    return holder.role if holder.role != "unknown" else (holder.process or "unknown")


def _process(groups: list[list[Holder]]) -> str:
    first = groups[0][0]
    if first.owner == "foreign":
        return first.host or "?"
    pids = [str(group[0].pid) for group in groups if group[0].pid is not None]
    if not pids:
        return "-"
    return pids[0] if len(pids) == 1 else f"{len(pids)} × ({', '.join(sorted(pids))})"


def _databases(group: list[Holder]) -> str:
    counts: Counter[str] = Counter()
    for holder in group:
        counts[holder.database or "?"] += holder.count
    if len(counts) > 3:
        return f"{len(counts)} databases"
    return ", ".join(sorted(counts))


def _states(group: list[Holder]) -> str:
    counts: Counter[str] = Counter()
    for holder in group:
        counts.update(holder.states)
    order = {state: n for n, state in enumerate(_STATES)}
    known = sorted(counts.items(), key=lambda item: (order.get(item[0], -1), item[0]))
    return ", ".join(f"{n} {_STATES.get(state, state)}" for state, n in known)
