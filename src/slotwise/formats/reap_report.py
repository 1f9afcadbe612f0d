"""reap in words and as JSON (``slotwise.reap/1``): who would be ended or was, why, and who was spared."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from slotwise.errors import ExitCode
from slotwise.fixes.reaping import Condemned, Round
from slotwise.formats.doctor_json import utc
from slotwise.formats.terminal import Ink, duration, paragraph, shortened
from slotwise.snapshot.evidence import Unavailable

SCHEMA = "slotwise.reap/1"


class ActLine(Struct, frozen=True):
    """What became of one session: the signals sent, the outcome, the server's words if any."""

    condemned: Condemned
    signals: tuple[str, ...]
    outcome: str
    words: str | None


class ReapReport(Struct, frozen=True):
    """One round as the formats need it. ``acts`` None: a dry run."""

    taken_at: float
    judgement: Round | Unavailable
    acts: tuple[ActLine, ...] | None
    audit_file: str | None
    unable: str | None
    exit_code: ExitCode


def reap_json(report: ReapReport) -> str:
    """The round as one JSON document, and a newline."""
    return msgspec.json.format(msgspec.json.encode(_document(report)), indent=2).decode() + "\n"


def _document(report: ReapReport) -> dict[str, Any]:
    seen = report.judgement
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "taken_at": utc(report.taken_at),
        "dry_run": report.acts is None,
        **(_nothing(seen) if isinstance(seen, Unavailable) else _round(seen)),
        "acts": None if report.acts is None else [_act(a) for a in report.acts],
        "audit_file": report.audit_file,
        "exit_code": int(report.exit_code),
    }
    return {"unable": report.unable, **document}


def _nothing(gap: Unavailable) -> dict[str, Any]:
    """What is not known is null; ``unable`` says why."""
    names = ("condemned", "deferred", "spared", "unseen", "judged", "caution")
    return {**dict.fromkeys(names), "unable": f"{gap.source}: {gap.reason}"}


def _round(seen: Round) -> dict[str, Any]:
    return {
        "condemned": [_session(c) for c in seen.condemned],
        "deferred": seen.deferred,
        "spared": [
            {
                "pid": s.pid,
                "state": s.kind,
                "seconds": round(s.seconds, 3),
                "database": s.database,
                "reason": s.protection.reason,
                "certain": s.protection.certain,
            }
            for s in seen.spared
        ],
        "unseen": seen.unseen,
        "judged": seen.judged,
        "caution": seen.caution,
    }


def _act(act: ActLine) -> dict[str, Any]:
    return {"pid": act.condemned.pid, "signals": list(act.signals), "outcome": act.outcome, "words": act.words}


def _session(one: Condemned) -> dict[str, Any]:
    return {
        "pid": one.pid,
        "backend_start": one.backend_start,
        "state": one.kind,
        "seconds": round(one.seconds, 3),
        "database": one.database,
        "user": one.user,
        "application_name": one.application_name,
        "client": one.client,
        "owner": one.owner,
        "reason": one.reason,
        "query": one.query,
    }


def reap_text(report: ReapReport, *, colour: bool = False, width: int = 100) -> str:
    """The round as lines for a terminal, with a newline at the end."""
    ink = Ink(colour)
    seen = report.judgement
    if isinstance(seen, Unavailable):
        return "\n".join([f"nothing was judged: {seen.source}: {seen.reason}", f"  do: {seen.remedy}"]) + "\n"
    lines = [*_judged(report, seen, ink, width), *_spared(seen, ink, width)]
    if seen.unseen:
        lines += paragraph(
            f"{seen.unseen} sessions could not be judged: too little of them is visible. GRANT pg_monitor TO the role",
            width,
            "",
        )
    if seen.caution is not None:
        lines += paragraph(seen.caution, width, "  ", ink("caution: ", "yellow"))
    if report.unable is not None:
        lines += paragraph(report.unable, width, "  ", ink("could not go on: ", "red"))
    if report.acts is None and seen.condemned:
        lines.append("This was a dry run: nobody was ended. --apply ends them.")
    elif report.acts:
        lines.append(f"audit log: {report.audit_file}")
    return "\n".join(lines) + "\n"


def _judged(report: ReapReport, seen: Round, ink: Ink, width: int) -> list[str]:
    if not seen.condemned:
        return [f"{seen.judged} sessions looked at: the policy condemns none"]
    verb = "would be ended" if report.acts is None else "condemned"
    more = f", {seen.deferred} more in later rounds" if seen.deferred else ""
    lines = [f"{seen.judged} sessions looked at, {len(seen.condemned)} {verb}{more}:"]
    acts = {act.condemned.pid: act for act in report.acts or ()}
    for one in seen.condemned:
        act = acts.get(one.pid)
        word = f"  {_became(act)}" if act is not None else ("" if report.acts is None else "  not reached")
        head = f"  pid {one.pid}  {one.kind} {duration(one.seconds)}  {one.database}  {one.user}  {one.owner}"
        lines.append(ink(shortened(head, width) + word, "bold"))
        lines += paragraph(
            f"{one.reason}; last statement: {shortened(one.query or 'not visible', 120)}", width, "      "
        )
    return lines


def _became(act: ActLine) -> str:
    words = f" ({act.words})" if act.words else ""
    if act.outcome == "refused":
        words += "; GRANT pg_signal_backend TO the role"
    return f"→ {act.outcome}{words}"


def _spared(seen: Round, ink: Ink, width: int) -> list[str]:
    if not seen.spared:
        return []
    lines = [f"{len(seen.spared)} spared although the policy's time is over:"]
    for one in seen.spared:
        text = f"pid {one.pid}  {one.kind} {duration(one.seconds)}  {one.database}: {one.protection.reason}"
        lines += [ink(line, "dim") for line in paragraph(text, width, "      ", "  ")]
    return lines
