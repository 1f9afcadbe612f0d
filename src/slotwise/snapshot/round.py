"""One round of observation as the history keeps it: counts, not sessions; no statement, no address, no secret.

What could not be seen is None with a reason in ``gap``, never zero.
"""

from __future__ import annotations

from msgspec import Struct


class HolderCount(Struct, frozen=True, array_like=True):
    """How many sessions of one state one process holds on one database as one role.

    ``role`` is the part that the process plays in Odoo, ``process`` its program's name, ``owner`` how sure that is
    (known, orphan, foreign, unknown). ``application`` is the group of application_name: numbers are left out, so that
    ``odoo-4121`` counts as ``odoo``. ``pid`` is None where the process is not visible.
    """

    role: str
    pid: int | None
    process: str | None
    database: str | None
    user: str | None
    application: str | None
    state: str
    count: int
    owner: str = "unknown"


class PoolCount(Struct, frozen=True, array_like=True):
    """One row of SHOW POOLS of the PgBouncer at ``address``, in connections; ``maxwait_seconds`` the longest wait."""

    address: str
    database: str
    user: str
    cl_active: int
    cl_waiting: int
    sv_active: int
    sv_idle: int
    sv_other: int
    maxwait_seconds: float


class FindingSeen(Struct, frozen=True, array_like=True):
    """A finding of a round: the rule's id and slug, the severity's word, and what it is about."""

    id: str
    slug: str
    severity: str
    subject: str | None = None


class Round(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One look at ``at`` (epoch seconds), or the sum of the looks of ``seconds`` from ``at`` on where ``seconds`` > 0.

    ``used``: slots taken; of a sum the peak, with ``used_least`` and ``used_mean`` beside it, and ``holders`` and
    ``pools`` as they were at the peak. None: nobody could count, and ``gap`` says why. ``walls`` counts refusals by the
    wall that refused (slotwise.walls) in what this look has read. ``looks`` and ``looks_known`` say how many looks a
    sum holds, and how many of them could count.

    ``judged`` says whether the rules were asked in this look: only then no finding means that there was none. None: an
    earlier slotwise kept the round and did not say. ``unjudged`` are the ids of rules that lacked evidence.

    ``pooled_transactions`` and ``pooled_transaction_seconds`` are what the PgBouncers on the way have counted since
    they started (SHOW STATS), of a sum as its last look saw them.
    """

    at: float
    used: int | None = None
    usable: int | None = None
    reserved: int | None = None
    max_connections: int | None = None
    holders: tuple[HolderCount, ...] = ()
    pools: tuple[PoolCount, ...] = ()
    walls: dict[str, int] = {}
    findings: tuple[FindingSeen, ...] = ()
    gap: str | None = None
    server_started_at: float | None = None
    in_recovery: bool | None = None
    oldest_idle_in_transaction_seconds: float | None = None
    pooled_transactions: int | None = None
    pooled_transaction_seconds: float | None = None
    seconds: float = 0.0
    used_least: int | None = None
    used_mean: float | None = None
    looks: int = 1
    looks_known: int | None = None
    judged: bool | None = None
    unjudged: tuple[str, ...] = ()

    @property
    def utilization_ratio(self) -> float | None:
        """used / usable; None where either is not known."""
        return self.used / self.usable if self.used is not None and self.usable else None


class Configured(Struct, frozen=True):
    """What was set from ``at`` (epoch seconds) on, by name (``max_connections``, ``odoo: workers``). A name that is not
    there was not seen, which is not the same as unset."""

    at: float
    values: dict[str, str]


START_TOLERANCE_SECONDS = 30.0
"""How far a start that looks a little later may lie before the last look and still be a new start."""
ESTIMATE_SECONDS = 10.0
"""How far two readings of one start may lie apart in a history of an earlier slotwise, which moved it to its own clock
by an estimate. Now it is kept as the server says it, and does not move."""


def is_restart(started_at: float, seen_at: float, now_started_at: float) -> bool:
    """Whether a server that had started at ``started_at`` when it was last seen, at ``seen_at``, has been restarted.

    Another start is a restart, also an earlier one: the server's clock may have been set back, or may differ from this
    host's. Readings that differ by less than an estimate's error are one only where the server cannot have been seen
    running before.
    """
    apart = abs(now_started_at - started_at)
    if apart > ESTIMATE_SECONDS:
        return True
    return apart > 1.0 and now_started_at > max(started_at, seen_at - START_TOLERANCE_SECONDS)
