"""What a report on a period says, as sections of sentences and tables: every format prints the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from slotwise.formats.logs_text import WALL_WORDS
from slotwise.review.account import Account, Change, Event, Figures, Held

MOST_FINDINGS = 40
MOST_GAPS = 20
MOST_EVENTS = 40
EVENT_WORDS = {"saturated": "slots gone", "high": "slots short", "refused": "refused", "restart": "restart"}


class Table(Struct, frozen=True):
    """Heads and rows of plain text. ``numbers``: indices of the columns that hold numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


class Section(Struct, frozen=True):
    """A heading, its sentences, and a table where there is one."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None


class Wording(Struct, frozen=True):
    """How to say it: the time zone, and the titles of rules by id."""

    zone: tzinfo
    titles: Mapping[str, str]

    def moment(self, at: float) -> str:
        """A time to the second, without the zone, which the head names."""
        return datetime.fromtimestamp(at, self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def short(self, at: float) -> str:
        """The same without the year, for tables: the head of the report names it."""
        return datetime.fromtimestamp(at, self.zone).strftime("%d %b %H:%M:%S")

    def zone_name(self, at: float) -> str:
        """What the zone is called then."""
        return datetime.fromtimestamp(at, self.zone).tzname() or "UTC"


def headline(account: Account) -> tuple[str, str]:
    """The answer in one word for a badge's class (good, tight, bad, unknown), and in one sentence."""
    peak = account.peak
    if peak is None:
        return "unknown", "Nobody could count the slots in this time."
    figure = f"at most {peak.used} of {_known(peak.usable)} usable slots were taken"
    short = [e for e in account.events if e.kind == "saturated"]
    refused = sum(i.refused for i in account.logs)
    seen = "" if account.seen_ratio > 0.99 else f"; {account.seen_ratio:.0%} of the time was seen"
    if refused:
        return "bad", f"{refused:,} connections were refused: {figure}{seen}."
    if any(e.kind == "refused" for e in account.events):
        return "bad", f"Connections were refused: {figure}{seen}."
    if short:
        return "bad", f"The slots were as good as gone {_times(len(short))}: {figure}{seen}."
    if any(e.kind == "high" for e in account.events):
        return "tight", f"The slots were short: {figure}{seen}."
    return ("good" if account.seen_ratio > 0.5 else "unknown"), f"The slots sufficed: {figure}{seen}."


def tiles(account: Account) -> tuple[tuple[str, str, str], ...]:
    """Name, value and meaning of the figures that matter most."""
    f, peak = account.figures, account.peak
    return (
        ("peak", _known(peak.used if peak else None), "slots taken at most"),
        ("usable", _known(peak.usable if peak else f.usable), "slots, reserves off"),
        ("half the time", "unknown" if f.median is None else f"at most {f.median:.0f}", "slots taken (median)"),
        ("80 % or above", duration(f.high_seconds), "of the usable slots taken"),
        ("seen", f"{account.seen_ratio:.0%}", "of the period"),
    )


def sections(account: Account, wording: Wording) -> tuple[Section, ...]:
    """Everything that the report says below its head, in order."""
    found = [
        _peak(account, wording),
        _events(account, wording),
        _logs(account, wording),
        _findings(account, wording),
        *(_change(change, wording) for change in account.changes),
        _forecast(account, wording),
        _parts(account),
        _grown(account, wording),
        _pools(account, wording),
        _gaps(account, wording),
    ]
    return tuple(section for section in found if section is not None)


