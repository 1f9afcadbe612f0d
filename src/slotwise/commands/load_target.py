"""Whether a target may be loaded, and what it looked like before."""

from __future__ import annotations

from collections.abc import Sequence

from slotwise.collectors.runner import Request, collect
from slotwise.errors import OperatorError
from slotwise.load.safety import objections, reserve_objection
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot


def inspected(
    looking: Request,
    databases: Sequence[str],
    places: Sequence[str | None],
    role: str | None,
    is_staging: bool,
) -> Snapshot:
    """The Snapshot before the test. Raises OperatorError where the target may be production, or cannot be seen, or
    where the role that would load it could take the reserve."""
    snapshot, _ = collect(looking)
    if isinstance(snapshot.activity, Unavailable) and not is_staging:
        gap = snapshot.activity
        raise OperatorError(f"the server cannot be seen: {gap.source}: {gap.reason}", gap.remedy)
    found = objections(snapshot, databases, places)
    if found and not is_staging:
        raise OperatorError(
            f"the target looks like production: {'; '.join(found)}",
            "load a staging server; if this is one, say so with --target-is-staging",
        )
    reserve = reserve_objection(snapshot, role)
    if reserve is not None:
        raise OperatorError(reserve, "connect as an ordinary role, as Odoo does")
    return snapshot
