"""A plan as text: one screen with the answer, and with ``details`` every term, bound and setting behind it."""

from __future__ import annotations

from slotwise.capacity.figures import Figures
from slotwise.capacity.headroom import Fit
from slotwise.capacity.plan import Alternative, PlanSetting, ServerPlan
from slotwise.capacity.pooling import PoolSizing
from slotwise.capacity.queueing import Wait
from slotwise.capacity.report import PlanReport
from slotwise.capacity.transition import Transition

WIDTH = 100
BAR_WIDTH = 60
MIB = 1024 * 1024
MOST_PLACES = 6
"""Configuration files whose settings the one screen shows; a fleet has more of them."""

VERDICT_WORDS = {
    Fit.FITS: "fits",
    Fit.TIGHT: "tight",
    Fit.DOES_NOT_FIT: "does not fit",
    Fit.UNKNOWN: "cannot be judged: the server's slots are unknown",
}


def plan_text(report: PlanReport, details: bool = False) -> str:
    """The report for a terminal, a newline at the end."""
    lines: list[str] = []
    for plan in report.servers:
        lines += _server(report.subject, plan, details)
    lines += _what_ifs(report)
    for one in report.transitions:
        lines += _transition(one)
    lines += _calibration(report)
    if report.assumptions and details:
        lines += ["", "assumed"]
        for assumption in report.assumptions:
            lines += _wrapped(assumption, "  - ", "    ")
    elif report.assumptions:
        hints = [assumption.rpartition("(")[2].rstrip(")") for assumption in report.assumptions]
        options = ", ".join(dict.fromkeys(hint for hint in hints if hint.startswith("--")))
        lines += _wrapped(f"{len(hints)} assumptions; make them facts with {options}", "", "  ")
    if not details:
        lines += ["`--details` shows every term with its source; `--format html -o plan.html` draws it"]
    return "\n".join(lines) + "\n"


def _server(subject: str, plan: ServerPlan, details: bool) -> list[str]:
    wanted = plan.demand
    lines = [f"plan for {plan.server.name} ({subject}): {verdict_sentence(plan)}", ""]
    lines += [f"  {'demand':<10}{'steady':>9}{'typical':>9}{'peak':>9}{'ceiling':>9}{'guide':>9}"]
    lines += [
        f"  {'':<10}{wanted.steady:>9}{wanted.typical:>9}{wanted.peak:>9}{wanted.ceiling:>9}{wanted.guide:>9}", ""
    ]  # fmt: skip
    for name, figures in wanted.by_role.items():
        lines.append(f"  {name:<28}{_row(figures)}")
    lines += ["", *_bar(plan)]
    lines += ["", *_wrapped(plan.guide_says, "  guide: ", "         ")]
    lines += ["", *_supply(plan, details), "", *_recommendation(plan.recommended, details)]
    lines += ["", *_alternatives(plan, details)]
    if details:
        lines += ["", *_terms(plan)]
    return [*lines, ""]


def verdict_sentence(plan: ServerPlan) -> str:
    """The verdict with the figures that make it, in one sentence."""
    return ", ".join(part for part in (VERDICT_WORDS[plan.verdict], verdict_figures(plan)) if part)


def verdict_figures(plan: ServerPlan) -> str:
    """The figures that make the verdict; empty where the slots are unknown."""
    if plan.limit is None or plan.headroom_ratio is None:
        return ""
    if plan.verdict is Fit.DOES_NOT_FIT:
        return f"typical {plan.demand.typical} of {plan.limit} usable ({plan.limited_by})"
    left = f"typical {plan.demand.typical} of {plan.limit} usable leaves {plan.headroom_ratio:.0%}"
    if plan.demand.peak > plan.limit:
        return f"{left}, and the peak of {plan.demand.peak} is above it"
    return left


def _row(figures: Figures) -> str:
    return f"{figures.steady:>9}{figures.typical:>9}{figures.peak:>9}{figures.ceiling:>9}"


def _bar(plan: ServerPlan) -> list[str]:
    """Typical and peak against the usable slots, one character a share of them."""
    if not plan.limit:
        return ["  slots unknown: give --max-connections, or a snapshot that could read them"]
    full = max(plan.limit, plan.demand.peak)
    limit = round(BAR_WIDTH * plan.limit / full)
    typical = min(BAR_WIDTH, round(BAR_WIDTH * plan.demand.typical / full))
    peak = min(BAR_WIDTH, round(BAR_WIDTH * plan.demand.peak / full))
    cells = ["#" if at < typical else "-" if at < peak else "." for at in range(BAR_WIDTH)]
    bar = "".join(cells[:limit]) + "|" + "".join(cells[limit:])
    return [f"  [{bar}]", f"   # typical {plan.demand.typical}  - peak {plan.demand.peak}  | usable {plan.limit}"]


def _supply(plan: ServerPlan, details: bool) -> list[str]:
    lines = [f"  supply: {_known(plan.usable)} usable slots, tightest bound: {plan.limited_by}"]
    if plan.usable_next is not None and plan.usable_next != plan.usable:
        lines.append(f"    after the next start: {plan.usable_next} usable")
    if details:
        for bound in plan.bounds:
            lines += _wrapped(f"{bound.name} {_known(bound.value)} ({bound.source})", "    ", "      ")
        return lines
    together = ", ".join(f"{bound.name} {_known(bound.value)}" for bound in plan.bounds)
    return [*lines, *_wrapped(together, "    ", "    ")]


