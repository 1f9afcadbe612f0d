"""``slotwise logs --format html``: one page with a time line per incident; offline, for phone, dark mode and paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from slotwise.formats.logs_text import WALL_WORDS
from slotwise.formats.plan_style import STYLE
from slotwise.formats.svg_chart import nice_ticks
from slotwise.walls.answers import ANSWERS
from slotwise.walls.incidents import Incident
from slotwise.walls.kinds import Wall
from slotwise.walls.story import Story
from slotwise.walls.timestamps import iso

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 220, 48, 12, 18, 40
_LETTER_WIDTH = 8.0
_BINS = 80
_STYLES = 6
_MARKS = 4
_BEFORE = 12


def logs_html(story: Story, rule_ids: Mapping[str, str], version: str) -> str:
    """The page, complete with style and drawings. ``rule_ids``: slug of a rule to its id; ``version``: slotwise's."""
    body = [f"<header><h1>Connection logs</h1><p>{escape(', '.join(story.files))}</p></header>", _summary(story)]
    body += [_incident(number, incident, rule_ids) for number, incident in enumerate(story.incidents, 1)]
    body += [_lookalikes(story), _clocks(story), _unread(story), f"<footer>slotwise {escape(version)}</footer>"]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Connection logs</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _summary(story: Story) -> str:
    tally = story.tally
    if story.nothing_read:
        return "<p>Nothing was read: this says nothing about the connections.</p>"
    walls = [(Wall(name), count) for name, count in tally.walls.items() if Wall(name).refuses]
    if not walls:
        return "<p>No limit on connections was met.</p>"
    tiles = "".join(
        f"<div><dt>{escape(WALL_WORDS[wall])}</dt><dd>{count:,}</dd></div>"
        for wall, count in sorted(walls, key=lambda item: -item[1])
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _incident(number: int, incident: Incident, rule_ids: Mapping[str, str]) -> str:
    cause, victim = incident.reasoned.cause, incident.first_victim
    facts = [
        ("From", f"{_clock(incident.start_seconds)} to {_clock(incident.end_seconds)} UTC"),
        ("Refused", f"{incident.refused:,} ({_counts(incident.by_database) or 'database not told'})"),
        (
            "First",
            f"{_clock(victim.seconds)} {victim.user or '?'}@{victim.database or '?'} {victim.process or ''} "
            f"{f'pid {victim.pid}' if victim.pid else ''}: {victim.text}",
        ),
        ("Cause", f"{cause.title} ({incident.reasoned.confidence})"),
        *(("Because", reason) for reason in incident.reasoned.because),
        ("Remedy", cause.remedy),
        *([("Avoid", cause.avoid)] if cause.avoid else []),
        *([("Rule", f"{rule_ids[cause.rule]} {cause.rule}")] if cause.rule and cause.rule in rule_ids else []),
        *(("Users", saw) for saw in incident.users_saw),
    ]
    latest = {event.text: event for event in incident.before}
    facts += [
        ("Before", f"{_clock(event.seconds)} {event.layer}: {event.text}") for event in [*latest.values()][-_BEFORE:]
    ]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    return (
        f"<section><h2>{number}. {escape(WALL_WORDS[incident.wall])}</h2>"
        f"<figure><figcaption>Refusals over time</figcaption>{_time_line(incident)}</figure>"
        f"<table>{rows}</table></section>"
    )


def _time_line(incident: Incident) -> str:
    """Stacked bars of refusals, one colour a wall, with marks where something happened that may explain them."""
    reach = max(60.0, 2 * (incident.end_seconds - incident.start_seconds))
    marks = [
        event
        for event in incident.before
        if event.role.value == "cause" and event.seconds is not None and incident.start_seconds - event.seconds <= reach
    ][-_MARKS:]
    low = min([incident.start_seconds, *(event.seconds or 0.0 for event in marks)])
    span = max(incident.end_seconds - low, 10.0)
    names = sorted({wall for _, wall, _ in incident.series}, key=lambda name: (name != incident.wall.value, name))
    bins: dict[str, Counter[int]] = {name: Counter() for name in names}
    for seconds, wall, count in incident.series:
        bins[wall][min(int((seconds - low) / span * _BINS), _BINS - 1)] += count
    ticks = nice_ticks(max((sum(bins[name][at] for name in names) for at in range(_BINS)), default=1))
    width = (_WIDTH - _LEFT - _RIGHT) / _BINS
    scale = (_HEIGHT - _TOP - _BOTTOM) / ticks[-1]
    parts = []
    for tick in ticks:
        y = _HEIGHT - _BOTTOM - tick * scale
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for at in range(_BINS):
        base = float(_HEIGHT - _BOTTOM)
        for index, name in enumerate(names):
            height = bins[name][at] * scale
            if height:
                base -= height
                parts.append(
                    f'<rect class="s{index % _STYLES + 1} fill" x="{_LEFT + at * width:.1f}" y="{base:.1f}" '
                    f'width="{width:.1f}" height="{height:.1f}"><title>{escape(name)}: {bins[name][at]}</title></rect>'
                )
    parts += _axis(low, span)
    named_until = 0.0
    for event in marks:
        x = _LEFT + ((event.seconds or low) - low) / span * (_WIDTH - _LEFT - _RIGHT)
        parts.append(f'<line class="warn" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}"/>')
        name = event.kind.replace("_", " ")
        if x >= named_until:  # a name that would lie on the one before is left out; its line stays
            parts.append(f'<text x="{x + 3:.1f}" y="{_TOP - 5}">{escape(name)}</text>')
            named_until = x + _LETTER_WIDTH * (len(name) + 1)
    legend = ", ".join(
        f'<tspan class="s{index % _STYLES + 1} fill">■</tspan> {escape(name)}' for index, name in enumerate(names)
    )
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{legend}</text>')
    title = f"Refusals from {_clock(low)} to {_clock(low + span)}"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'


def _axis(low: float, span: float) -> list[str]:
    parts = []
    for step in range(5):
        x = _LEFT + step / 4 * (_WIDTH - _LEFT - _RIGHT)
        anchor = "start" if step == 0 else "end" if step == 4 else "middle"
        label = _clock(low + span * step / 4)[11:]
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">{label}</text>')
    return parts


def _lookalikes(story: Story) -> str:
    kinds = sorted(((count, kind) for kind, count in story.tally.kinds.items() if kind in ANSWERS), reverse=True)
    if not kinds:
        return ""
    rows = [(f"{count:,}", kind.replace("_", " "), ANSWERS[kind].what, ANSWERS[kind].do) for count, kind in kinds]
    return f"<section><h2>Not a limit on connections</h2>{_table(('Lines', 'Kind', 'What', 'Do'), rows)}</section>"


def _clocks(story: Story) -> str:
    rows = [
        (
            clock.layer,
            clock.against,
            "not known" if clock.seconds is None else f"{clock.seconds:+.1f} s",
            str(clock.pairs),
        )
        for clock in story.clocks
    ]
    return f"<section><h2>Clocks</h2>{_table(('Log', 'Beside', 'Offset', 'Pairs'), rows)}</section>" if rows else ""


def _unread(story: Story) -> str:
    rows = [(f"{count:,}", reason) for reason, count in story.tally.unread.reasons.items()]
    return f"<section><h2>Not read</h2>{_table(('Times', 'Why'), rows)}</section>" if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _clock(seconds: float | None) -> str:
    text = iso(seconds)
    return text.replace("T", " ")[:-5] if text else "?"
