"""doctor as text: slots, demand, holders, findings worst first, what could not be judged, and one closing line."""

from __future__ import annotations

from collections import Counter

from slotwise.capacity.slots import Slots
from slotwise.findings import Finding, Severity, Verdict
from slotwise.formats.doctor_json import utc
from slotwise.formats.holder_table import holder_lines
from slotwise.formats.terminal import Ink, bar, columns, paragraph, printable
from slotwise.rules.diagnosis import Diagnosis
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Server

_BAR_WIDTH = 40
_MARK = {Severity.CRITICAL: ("✗", "red"), Severity.WARNING: ("!", "yellow"), Severity.INFO: ("i", "blue")}


def doctor_text(diagnosis: Diagnosis, *, colour: bool = False, width: int = 100, verbose: bool = False) -> str:
    """The diagnosis for a terminal of ``width`` columns. ``verbose`` shows every holder, every source and the
    healthy rules."""
    ink = Ink(colour)
    width = max(60, min(width, 120))
    blocks = [
        _head(diagnosis, ink, width),
        _slots(diagnosis, ink) + _demand(diagnosis, ink),
        holder_lines(diagnosis.holders, ink, width, verbose),
        _findings(diagnosis, ink, width),
        _unknowns(diagnosis, ink, width, verbose),
        _sources(diagnosis, ink, width, verbose),
        [_closing(diagnosis, ink)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(diagnosis: Diagnosis, ink: Ink, width: int) -> list[str]:
    snapshot = diagnosis.snapshot
    moment = utc(snapshot.taken_at)[:19].replace("T", " ") + " UTC"
    parts = [f"{printable(snapshot.host)} · {moment}"]
    if isinstance(snapshot.server, Server):
        number = snapshot.server.version_num
        version = f"{number // 10000}.{number % 10000}" if number else "(version not known)"
        parts.append(f"PostgreSQL {version} at {printable(snapshot.server.address)}")
    if isinstance(snapshot.pgbouncers, PgBouncers):
        parts += [f"PgBouncer {p.version or '?'} at {printable(p.address)}" for p in snapshot.pgbouncers.pgbouncers]
    if isinstance(snapshot.odoo, Odoo):
        parts += [_instance(i) for i in snapshot.odoo.instances[:5]]
    lines = paragraph(" · ".join(parts), width, "  ", "")
    return [ink(lines[0], "bold"), *(ink(line, "bold") for line in lines[1:])]


def _instance(instance: OdooInstance) -> str:
    version = instance.version or "(version not known)"
    workers = instance.value("workers")
    cron = instance.value("max_cron_threads")
    mode = "threaded" if workers in (0, None, False) else f"{workers} workers"
    return f"Odoo {version}, {mode}, {cron} cron"


def _slots(diagnosis: Diagnosis, ink: Ink) -> list[str]:
    slots = diagnosis.slots
    if isinstance(slots, Unavailable):
        return [f"{ink('Slots ', 'bold')}  not known: {printable(slots.reason)} ({printable(slots.source)})"]
    used = slots.used if slots.used is not None else slots.used_at_least
    drawn = bar(used, slots.max_connections, slots.reserved, _BAR_WIDTH)
    about = "" if slots.used is not None else "at least "
    ratio = f" ({used / slots.usable:.0%})" if slots.usable > 0 else ""
    tone = _tone(slots, used)
    free = max(0, slots.usable - used)
    return [
        f"{ink('Slots ', 'bold')}  {ink(drawn, tone)}  "
        + ink(f"{about}{used} of {slots.usable} usable taken{ratio}, {free} free", "bold"),
        f"        max_connections {slots.max_connections}, {slots.reserved} of them reserved"
        + (f" from role {printable(slots.role)}" if slots.role else "")
        + (f"; {slots.own} of the sessions {'is' if slots.own == 1 else 'are'} slotwise's own" if slots.own else ""),
    ]


def _tone(slots: Slots, used: int) -> str:
    ratio = used / slots.usable if slots.usable > 0 else 1.0
    return "red" if ratio >= 0.95 else "yellow" if ratio >= 0.8 else "green"


def _demand(diagnosis: Diagnosis, ink: Ink) -> list[str]:
    demand = diagnosis.demand
    if isinstance(demand, Unavailable):
        return [f"{ink('Demand', 'bold')}  not known: {printable(demand.reason)} ({printable(demand.source)})"]
    figures = demand.figures
    atleast = "" if demand.certain and demand.others is not None else " (at least: some sessions could not be seen)"
    words = (
        f"steady {figures.steady} · typical {figures.typical} · peak {figures.peak} · ceiling {figures.ceiling}"
        f"{atleast} · the guide's formula: {demand.guide}"
    )
    return [f"{ink('Demand', 'bold')}  {words}"]


def _findings(diagnosis: Diagnosis, ink: Ink, width: int) -> list[str]:
    found = [(f.severity or v.severity, v, f) for v in diagnosis.verdicts for f in v.findings]
    if not found:
        return [ink("Findings", "bold") + "  none"]
    found.sort(key=lambda one: (-one[0], one[1].id))
    lines = [ink("Findings", "bold")]
    for severity, verdict, finding in found:
        lines += ["", *_finding(severity, verdict, finding, ink, width)]
    return lines


def _finding(severity: Severity, verdict: Verdict, finding: Finding, ink: Ink, width: int) -> list[str]:
    mark, tone = _MARK[severity]
    about = f" · {printable(finding.subject)}" if finding.subject else ""
    lines = [ink(f"{mark} {severity.word} {verdict.id} {verdict.slug}{about}", tone, "bold")]
    lines += paragraph(finding.message, width, "  ")
    if finding.evidence:
        rows = [(printable(e.name), _value(e.value), printable(e.source)) for e in finding.evidence[:8]]
        lines += [ink(f"    {row}", "dim") for row in columns(rows)]
        if len(finding.evidence) > 8:
            lines.append(ink(f"    … {len(finding.evidence) - 8} more values in --format json", "dim"))
    if finding.fix:
        lines += paragraph(finding.fix.summary, width, "      ", "  do: ")
        if finding.fix.risk:
            lines += paragraph(finding.fix.risk, width, "        ", "  risk: ")
    return lines


def _value(value: str | int | float | bool | None) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(str(value))[:70]


def _unknowns(diagnosis: Diagnosis, ink: Ink, width: int, verbose: bool) -> list[str]:
    gaps: dict[Unavailable, list[str]] = {}
    for verdict in diagnosis.verdicts:
        for gap in verdict.missing:
            gaps.setdefault(gap, []).append(verdict.slug)
    if not gaps:
        return []
    lines = [ink("Could not be judged", "bold")]
    for gap, slugs in gaps.items():
        names = ", ".join(slugs) if verbose or len(slugs) <= 3 else f"{', '.join(slugs[:3])} and {len(slugs) - 3} more"
        lines += paragraph(f"{gap.source}: {gap.reason} ({names})", width, "    ", "  ? ")
        lines += paragraph(gap.remedy, width, "        ", "    do: ")
    return lines


def _sources(diagnosis: Diagnosis, ink: Ink, width: int, verbose: bool) -> list[str]:
    shown = [s for s in diagnosis.sources if verbose or s.state in ("failed", "partial")]
    if not shown:
        return []
    lines = [ink("Sources", "bold")]
    for source in shown:
        reason = f": {source.reason}" if source.reason else ""
        spent = f"{source.seconds * 1000:.0f} ms"
        lines += paragraph(f"{source.name} {source.state} after {spent}{reason}", width, "    ", "  ")
        if source.remedy:
            lines += paragraph(source.remedy, width, "        ", "    do: ")
    return lines


def _closing(diagnosis: Diagnosis, ink: Ink) -> str:
    counts = Counter((f.severity or v.severity) for v in diagnosis.verdicts for f in v.findings)
    words = [f"{counts[s]} {s.word}" for s in sorted(counts, reverse=True)]
    healthy = sum(1 for v in diagnosis.verdicts if v.state == "healthy")
    unknown = sum(1 for v in diagnosis.verdicts if v.state == "unknown")
    tail = f"{healthy} rules healthy" + (f", {unknown} could not be judged" if unknown else "")
    first = ", ".join(words) if words else "nothing found" if unknown else "nothing to do"
    worst = max(counts, default=None)
    hint = ""
    if worst is not None:
        slug = next(v for v in diagnosis.verdicts if any((f.severity or v.severity) == worst for f in v.findings)).id
        hint = f" · `slotwise explain {slug}` says more"
    tone = {None: "green", Severity.INFO: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}[worst]
    return ink(f"{first}; {tail} (exit {int(diagnosis.exit_code)}){hint}", tone, "bold")
