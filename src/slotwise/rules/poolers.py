"""What the rules about PgBouncer share: the ones that Odoo goes through, each judged by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slotwise.capacity.pools import CONSOLE, PoolBound
from slotwise.capacity.routes import Routes
from slotwise.findings import Change, Finding, Fix, Manual, SetPgBouncer
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.session_kinds import NEVER_POOLED

NAME_THE_CONSOLE = "name its admin console with --pgbouncer DSN (a user of admin_users or stats_users)"


def each_pooler(
    routes: Routes, pgbouncers: PgBouncers | None, check: Callable[[PgBouncer], Iterator[Finding]]
) -> Iterator[Finding]:
    """What ``check`` finds in every PgBouncer that an Odoo instance goes through; nothing where all connect directly.

    Raises MissingEvidence at the end for a PgBouncer whose console did not answer, for a way that is not known, and for
    the first gap that ``check`` met. A PgBouncer that Odoo does not use is left alone.
    """
    missing: MissingEvidence | None = None
    for pgbouncer in pgbouncers.pgbouncers if pgbouncers is not None else ():
        if not routes.through(pgbouncer.address):
            continue
        try:
            yield from check(pgbouncer)
        except MissingEvidence as gap_here:
            missing = missing or gap_here
    for route in routes.routes:
        if route.kind == "unknown":
            gap = Unavailable(f"the way of {route.instance} to PostgreSQL", route.why, NAME_THE_CONSOLE)
            missing = missing or MissingEvidence(gap)
        elif route.kind == "pgbouncer" and route.pgbouncer is None:
            reason = f"{route.why}, and its console did not answer"
            missing = missing or MissingEvidence(
                Unavailable(f"PgBouncer of {route.instance}", reason, NAME_THE_CONSOLE)
            )
    if missing is not None:
        raise missing


def application_databases(pgbouncer: PgBouncer) -> tuple[str, ...]:
    """The databases that have a pool, without `postgres`, the templates and the console."""
    names = {p.database for p in pgbouncer.pools} - NEVER_POOLED - {CONSOLE}
    return tuple(sorted(names))


def cap_pools(bounds: list[tuple[str, PoolBound]], budget: int) -> Fix:
    """``max_user_connections`` for each PgBouncer so that together they open ``budget`` server connections at most."""
    shares = {address: budget * bound.total // sum(b.total for _, b in bounds) for address, bound in bounds}
    caps = {address: shares[address] // max(1, len(bound.users)) for address, bound in bounds}
    if min(caps.values()) < 1:
        step = Manual("free slots first: what connects directly leaves none for PgBouncer's pools")
        return Fix("the slots that are left do not bear any pool", (step,))
    changes: tuple[Change, ...] = tuple(
        SetPgBouncer(address, "max_user_connections", str(cap)) for address, cap in caps.items()
    )
    said = ", ".join(f"{cap} at {address}" for address, cap in caps.items())
    return Fix(
        f"cap each user's server connections: max_user_connections {said}",
        changes,
        "too few make clients wait: watch cl_waiting and maxwait (pool-starved)",
    )