def duration(seconds: float) -> str:
    """A length of time in the largest unit that says enough."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def _peak(account: Account, wording: Wording) -> Section | None:
    peak = account.peak
    if peak is None:
        return None
    when = wording.moment(peak.at)
    if peak.until > peak.at:
        when = f"between {when} and {wording.moment(peak.until)[11:]}"
    states = ", ".join(f"{count} {state}" for state, count in peak.states.items())
    rows = tuple((h.part, str(h.pid) if h.pid is not None else "", h.database or "", str(h.count)) for h in peak.held)
    sentences = [f"{peak.used} of {_known(peak.usable)} usable slots, {when}."]
    if states:
        sentences.append(f"States: {states}.")
    return Section(
        "The peak, and who held it",
        tuple(sentences),
        Table(("held by", "process", "database", "sessions"), rows, frozenset({3})) if rows else None,
    )


def _events(account: Account, wording: Wording) -> Section:
    if not account.events:
        return Section("What happened", ("Nothing came near the wall, and PostgreSQL was not restarted.",))
    shown = account.events[:MOST_EVENTS]
    rows = tuple(
        (
            EVENT_WORDS[e.kind],
            wording.short(e.since),
            "still so" if e.open else "" if e.kind == "restart" else duration(e.until - e.since),
            _details(e),
            _who(e),
        )
        for e in shown
    )
    left = len(account.events) - len(shown)
    words = (f"{left} later ones are not shown.",) if left else ()
    return Section("What happened", words, Table(("what", "from", "for", "details", "most held by"), rows))


def _details(event: Event) -> str:
    words = {wall.value: words for wall, words in WALL_WORDS.items()}
    walls = ", ".join(f"{count:,} × {words.get(wall, wall)}" for wall, count in sorted(event.walls.items()))
    return f"{event.words}: {walls}" if walls else event.words


def _who(event: Event) -> str:
    return ", ".join(_holder(h) for h in event.held[:3])


def _holder(held: Held) -> str:
    return f"{held.part}{'' if held.pid is None else f' {held.pid}'} {held.count}"


def _logs(account: Account, wording: Wording) -> Section | None:
    if not account.log_files:
        return None
    if not account.logs:
        return Section("Incidents in the logs", ("The logs tell of none in this time.",))
    rows = tuple(
        (
            WALL_WORDS[i.wall],
            wording.short(i.start_seconds),
            duration(i.end_seconds - i.start_seconds),
            f"{i.refused:,}",
            f"{i.reasoned.cause.title} ({i.reasoned.confidence})",
            i.reasoned.cause.remedy,
        )
        for i in account.logs
    )
    heads = ("wall", "from", "for", "refused", "probable cause", "remedy")
    return Section("Incidents in the logs", (), Table(heads, rows, frozenset({3})))


def _findings(account: Account, wording: Wording) -> Section:
    title = "Findings that came and went"
    if not account.judged:
        return Section(title, ("The rules were not asked in this time.",))
    if not account.findings:
        return Section(title, ("No rule that could judge found anything.",))
    shown = account.findings[:MOST_FINDINGS]
    rows = tuple(
        (
            f.severity,
            f"{f.id} {f.slug}",
            f.subject or "",
            wording.short(f.spans[0][0]),
            duration(f.seconds) + (f" in {len(f.spans)} times" if len(f.spans) > 1 else ""),
            f.ending,
            wording.titles.get(f.id, ""),
        )
        for f in shown
    )
    left = len(account.findings) - len(shown)
    words = (f"{left} more are not shown: the least severe and shortest.",) if left else ()
    heads = ("severity", "rule", "about", "first seen", "for", "at the end", "what it means")
    return Section(title, words, Table(heads, rows))


def _change(change: Change, wording: Wording) -> Section:
    title = f"Before and after the change at {wording.moment(change.at)}"
    sentences = ["Given as --change-at." if change.given else "Seen in the configuration."]
    if not change.given and change.after_look is not None:
        sentences.append(f"The look before it was at {wording.moment(change.after_look)}.")
    sentences += [f"{s.name}: {s.before} → {s.after}." for s in change.settings]
    if change.note:
        sentences.append(f"Note: {change.note}.")
    if change.gone:
        sentences.append(f"Found before and not after: {', '.join(change.gone)}.")
    if change.new:
        sentences.append(f"Found after and not before: {', '.join(change.new)}.")
    if change.before is None or change.after is None:
        return Section(title, tuple(sentences))
    b, a = change.before, change.after
    rows = (
        ("from", wording.short(b.since), wording.short(a.since)),
        ("to", wording.short(b.until), wording.short(a.until)),
        ("peak", _known(b.peak), _known(a.peak)),
        ("usable slots", _known(b.usable), _known(a.usable)),
        ("peak of usable", _ratio(b), _ratio(a)),
        ("median", _rounded(b.median), _rounded(a.median)),
        ("mean", _rounded(b.mean), _rounded(a.mean)),
        ("80 % or above", duration(b.high_seconds), duration(a.high_seconds)),
        ("95 % or above", duration(b.saturated_seconds), duration(a.saturated_seconds)),
        ("seen", duration(b.seen_seconds), duration(a.seen_seconds)),
    )
    return Section(title, tuple(sentences), Table(("figure", "before", "after"), rows, frozenset({1, 2})))


def _forecast(account: Account, wording: Wording) -> Section:
    title = "Forecast from the end of the period"
    f = account.forecast
    if f is None or f.trend == "unknown":
        return Section(title, (f"None: {f.reason if f is not None else 'nothing to rest on'}.",))
    if f.trend != "growing" or f.eta_seconds is None or account.last_look is None:
        return Section(title, (f"No trend: {f.reason} ({f.certainty}).",))
    words = f"The last slot goes in {duration(f.eta_seconds)}, at {wording.moment(account.last_look + f.eta_seconds)}"
    if f.eta_low_seconds is not None and f.eta_high_seconds is not None:
        words += f" (between {duration(f.eta_low_seconds)} and {duration(f.eta_high_seconds)})"
    rate = f"{f.slope_per_hour or 0.0:.1f} connections more an hour; {f.certainty}: {f.reason}."
    return Section(title, (words + ".", rate))


def _parts(account: Account) -> Section | None:
    if not account.parts:
        return None
    rows = tuple((p.part, f"{p.mean:.1f}", str(p.most), str(p.at_peak)) for p in account.parts[:20])
    table = Table(("held by", "mean", "most", "at the peak"), rows, frozenset({1, 2, 3}))
    return Section("Who held slots in the whole period", (), table)


def _grown(account: Account, wording: Wording) -> Section | None:
    if not account.grown:
        return None
    rows = tuple(
        (g.part, str(g.pid), f"{g.first} at {wording.short(g.first_at)}", f"{g.last} at {wording.short(g.last_at)}",
         f"+{g.last - g.first}")
        for g in account.grown
    )  # fmt: skip
    words = ("More than at first is no leak by itself: `slotwise explain SW206` says what is.",)
    return Section("Who grew", words, Table(("held by", "process", "first", "last", "more"), rows, frozenset({4})))


def _pools(account: Account, wording: Wording) -> Section | None:
    if not account.pools:
        return None
    rows = tuple(
        (p.database, p.user, str(p.waiting), f"{p.maxwait_seconds:.1f} s", wording.short(p.at))
        for p in account.pools[:20]
    )
    heads = ("database", "user", "waiting", "longest wait", "when")
    return Section("PgBouncer: each pool's worst moment", (), Table(heads, rows, frozenset({2, 3})))


def _gaps(account: Account, wording: Wording) -> Section:
    title = "What was not seen"
    if not account.gaps:
        return Section(title, ("Nothing: the whole period was seen.",))
    longest: Sequence[object] = sorted(account.gaps, key=lambda g: g.since - g.until)[:MOST_GAPS]
    rows = tuple((wording.short(g.since), duration(g.until - g.since), g.reason) for g in account.gaps if g in longest)
    left = len(account.gaps) - len(rows)
    words = [f"{duration(sum(g.until - g.since for g in account.gaps))} in all; a gap says nothing about the slots."]
    if left:
        words.append(f"{left} shorter ones are not shown.")
    return Section(title, tuple(words), Table(("from", "for", "why"), rows))


def _ratio(figures: Figures) -> str:
    return f"{figures.peak / figures.usable:.0%}" if figures.peak is not None and figures.usable else "unknown"


def _rounded(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"