def _recommendation(best: Alternative, details: bool) -> list[str]:
    fits = "" if best.verdict is Fit.FITS else f" ({VERDICT_WORDS[best.verdict]})"
    lines = _wrapped(f"recommended: {best.title}{fits}: {best.reason}", "  ", "    ")
    by_place: dict[str, list[PlanSetting]] = {}
    for setting in best.settings:
        by_place.setdefault(setting.where, []).append(setting)
    shown = len(by_place) if details else MOST_PLACES
    for where, settings in list(by_place.items())[:shown]:
        if details:
            lines.append(f"    {where}")
            for setting in settings:
                lines += _wrapped(f"{setting.name} = {setting.value}  ({setting.why})", "      ", "        ")
        else:
            together = ", ".join(f"{setting.name} = {setting.value}" for setting in settings)
            lines += _wrapped(f"{where}: {together}", "    ", "      ")
    if len(by_place) > shown:
        lines.append(f"    and {len(by_place) - shown} more places (--details)")
    if best.pooling is not None:
        lines += _pooling(best.pooling)
    return lines


def _pooling(sizing: PoolSizing) -> list[str]:
    return [
        f"    {sizing.clients} processes, {sizing.transactions_per_second:.3g} transactions/s of "
        f"{sizing.transaction_seconds:.3g} s ({sizing.workload_source})",
        f"    wait for a server: {wait_words(sizing.finite)}; endless clients (Erlang C): {wait_words(sizing.erlang)}",
    ]


def wait_words(wait: Wait) -> str:
    """Waits at p50, p95 and p99 in milliseconds, or that they grow without bound."""
    if wait.p50_seconds is None or wait.p95_seconds is None or wait.p99_seconds is None:
        return "grows without bound"
    return (
        f"p50 {wait.p50_seconds * 1000:.1f} ms, p95 {wait.p95_seconds * 1000:.1f} ms, "
        f"p99 {wait.p99_seconds * 1000:.1f} ms"
    )


def _alternatives(plan: ServerPlan, details: bool) -> list[str]:
    lines = [f"  {'alternatives':<34}{'verdict':<14}{'typical':>8}{'peak':>7}{'ceiling':>9}{'usable':>8}{'RAM':>10}"]
    for one in plan.alternatives:
        lines.append(
            f"  {one.title:<34}{VERDICT_WORDS[one.verdict][:13]:<14}{one.typical:>8}{one.peak:>7}{one.ceiling:>9}"
            f"{_known(one.usable):>8}{one.ram_bytes // MIB:>6} MiB"
        )
        if details:
            lines += _wrapped(f"restart: {one.restart}; risk: {one.risk}", "      ", "      ")
        else:
            lines.append(f"      restart {one.restart}")
    return lines


def _terms(plan: ServerPlan) -> list[str]:
    lines = ["  every term: processes × per process (started/steady/typical/peak/ceiling)"]
    for term in plan.demand.terms:
        each = term.per_process
        shown = f"{each.started}/{each.steady}/{each.typical}/{each.peak}/{each.ceiling}"
        lines.append(f"    {term.role} on {term.database or 'any database'}: {term.processes} × {shown}")
        lines += _wrapped(term.source, "        ", "        ")
    lines.append("  by database")
    for name, figures in plan.demand.by_database.items():
        lines.append(f"    {name:<26}{_row(figures)}")
    return lines


def _what_ifs(report: PlanReport) -> list[str]:
    if not report.what_ifs:
        return []
    lines = ["what if"]
    for one in report.what_ifs:
        figures = one.demand.figures
        lines.append(
            f"  {one.change:<28} typical {figures.typical}, peak {figures.peak}, ceiling {figures.ceiling} "
            f"of {_known(one.usable)} usable: {VERDICT_WORDS[one.verdict]}"
        )
    return lines


def _transition(one: Transition) -> list[str]:
    lines = ["", f"from old to new on {one.server}: {VERDICT_WORDS[one.verdict]}"]
    lines.append(f"  {'':<28}{'typical':>16}{'peak':>16}{'ceiling':>16}")
    lines.append(f"  {'all':<28}{_changes(one.before.figures, one.after.figures)}")
    for change in one.changes:
        lines.append(f"  {change.role:<28}{_changes(change.before, change.after)}")
    lines.append("  while it changes")
    for moment in one.moments:
        lines.append(
            f"    {moment.name:<34} typical {moment.typical}, peak {moment.peak} of {_known(one.limit)}: "
            f"{VERDICT_WORDS[moment.verdict]}"
        )
    if one.versions:
        lines.append("  what Odoo changed")
    for change_of in one.versions:
        lines += _wrapped(f"{change_of.version}: {change_of.change} ({change_of.source})", "    ", "        ")
    return lines


def _changes(before: Figures, after: Figures) -> str:
    return "".join(
        f"{f'{old} → {new}':>16}"
        for old, new in (
            (before.typical, after.typical),
            (before.peak, after.peak),
            (before.ceiling, after.ceiling),
        )
    )


def _calibration(report: PlanReport) -> list[str]:
    if not report.calibrations:
        return []
    lines = ["", f"  {'calibration':<44}{'model':>10}{'measured':>10}"]
    for one in report.calibrations:
        lines.append(
            f"  {one.what:<44}{one.model:>10.3g}{one.measured:>10.3g}  {one.unit}, {_taken(one.taken)} ({one.source})"
        )
    return lines


def _taken(taken: bool) -> str:
    return "taken" if taken else "model kept"


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)
