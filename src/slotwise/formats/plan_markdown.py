"""A plan as Markdown, for a change request: what is, what is wanted, what to set, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slotwise.capacity.plan import Alternative, ServerPlan
from slotwise.capacity.report import PlanReport
from slotwise.capacity.transition import Transition
from slotwise.formats.plan_text import VERDICT_WORDS, verdict_sentence, wait_words

MIB = 1024 * 1024


def plan_markdown(report: PlanReport) -> str:
    """The report as GitHub-flavoured Markdown, a newline at the end."""
    blocks = [f"# Connection plan: {markdown_cell(report.subject)}"]
    for plan in report.servers:
        blocks += _server(plan)
    if report.what_ifs:
        rows = [
            (
                f"`{one.change}`", one.demand.typical, one.demand.peak, one.demand.ceiling, _known(one.usable),
                VERDICT_WORDS[one.verdict],
            )
            for one in report.what_ifs
        ]  # fmt: skip
        blocks += ["## What if", markdown_table(("change", "typical", "peak", "ceiling", "usable", "verdict"), rows)]
    for one in report.transitions:
        blocks += _transition(one)
    if report.calibrations:
        measured = [
            (one.what, f"{one.model:.3g}", f"{one.measured:.3g}", "measured" if one.taken else "model", one.source)
            for one in report.calibrations
        ]
        heads = ("what", "model", "measured", "plan takes", "source")
        blocks += ["## Model beside measurement", markdown_table(heads, measured)]
    if report.assumptions:
        blocks += ["## Assumed", "\n".join(f"- {markdown_cell(assumption)}" for assumption in report.assumptions)]
    return "\n\n".join(blocks) + "\n"


def _server(plan: ServerPlan) -> list[str]:
    wanted, best = plan.demand, plan.recommended
    figures = [(wanted.steady, wanted.typical, wanted.peak, wanted.ceiling, wanted.guide, _known(plan.usable))]
    by_role = [(role, one.steady, one.typical, one.peak, one.ceiling) for role, one in plan.demand.by_role.items()]
    bounds = [(bound.name, _known(bound.value), bound.source) for bound in plan.bounds]
    settings = [(one.where, f"`{one.name} = {one.value}`", one.unit, one.why) for one in best.settings]
    blocks = [
        f"## {markdown_cell(plan.server.name)}",
        f"**Verdict:** {verdict_sentence(plan)}",
        markdown_table(("steady", "typical", "peak", "ceiling", "guide", "usable slots"), figures),
        markdown_table(("role", "steady", "typical", "peak", "ceiling"), by_role),
        f"{plan.guide_says}.",
        f"### Change: {best.title}",
        f"It {best.reason}. Restart: {best.restart}. Risk: {best.risk}.",
        markdown_table(("where", "setting", "unit", "why"), settings),
    ]
    if best.pooling is not None:
        finite, endless = wait_words(best.pooling.finite), wait_words(best.pooling.erlang)
        blocks.append(f"Wait for a server: {finite}; with endless clients (Erlang C): {endless}.")
    blocks += ["### Alternatives", _alternatives(plan.alternatives)]
    blocks += ["### Supply", markdown_table(("bound", "connections", "source"), bounds)]
    return blocks


def _alternatives(alternatives: Iterable[Alternative]) -> str:
    rows = [
        (
            one.title, VERDICT_WORDS[one.verdict], one.typical, one.peak, one.ceiling, _known(one.usable),
            f"{one.ram_bytes // MIB} MiB", one.restart, one.risk,
        )
        for one in alternatives
    ]  # fmt: skip
    heads = ("way", "verdict", "typical", "peak", "ceiling", "usable", "RAM at peak", "restart", "risk")
    return markdown_table(heads, rows)


def _transition(one: Transition) -> list[str]:
    roles = [("all", one.before.figures, one.after.figures)]
    roles += [(change.role, change.before, change.after) for change in one.changes]
    rows = [
        (role, f"{old.typical} → {new.typical}", f"{old.peak} → {new.peak}", f"{old.ceiling} → {new.ceiling}")
        for role, old, new in roles
    ]
    moments = [(row.name, row.typical, row.peak, VERDICT_WORDS[row.verdict], row.source) for row in one.moments]
    blocks = [
        f"## From old to new on {markdown_cell(one.server)}: {VERDICT_WORDS[one.verdict]}",
        markdown_table(("role", "typical", "peak", "ceiling"), rows),
        "### While it changes",
        markdown_table(("moment", "typical", "peak", "verdict", "source"), moments),
    ]
    if one.versions:
        changes = "\n".join(f"- {row.version}: {row.change} ({row.source})" for row in one.versions)
        blocks += ["### What Odoo changed", changes]
    return blocks


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of any values, as one block."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(markdown_cell(str(cell)) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def markdown_cell(text: str) -> str:
    """Text that cannot break out of a table cell or become HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)
