"""What the rules about demand and supply share: the arithmetic in words, and a remedy that was tried out first."""

from __future__ import annotations

import math

from slotwise.capacity.demand import Demand
from slotwise.capacity.from_snapshot import InstallationDemand, through
from slotwise.capacity.headroom import DEFAULT_HEADROOM_RATIO
from slotwise.capacity.refit import Goal, Refit, Wanted, refit
from slotwise.capacity.supply import Supply
from slotwise.findings import Change, Evidence, Fix, Manual, SetServerSetting
from slotwise.rules.evidence import cite
from slotwise.rules.instances import set_option
from slotwise.rules.poolers import cap_pools
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Host, Memory

GUIDE_BYTES_PER_CONNECTION = 10 * 1024 * 1024
"""The guide's figure for a connection. Measured on small databases 2.5 to 3.4 MB, on large ones 9 to 17 MB."""

MIB = 1024 * 1024
LABELS = {
    "http_worker": "HTTP workers",
    "cron_worker": "cron workers",
    "other": "other sessions",
    "raw": "raw connections of addons",
    "queue_job": "queue_job runner's databases",
    "shell": "shells",
}
MOMENTS = ("typical", "peak", "ceiling")


def usable_slots(supply: Supply) -> int:
    """Slots for Odoo's role. Raises MissingEvidence where max_connections was not read."""
    if supply.usable is None:
        raise MissingEvidence(Unavailable("max_connections", "was not read", "run doctor where it can connect"))
    return supply.usable


def need_all_seen(demand: InstallationDemand, beyond: bool) -> None:
    """Raises MissingEvidence where a healthy answer would rest on a lower bound: sessions of others unseen, or
    databases in use unknown while all of them together would be ``beyond`` the slots."""
    if demand.others is None:
        raise MissingEvidence(
            Unavailable("sessions of other clients", "were not seen", "run doctor where it can connect, or as root")
        )
    if beyond and not demand.certain:
        reason = "HTTP workers have not run long enough to show which databases they serve, and all would not fit"
        remedy = "set db_name to the databases meant, or run doctor again after ten minutes of ordinary work"
        raise MissingEvidence(Unavailable("databases in use", reason, remedy))


def arithmetic(demand: InstallationDemand, moment: str) -> str:
    """How the figure of ``moment`` comes about: ``4 HTTP workers × 2 + 2 cron workers × 4 + 1 gevent × 6 = 22``."""
    of = demand.most if moment == "ceiling" else demand.likely
    parts = [_words(of, role, moment) for role in dict.fromkeys(term.role for term in of.terms)]
    parts += [f"{getattr(through(pool), moment)} through PgBouncer {pool.address}" for pool in demand.pooled]
    return f"{' + '.join(p for p in parts if p) or '0'} = {getattr(demand.figures, moment)}"


def _words(of: Demand, role: str, moment: str) -> str:
    """One role: processes × connections where each process holds the same, else their sum."""
    terms = [t for t in of.terms if t.role == role and getattr(t.count, moment)]
    if not terms:
        return ""
    many = terms[0].processes
    name = LABELS.get(role, role) if many > 1 else role.replace("_", " ")
    if len({t.processes for t in terms}) == 1:
        each = sum(getattr(t.per_process, moment) for t in terms)
        return f"{many} {name} × {each}"
    return f"{sum(getattr(t.count, moment) for t in terms)} of {name}"


def cite_demand(demand: InstallationDemand, supply: Supply) -> tuple[Evidence, ...]:
    """The figures side by side, the guide's among them."""
    figures = demand.figures
    found = [cite(f"{moment} demand", getattr(figures, moment), arithmetic(demand, moment)) for moment in MOMENTS]
    found.append(cite("guide", demand.guide, "workers × (1 + max_cron_threads) × 2 + longpolling_workers × 2 + 10"))
    found.append(cite("usable slots", supply.usable, "max_connections less the reserves"))
    found.append(cite("max_connections", supply.max_connections, "pg_settings max_connections"))
    if supply.usable_next is not None and supply.usable_next != supply.usable:
        found.append(cite("usable slots at the next start", supply.usable_next, "pending values"))
    return tuple(found)


def of_slots(supply: Supply) -> str:
    """The supply in words: ``97 usable slots (max_connections 100 less 3 reserved)``."""
    return f"{supply.usable} usable slots (max_connections {supply.max_connections} less {supply.reserved} reserved)"


