"""A plan as one HTML page: offline, for phone, dark mode and paper. It answers by looking: does it fit?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from slotwise.capacity.figures import Figures
from slotwise.capacity.headroom import SATURATION_WARNING_RATIO, Fit
from slotwise.capacity.plan import Alternative, ServerPlan
from slotwise.capacity.report import PlanReport, Sweep, WaitPoint
from slotwise.capacity.transition import Transition
from slotwise.formats.plan_style import STYLE
from slotwise.formats.plan_text import VERDICT_WORDS, verdict_figures, wait_words
from slotwise.formats.svg_chart import Line, Mark, Segment, line_chart, stacked_bars

MIB = 1024 * 1024
SYMBOLS = {Fit.FITS: "✓", Fit.TIGHT: "!", Fit.DOES_NOT_FIT: "✗", Fit.UNKNOWN: "?"}
CLASSES = {Fit.FITS: "good", Fit.TIGHT: "tight", Fit.DOES_NOT_FIT: "bad", Fit.UNKNOWN: "unknown"}


def plan_html(report: PlanReport, version: str) -> str:
    """The page, complete with style and drawings. ``version`` is slotwise's."""
    body = [f"<header><h1>Connection plan</h1><p>{escape(report.subject)}</p></header>"]
    for index, plan in enumerate(report.servers):
        body.append(_server(plan, report if index == 0 else None))
    body += [_transition(one) for one in report.transitions]
    if report.assumptions:
        body.append(f"<section><h2>Assumed</h2>{_list(report.assumptions)}</section>")
    body.append(f"<footer>slotwise {escape(version)}</footer>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Connection plan: {escape(report.subject)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _server(plan: ServerPlan, report: PlanReport | None) -> str:
    """One server; ``report`` adds what was computed for the tightest one only."""
    best = plan.recommended
    parts = [
        f"<section><h2>{escape(plan.server.name)}</h2>",
        f"<p>{_badge(plan.verdict)} {escape(verdict_figures(plan))}</p>",
        _figures(plan),
        f"<figure><figcaption>Demand by role against the usable slots</figcaption>{_demand_chart(plan)}</figure>",
        f"<p>{escape(plan.guide_says)}.</p>",
    ]
    if report is not None:
        parts += [_sweep_figure(sweep, plan) for sweep in report.sweeps]
    parts.append(_recommendation(best))
    if report is not None and report.waits:
        parts.append(_wait_figure(report.waits, best))
    parts.append(_alternatives(plan.alternatives))
    if report is not None:
        parts += [_what_ifs(report), _calibration(report)]
    parts += [_bounds(plan), _terms(plan), "</section>"]
    return "\n".join(part for part in parts if part)


def _badge(fit: Fit) -> str:
    """A verdict in words, with a sign and a colour that only repeat them."""
    return f'<span class="badge {CLASSES[fit]}">{SYMBOLS[fit]}&nbsp;{VERDICT_WORDS[fit]}</span>'


def _figures(plan: ServerPlan) -> str:
    wanted = plan.demand
    tiles = (
        ("steady", wanted.steady, "idle after ordinary work"),
        ("typical", wanted.typical, "ordinary work going on"),
        ("peak", wanted.peak, "realistic maximum"),
        ("ceiling", wanted.ceiling, "what the settings allow"),
        ("guide", wanted.guide, "well-known formula"),
        ("usable", "unknown" if plan.usable is None else plan.usable, "slots, reserves off"),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}<small>{words}</small></dd></div>" for name, value, words in tiles)
    return f'<dl class="tiles">{cells}</dl>'


def _demand_chart(plan: ServerPlan) -> str:
    styles = {role: f"s{index % 6 + 1}" for index, role in enumerate(plan.demand.by_role)}

    def row(moment: str) -> tuple[str, list[Segment]]:
        return moment, [
            Segment(role, styles[role], getattr(figures, moment)) for role, figures in plan.demand.by_role.items()
        ]

    marks = []
    if plan.limit is not None:
        eighty = SATURATION_WARNING_RATIO * plan.limit
        marks = [
            Mark(f"80 %: {eighty:.0f}", "warn", eighty),
            Mark(f"usable: {plan.limit} ({plan.limited_by})", "wall", plan.limit),
        ]
    title = "Connections by role at steady, typical and peak demand"
    return stacked_bars(title, [row("steady"), row("typical"), row("peak")], marks, "connections")


def _sweep_figure(sweep: Sweep, plan: ServerPlan) -> str:
    lines = [
        Line("typical", "s1", tuple((point.x, point.typical) for point in sweep.points)),
        Line("peak", "s2", tuple((point.x, point.peak) for point in sweep.points)),
        Line("guide", "s6", tuple((point.x, point.guide) for point in sweep.points)),
    ]
    marks = [Mark(f"now: {sweep.now}", "now", max(sweep.now, sweep.points[0].x), horizontal=False)]
    if plan.usable is not None:
        marks.append(Mark(f"usable slots: {plan.usable}", "wall", plan.usable))
        marks.append(Mark("80 % of them", "warn", SATURATION_WARNING_RATIO * plan.usable))
    ram = next((bound.value for bound in plan.bounds if bound.name == "ram"), None)
    highest = max(max(point.peak for point in sweep.points), plan.usable or 0)
    # A bound far above everything else would press the lines flat; it is in the table of bounds all the same.
    if ram is not None and ram <= 1.5 * highest:
        marks.append(Mark(f"RAM bears {ram}", "ram", ram))
    title = f"Connections against {sweep.field}"
    x_name = f"{sweep.field} of a host" if sweep.field == "workers" else sweep.field
    return f"<figure><figcaption>{title}</figcaption>{line_chart(title, x_name, 'connections', lines, marks)}</figure>"


def _wait_figure(points: Sequence[WaitPoint], best: Alternative) -> str:
    def line(name: str, style: str, seconds: Iterable[tuple[int, float | None]]) -> Line:
        return Line(name, style, tuple((slots, None if at is None else at * 1000) for slots, at in seconds))

    lines = [
        line("p50", "s1", ((point.slots, point.p50) for point in points)),
        line("p95", "s2", ((point.slots, point.p95) for point in points)),
        line("p99", "s3", ((point.slots, point.p99) for point in points)),
    ]
    marks = []
    if best.pooling is not None:
        size = best.pooling.pools.default_pool_size
        marks.append(Mark(f"default_pool_size: {size}", "now", size, horizontal=False))
        floor = min(best.pooling.deadlock_floor, points[-1].slots)
        marks.append(Mark(f"deadlock floor: {best.pooling.deadlock_floor}", "wall", floor, horizontal=False))
    title = "Wait for a server connection against the pool size"
    chart = line_chart(title, "server connections of the pool", "milliseconds", lines, marks)
    return f"<figure><figcaption>{title}</figcaption>{chart}</figure>" if chart else ""


def _recommendation(best: Alternative) -> str:
    rows = [
        (
            setting.where,
            f"<code>{escape(setting.name)} = {escape(str(setting.value))}</code>",
            setting.unit,
            setting.why,
        )
        for setting in best.settings
    ]
    table = _table(("where", "setting", "unit", "why"), [(escape(a), b, escape(c), escape(d)) for a, b, c, d in rows])
    waits = ""
    if best.pooling is not None:
        sizing = best.pooling
        waits = (
            f"<p>Wait for a server: {escape(wait_words(sizing.finite))}; with endless clients (Erlang C): "
            f"{escape(wait_words(sizing.erlang))}.</p>"
        )
    fits = "" if best.verdict is Fit.FITS else f" ({VERDICT_WORDS[best.verdict]})"
    return f"<h3>Recommended: {escape(best.title)}{fits}</h3><p>It {escape(best.reason)}.</p>{table}{waits}"


def _alternatives(alternatives: Sequence[Alternative]) -> str:
    rows = [
        (
            escape(one.title),
            _badge(one.verdict),
            str(one.typical),
            str(one.peak),
            str(one.ceiling),
            "unknown" if one.usable is None else str(one.usable),
            f"{one.ram_bytes // MIB:,} MiB",
            escape(one.restart),
            escape(one.risk),
        )
        for one in alternatives
    ]
    heads = ("way", "verdict", "typical", "peak", "ceiling", "usable", "RAM at peak", "restart", "risk")
    return "<h3>Alternatives</h3>" + _table(heads, rows)


def _what_ifs(report: PlanReport) -> str:
    if not report.what_ifs:
        return ""
    rows = [
        (
            f"<code>{escape(one.change)}</code>",
            *(str(value) for value in (one.demand.typical, one.demand.peak, one.demand.ceiling)),
            "unknown" if one.usable is None else str(one.usable),
            _badge(one.verdict),
        )
        for one in report.what_ifs
    ]
    return "<h3>What if</h3>" + _table(("change", "typical", "peak", "ceiling", "usable", "verdict"), rows)


def _calibration(report: PlanReport) -> str:
    if not report.calibrations:
        return ""
    rows = [
        (
            escape(one.what),
            f"{one.model:.3g}",
            f"{one.measured:.3g}",
            escape(one.unit),
            "measured" if one.taken else "model",
            escape(one.source),
        )
        for one in report.calibrations
    ]
    return "<h3>Model beside measurement</h3>" + _table(
        ("what", "model", "measured", "unit", "plan takes", "source"), rows
    )


def _bounds(plan: ServerPlan) -> str:
    rows = [
        (escape(bound.name), "unknown" if bound.value is None else str(bound.value), escape(bound.source))
        for bound in plan.bounds
    ]
    return "<h3>Supply</h3>" + _table(("bound", "connections", "source"), rows)


def _terms(plan: ServerPlan) -> str:
    rows = [
        (
            escape(term.role),
            escape(term.database or "any"),
            str(term.processes),
            *(str(value) for value in _moments(term.per_process)),
            escape(term.source),
        )
        for term in plan.demand.terms
    ]
    heads = ("role", "database", "processes", "started", "steady", "typical", "peak", "ceiling", "source")
    return f"<details open><summary>Every term, per process</summary>{_table(heads, rows)}</details>"


def _transition(one: Transition) -> str:
    def change(before: Figures, after: Figures) -> list[str]:
        return [f"{old} → {new}" for old, new in zip(_moments(before)[1:], _moments(after)[1:], strict=True)]

    rows = [("all", *change(one.before.figures, one.after.figures))]
    rows += [(escape(row.role), *change(row.before, row.after)) for row in one.changes]
    moments = [
        (escape(row.name), str(row.typical), str(row.peak), _badge(row.verdict), escape(row.source))
        for row in one.moments
    ]
    changes = _list(f"{row.version}: {row.change} ({row.source})" for row in one.versions)
    return (
        f"<section><h2>From old to new on {escape(one.server)}</h2>"
        f"<p>{_badge(one.verdict)}</p>"
        + _table(("role", "steady", "typical", "peak", "ceiling"), rows)
        + "<h3>While it changes</h3>"
        + _table(("moment", "typical", "peak", "verdict", "source"), moments)
        + (f"<h3>What Odoo changed</h3>{changes}" if one.versions else "")
        + "</section>"
    )


def _moments(figures: Figures) -> tuple[int, int, int, int, int]:
    return figures.started, figures.steady, figures.typical, figures.peak, figures.ceiling


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    # It scrolls by itself where it is wide; by keyboard too, which a name of its own needs.
    named = escape(", ".join(heads), quote=True)
    frame = f'<div class="wide" tabindex="0" role="region" aria-label="{named}">'
    return f"{frame}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
