"""What Odoo needs of the way to its database, and what a probe's observation means for it. Pure.

A fix is proved when Odoo's needs are met *through the path*, the pooler included. Each probe observes one need; here
the observation becomes a verdict: the same observation is *broken* where Odoo depends on it and *not-needed* where it
does not.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.errors import ExitCode

CheckState = Literal["works", "broken", "not-needed", "unknown"]
NeededBy = Literal["odoo", "queue_job", "nobody"]
Fact = str | int | float | bool | None


class Seen(Struct, frozen=True):
    """One thing that was observed: its name and its value (None: not visible)."""

    name: str
    value: Fact


class Need(Struct, frozen=True, kw_only=True):
    """One thing that Odoo, or a part of it, asks of the path.

    ``needed_by`` says who cannot do without it: Odoo itself, OCA's queue_job, or nobody (only custom code may).
    ``fine`` and ``loss`` are what users have, or lose, in Odoo's words; ``harmless`` says why nobody misses it where it
    is not needed.
    """

    id: str
    needed_by: NeededBy
    fine: str
    loss: str
    harmless: str = ""


class Observation(Struct, frozen=True):
    """What one probe saw. ``worked`` None: it could not be told, and ``reason`` says why.

    ``needed_by`` overrides the Need's for what was seen (one half of a check may be needed and the other not).
    """

    worked: bool | None
    seen: tuple[Seen, ...] = ()
    reason: str | None = None
    remedy: str | None = None
    needed_by: NeededBy | None = None


class Demands(Struct, frozen=True):
    """Who uses the path. ``queue_job``: whether OCA's job runner works on this database, None where that is not known.

    ``also`` are ids of checks that the operator declares needed (custom code uses them).
    """

    queue_job: bool | None = None
    also: frozenset[str] = frozenset()


class Check(Struct, frozen=True):
    """The verdict on one need. ``consequence`` is a sentence in Odoo's words, ``evidence`` what was observed."""

    id: str
    state: CheckState
    consequence: str
    evidence: tuple[Seen, ...]
    remedy: str | None = None


class PathReport(Struct, frozen=True):
    """All checks of one path. ``path`` and ``direct`` are addresses without credentials; ``server_version`` as
    PostgreSQL's ``server_version_num``, ``through_pooler`` and it None where nothing answered. ``connections`` counts
    what was opened in all, ``most_connections`` at the same moment."""

    path: str
    database: str
    user: str | None
    direct: str | None
    server_version: int | None
    through_pooler: bool | None
    checks: tuple[Check, ...]
    seconds: float
    connections: int
    most_connections: int

    @property
    def exit_code(self) -> ExitCode:
        """FINDINGS where something that is needed is broken, else UNKNOWN where something could not be told."""
        states = {check.state for check in self.checks}
        if "broken" in states:
            return ExitCode.FINDINGS
        if "unknown" in states or not self.checks:
            return ExitCode.UNKNOWN
        return ExitCode.HEALTHY


def judged(need: Need, observed: Observation, demands: Demands) -> Check:
    """The verdict. What works is told as working whether needed or not; what could not be told stays unknown only
    where it is needed, or where nobody knows whether it is."""
    needed = _needed(need.id, observed.needed_by or need.needed_by, demands)
    seen = observed.seen
    if observed.reason is not None:
        seen = (*seen, Seen("reason", observed.reason))
    if observed.worked:
        return Check(need.id, "works", need.fine, seen)
    if needed is False:
        return Check(need.id, "not-needed", need.harmless or f"Odoo does not need it; custom code: {need.loss}", seen)
    if observed.worked is False and needed:
        return Check(need.id, "broken", need.loss, seen, observed.remedy)
    if observed.worked is False:
        doubt = "whether queue_job is installed could not be read; if it is: "
        return Check(need.id, "unknown", doubt + need.loss, seen, observed.remedy)
    return Check(need.id, "unknown", f"not known; where it is broken: {need.loss}", seen, observed.remedy)


def _needed(id_: str, by: NeededBy, demands: Demands) -> bool | None:
    if by == "odoo" or id_ in demands.also:
        return True
    return demands.queue_job if by == "queue_job" else False


def compared(check: Check, direct: Observation | None) -> Check:
    """The check with what the same probe saw on the direct way: whether the pooler is what breaks it."""
    if direct is None or check.state not in ("broken", "unknown", "not-needed"):
        return check
    word = {True: "works", False: "broken", None: "unknown"}[direct.worked]
    evidence = (*check.evidence, Seen("direct", word))
    if check.state != "broken" or direct.worked is None:
        return Check(check.id, check.state, check.consequence, evidence, check.remedy)
    cause = "the pooler breaks it" if direct.worked else "it is broken on the direct way too: not the pooler's doing"
    return Check(check.id, check.state, check.consequence, (*evidence, Seen("cause", cause)), check.remedy)