def remedy(
    demand: InstallationDemand,
    supply: Supply,
    goal: Goal,
    needed: int,
    odoo: Odoo,
    memory_per_connection: tuple[int, str],
    machine: Host | None,
) -> Fix:
    """Settings of Odoo that were tried out and fit; else a PgBouncer; and max_connections last, with what it costs.

    ``goal`` is the least that must be reached, ``needed`` how many slots would have to be usable if nothing else
    changed.
    """
    if not demand.direct and demand.pooled:
        budget = int(usable_slots(supply) * (1 - DEFAULT_HEADROOM_RATIO)) - demand.likely.typical
        return cap_pools([(p.address, p.likely) for p in demand.pooled], budget)
    found = refit(demand, _ladder(usable_slots(supply), goal))
    if found is not None:
        figures = found.figures
        return Fix(
            f"{settings_in_words(found)}: typical {figures.typical}, peak {figures.peak}, ceiling {figures.ceiling}"
            f" of {supply.usable}",
            changes_of(found, odoo),
            "fewer workers serve fewer requests at once; a smaller pool raises `The Connection Pool Is Full` where an"
            " addon opens many cursors, and makes workers reconnect where they serve more databases than it holds",
        )
    return _beyond_settings(demand, supply, needed, memory_per_connection, machine)


def _ladder(usable: int, goal: Goal) -> tuple[Wanted, ...]:
    """Everything fits, the ceiling too; else peak and headroom fit; else the headroom; else the goal itself."""
    roomy = int(usable * (1 - DEFAULT_HEADROOM_RATIO))
    return (
        Wanted(lambda f: goal(f) and f.typical <= roomy and f.ceiling <= usable, False),
        Wanted(lambda f: goal(f) and f.typical <= roomy and f.peak <= usable, True),
        Wanted(lambda f: goal(f) and f.typical <= roomy, True),
        Wanted(goal, True),
    )


def changes_of(found: Refit, odoo: Odoo) -> tuple[Change, ...]:
    """The options of a Refit as changes, where they are set now."""
    changes: tuple[Change, ...] = ()
    for resized in found.resized:
        instance = next(i for i in odoo.instances if i.id == resized.instance)
        for name in ("workers", "db_maxconn", "db_maxconn_gevent"):
            value = getattr(resized, name)
            if value is not None:
                changes += set_option(instance, name, value)
    return changes


def settings_in_words(found: Refit) -> str:
    """The options of a Refit: ``set db_maxconn = 8, db_maxconn_gevent = 48``."""
    said = []
    for resized in found.resized:
        values = [
            f"{name} = {getattr(resized, name)}"
            for name in ("workers", "db_maxconn", "db_maxconn_gevent")
            if getattr(resized, name) is not None
        ]
        if values:
            said.append(("" if len(found.resized) == 1 else f"{resized.instance}: ") + ", ".join(values))
    return "set " + "; ".join(said)


def _beyond_settings(
    demand: InstallationDemand,
    supply: Supply,
    needed: int,
    memory_per_connection: tuple[int, str],
    machine: Host | None,
) -> Fix:
    wanted = needed + supply.reserved
    more = max(0, wanted - (supply.max_connections or 0))
    each, measured = memory_per_connection
    cost = more * each
    spare = machine.memory_available_bytes if machine is not None else None
    steps: tuple[Change, ...] = (
        Manual(
            "put a PgBouncer between Odoo and PostgreSQL: transaction mode for the application databases, session mode"
            " for database postgres, a cap by max_user_connections (slotwise plan sizes it)"
        ),
    )
    price = (
        f"{more} more slots cost about {cost / MIB:.0f} MiB ({each / MIB:.1f} MiB a connection, {measured}; the guide:"
        f" {more * GUIDE_BYTES_PER_CONNECTION / MIB:.0f} MiB)"
    )
    if spare is not None and spare > cost:
        steps += (SetServerSetting("max_connections", str(wanted), True),)
        last = (
            f"only where that is impossible raise max_connections to {wanted}: {price}, {spare / MIB:.0f} MiB are free"
        )
    elif spare is not None:
        last = f"raising max_connections to {wanted} is no way out: {price}, and only {spare / MIB:.0f} MiB are free"
    else:
        last = f"max_connections {wanted} would do as well, if the memory is there: {price}"
    return Fix(
        f"no odoo.conf with two workers fits: put a PgBouncer in between; {last}",
        steps,
        "raising max_connections restarts PostgreSQL and ends every session",
    )


def slots_for(connections: int) -> int:
    """Usable slots that leave the headroom at ``connections``."""
    return math.ceil(connections / (1 - DEFAULT_HEADROOM_RATIO))


def memory_per_connection(memory: Memory | None, sessions: Sessions | None) -> tuple[int, str]:
    """Private bytes of one backend and where the figure comes from: measured on this server, else the guide's."""
    pids = {h.backend.pid for h in sessions.held} if sessions is not None else set()
    measured = [p.private_bytes for p in memory.processes if p.pid in pids] if memory is not None else []
    if not measured:
        return GUIDE_BYTES_PER_CONNECTION, "the guide's figure, not measured here"
    return max(1, sum(measured) // len(measured)), f"mean of {len(measured)} backends"
