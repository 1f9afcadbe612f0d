"""A report on a period as one HTML page: offline, for phone, dark mode and paper."""

from __future__ import annotations

from html import escape

from slotwise.formats.plan_style import STYLE
from slotwise.formats.report_words import (
    EVENT_WORDS,
    Section,
    Table,
    Wording,
    duration,
    headline,
    sections,
    tiles,
)
from slotwise.formats.time_chart import Axis, Lane, Layer, lanes, stacked_area
from slotwise.review.account import Account, EventKind
from slotwise.rules.postgres.slots_high import HIGH_RATIO

MOST_LANES = 14
_LAYERS = 5
_ONE_LINE = 18
"""Cells of at most so many characters are not broken."""
_MANY = 5
"""Tables of so many columns scroll on a phone rather than becoming columns of single words."""
_SIGNS = {"good": "✓", "tight": "!", "bad": "✗", "unknown": "?"}
_ADDED = """
.total{stroke:var(--ink);stroke-width:1.2}.legend .key .box{stroke-dasharray:none;stroke-width:8}
.crit.fill{fill:var(--bad)}.attn.fill{fill:var(--tight)}.blind.fill{fill:var(--soft)}
.tiles{grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr))}
td.n,th.n{text-align:right}td.n,td.one{white-space:nowrap}table.many{min-width:44rem}
@media print{table.many{min-width:0}td.one{white-space:normal}}
p.answer{font-size:1.1rem}
"""


def report_html(account: Account, wording: Wording, title: str, version: str) -> str:
    """The page, complete with style and drawings. ``version`` is slotwise's."""
    state, sentence = headline(account)
    period = f"{wording.moment(account.since)} to {wording.moment(account.until)} {wording.zone_name(account.until)}"
    body = [
        f"<header><h1>{escape(title)}</h1><p>{escape(period)} · {duration(account.until - account.since)}</p></header>",
        f'<p class="answer"><span class="badge {state}">{_SIGNS[state]}</span> {escape(sentence)}</p>',
        _tiles(account),
        _over_time(account, wording),
    ]
    body += [_section(number, section) for number, section in enumerate(sections(account, wording))]
    body.append(
        f"<footer>Made {escape(wording.moment(account.made_at))} from {escape(account.history)}"
        f"{''.join(f', {escape(name)}' for name in account.log_files)} · slotwise {escape(version)}</footer>"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}{_ADDED}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _tiles(account: Account) -> str:
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(words)}</small></dd></div>"
        for name, value, words in tiles(account)
    )
    return f'<dl class="tiles">{cells}</dl>'


def _over_time(account: Account, wording: Wording) -> str:
    """Slots by part over time, and below it, on the same axis, what went on when."""
    axis = Axis(account.since, account.until, wording.zone)
    names = [p.part for p in account.parts]
    shown, rest = names[:_LAYERS], set(names[_LAYERS:])
    layers = [
        Layer(name, f"s{index + 1}", tuple(float(p.parts.get(name, 0)) for p in account.points))
        for index, name in enumerate(shown)
    ]
    if rest:
        others = tuple(float(sum(n for part, n in p.parts.items() if part in rest)) for p in account.points)
        layers.append(Layer("other", "s6", others))
    usable = [None if p.usable is None or p.used is None else float(p.usable) for p in account.points]
    chart = stacked_area(
        "Slots taken over time, by who held them",
        axis,
        [p.at for p in account.points],
        [None if p.used is None else float(p.used) for p in account.points],
        layers,
        [
            ("usable slots", "wall", usable),
            ("80 % of them", "warn", [None if v is None else v * HIGH_RATIO for v in usable]),
        ],
        "slots taken",
    )
    if not chart:
        return ""
    words = (
        "<p><small>Torn where nobody could count. Where points were left out, the highest of them is shown.</small></p>"
    )
    happened = lanes("What went on when", axis, _lanes(account))
    below = f"<figure><figcaption>What went on when</figcaption>{happened}</figure>" if happened else ""
    return f"<figure><figcaption>Who held the slots</figcaption>{chart}</figure>{words}{below}"


def _lanes(account: Account) -> list[Lane]:
    kinds: dict[EventKind, str] = {"saturated": "crit", "refused": "crit", "high": "attn", "restart": "attn"}
    found = []
    for kind, style in kinds.items():
        spans = tuple((e.since, e.until) for e in account.events if e.kind == kind)
        if spans:
            found.append(Lane(EVENT_WORDS[kind], style, spans))
    if account.logs:
        spans = tuple((i.start_seconds, i.end_seconds) for i in account.logs)
        found.append(Lane("refused, by the logs", "crit", spans))
    if account.gaps:
        found.append(Lane("not seen", "blind", tuple((g.since, g.until) for g in account.gaps)))
    changes = tuple((c.at, c.at) for c in account.changes)
    if changes:
        found.append(Lane("changed", "s1", changes))
    for told in account.findings[: max(0, MOST_LANES - len(found))]:
        style = "crit" if told.severity == "critical" else "attn"
        found.append(Lane(f"{told.id} {told.slug} {told.subject or ''}".strip(), style, told.spans))
    return found


def _section(number: int, section: Section) -> str:
    sentences = f"<p>{escape(' '.join(section.sentences))}</p>" if section.sentences else ""
    table = _table(section.table, f"section-{number}") if section.table is not None else ""
    return f'<section><h2 id="section-{number}">{escape(section.title)}</h2>{sentences}{table}</section>'


def _table(table: Table, labelled: str) -> str:
    """A table that scrolls by itself where it is wide, by keyboard too."""

    def cls(column: int) -> str:
        if column in table.numbers:
            return ' class="n"'
        longest = max((len(row[column]) for row in table.rows), default=0)
        return ' class="one"' if longest <= _ONE_LINE else ""

    many = ' class="many"' if len(table.heads) >= _MANY else ""
    head = "".join(f'<th scope="col"{cls(n)}>{escape(one)}</th>' for n, one in enumerate(table.heads))
    body = "".join(
        "<tr>" + "".join(f"<td{cls(n)}>{escape(cell)}</td>" for n, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{labelled}"><table{many}><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )
