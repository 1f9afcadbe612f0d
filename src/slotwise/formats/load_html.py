"""``slotwise load --format html``: one page with plots; offline, for phone, dark mode and paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from slotwise.formats.load_text import headroom_words, knee_words, step_roles, wall_sentence
from slotwise.formats.plan_style import STYLE
from slotwise.formats.svg_chart import Line, Mark, line_chart
from slotwise.load.measures import Step
from slotwise.load.report import LoadReport

_STYLES = ("s1", "s2", "s3", "s4", "s5", "s6")


def load_html(report: LoadReport, version: str) -> str:
    """The page, complete with style and drawings. ``version`` is slotwise's."""
    sentences = [knee_words(report), wall_sentence(report), headroom_words(report), f"Ended: {report.stop.words}."]
    if report.goal is not None:
        sentences.append(f"Goal {report.goal}: {'met' if report.goal_met else 'not met'}.")
    sentences += [f"Leak: {one.role} {one.pid} grew from {one.first} to {one.last} slots." for one in report.growing]
    body = [
        f"<header><h1>Load test</h1><p>{escape(report.subject)}</p></header>",
        f"<section>{_badge(report)}<ul>{''.join(f'<li>{escape(words)}</li>' for words in sentences)}</ul></section>",
        _figure("Requests per second against users", _throughput(report)),
        _figure("Response time against users", _latency(report)),
        _figure("Slots against users, by role", _slots(report)),
        _figure("PgBouncer: clients waiting against users", _queues(report)),
        "<section><h2>Steps</h2>" + _steps(report.steps) + "</section>",
        _model(report),
        _remedy(report),
        f"<footer>slotwise {escape(version)}</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Load test: {escape(report.subject)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _badge(report: LoadReport) -> str:
    if report.wall is not None or report.growing:
        return f'<span class="badge bad">✗&nbsp;{"wall met" if report.wall else "leak"}</span>'
    if report.goal_met is False:
        return '<span class="badge tight">!&nbsp;goal not met</span>'
    return '<span class="badge good">✓&nbsp;no wall met</span>'


def _figure(title: str, chart: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>" if chart else ""


def _knee_mark(report: LoadReport) -> list[Mark]:
    users = report.knee.users
    if users is None or not report.steps or users > max(step.users for step in report.steps):
        return []
    return [Mark(f"knee: {users:.1f} users", "now", users, horizontal=False)]


def _throughput(report: LoadReport) -> str:
    lines = [Line("measured", "s1", tuple((s.users, s.throughput_per_second) for s in report.steps))]
    knee, marks = report.knee, _knee_mark(report)
    if knee.most_per_second is not None:
        marks.append(Mark(f"ceiling: {knee.most_per_second:.1f} requests/s", "warn", knee.most_per_second))
    return line_chart("Requests per second against users", "users", "requests per second", lines, marks)


def _latency(report: LoadReport) -> str:
    def line(name: str, style: str) -> Line:
        points = ((s.users, None if s.latency is None else getattr(s.latency, name) * 1000) for s in report.steps)
        return Line(name, style, tuple(points))

    lines = [line("p50", "s1"), line("p95", "s2"), line("p99", "s3")]
    waits = [(s.users, None if s.slot_wait is None else s.slot_wait.p95 * 1000) for s in report.steps]
    if any(wait is not None for _users, wait in waits):
        lines.append(Line("p95 wait for a slot", "s4", tuple(waits)))
    return line_chart("Response time against users", "users", "milliseconds", lines, _knee_mark(report))


def _slots(report: LoadReport) -> str:
    roles = list(dict.fromkeys(role for step in report.steps for role in step.slots.by_role))
    lines = [Line("all", "s1", tuple((s.users, s.slots.used) for s in report.steps))]
    for role, style in zip(roles, _STYLES[1:], strict=False):
        seen = ((s.users, None if s.slots.used is None else s.slots.by_role.get(role, 0)) for s in report.steps)
        lines.append(Line(role, style, tuple(seen)))
    marks = _knee_mark(report)
    if report.usable is not None:
        marks.append(Mark(f"usable slots: {report.usable}", "wall", report.usable))
    return line_chart("Slots against users", "users", "slots", lines, marks)


def _queues(report: LoadReport) -> str:
    names = sorted({(p.database, p.user) for s in report.steps for p in s.slots.pools if p.most_waiting})
    lines = []
    for (database, user), style in zip(names, _STYLES, strict=False):
        points = tuple(
            (
                s.users,
                max((p.most_waiting for p in s.slots.pools if (p.database, p.user) == (database, user)), default=0),
            )
            for s in report.steps
        )
        lines.append(Line(f"{database} {user}", style, points))
    return line_chart("Clients waiting", "users", "clients waiting", lines, _knee_mark(report)) if lines else ""


def _steps(steps: Sequence[Step]) -> str:
    heads = ("users", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failed", "slots", "held by")
    rows = []
    for step in steps:
        latency = step.latency
        times = (
            ("-",) * 3 if latency is None else tuple(f"{t * 1000:.0f}" for t in (latency.p50, latency.p95, latency.p99))
        )
        failed = ", ".join(f"{one.count} × {one.wall} to {one.role}" for one in step.refused) or "0"
        used = "?" if step.slots.used is None else str(step.slots.used)
        rows.append((str(step.users), f"{step.throughput_per_second:.1f}", *times, failed, used, step_roles(step)))
    return _table(heads, rows)


def _model(report: LoadReport) -> str:
    model = report.model
    parts = ["<section><h2>Plan beside measurement</h2>"]
    if model.knee_users is not None:
        parts.append(f"<p>Knee expected at {model.knee_users:.1f} users with {escape(model.bottleneck or '')}.</p>")
    if model.gap is not None:
        parts.append(f"<p>{escape(model.gap)}</p>")
    if model.roles:
        rows = [
            (r.role, *("-" if value is None else str(value) for value in (r.typical, r.peak, r.measured)))
            for r in model.roles
        ]
        parts.append(_table(("role", "plan's typical", "plan's peak", "measured"), rows))
    return "".join(parts) + "</section>"


def _remedy(report: LoadReport) -> str:
    remedy = report.remedy
    if remedy is None:
        return ""
    rows = [(s.where, f"{s.name} = {s.value}", s.why) for s in remedy.settings]
    return (
        f"<section><h2>To move the wall: {escape(remedy.title)}</h2><p>It {escape(remedy.reason)}.</p>"
        + _table(("where", "setting", "why"), rows)
        + "</section>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
