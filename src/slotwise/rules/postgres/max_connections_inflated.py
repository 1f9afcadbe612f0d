"""SW217 max-connections-inflated."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.slots import Slots
from slotwise.findings import Change, Finding, Fix, Manual, RestartServer, SetServerSetting, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_setting
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Server, Settings
from slotwise.snapshot.processes import Host, ServerProcesses

FEWEST = 300
"""Below this nobody is warned: idle slots cost shared memory of about 50 KB each at 64 locks, and little else."""
UNUSED_RATIO = 4.0
PER_CORE = 100
HEADROOM = 1.43
"""Demand divided by 0.7: 30 % stay free."""
DEFAULT = 100


@rule("SW217", Severity.INFO)
def max_connections_inflated(
    settings: Settings,
    slots: Slots,
    sessions: Sessions,
    demand: InstallationDemand | None,
    machine: Host | None,
    server_processes: ServerProcesses | None,
    server: Server | None,
) -> Iterator[Finding]:
    """max_connections is far above anything that the installation needs.

    **Why it matters.** It hides a leak until memory ends instead of slots: every session may take work_mem several
    times, and hundreds at work at once only slow each other down on a few cores.

    **Evidence.** max_connections of 300 or more, and more than four times the model's peak demand (or, where that is
    not known, than the sessions that are there); more than 100 a core of the database's own host is a warning.

    **Fix.** Lower it at the next restart to the peak with 30 % on top, and raise max_locks_per_transaction in the same
    restart, because the lock table shrinks with it. If the number was raised against `too many clients`, look at the
    other findings first. On a replicated pair lower the primary first.

    **When to ignore it.** When many instances will move to this server.
    """
    maximum = settings.integer("max_connections")
    if slots.used is None and demand is None:
        reason = f"{sessions.unclassified} rows may be client sessions or background workers"
        raise MissingEvidence(Unavailable(sessions.source, reason, "GRANT pg_monitor to the role of slotwise"))
    used = slots.used if slots.used is not None else slots.used_at_least
    peak = max(used, demand.figures.peak) if demand is not None else used
    cores = machine.cores if machine is not None and server_processes is not None and server_processes.chosen else None
    per_core = cores is not None and maximum > PER_CORE * cores
    if maximum < FEWEST or maximum <= UNUSED_RATIO * peak or (server is not None and server.in_recovery):
        return
    setting = settings.need("max_connections")
    needed = f"the model's peak is {peak}" if demand is not None else f"{used} sessions are there"
    crowded = f", {maximum / cores:.0f} for each of {cores:g} cores" if per_core and cores else ""
    yield Finding(
        f"max_connections is {maximum}, but {needed}{crowded}",
        (
            cite_setting(setting),
            cite("sessions", used, sessions.source),
            *((cite("peak demand", demand.figures.peak, demand.source),) if demand is not None else ()),
            *((cite("cores", cores, machine.source),) if machine is not None and cores is not None else ()),
        ),
        _fix(settings, maximum, max(DEFAULT, ceil(HEADROOM * peak) + slots.reserved)),
        severity=Severity.WARNING if per_core else Severity.INFO,
    )


def _fix(settings: Settings, maximum: int, target: int) -> Fix:
    lowered = SetServerSetting("max_connections", str(target), True)
    restart = RestartServer("max_connections is lowered")
    if settings.need("max_connections").source == "command line":
        text = f"lower max_connections to {target} where the server's command line is made (patronictl edit-config)"
        return Fix(f"lower it to {target} where it is passed, at a planned restart", (Manual(text),))
    changes: tuple[Change, ...] = (lowered, restart)
    locks = _locks(settings, maximum, target)
    if locks is not None:
        changes = (SetServerSetting("max_locks_per_transaction", str(locks), True), *changes)
    return Fix(
        f"lower it to {target} at a planned restart, after the demand was checked",
        changes,
        "the lock table shrinks with it (out of shared memory in pg_dump or -u); a restart ends every session",
    )


def _locks(settings: Settings, maximum: int, target: int) -> int | None:
    """max_locks_per_transaction that keeps the lock table as large as it is: it has max_locks_per_transaction ×
    (MaxBackends + max_prepared_transactions) entries (src/backend/storage/lmgr/lock.c, NLOCKENTS, 12 to 18)."""
    names = ("max_locks_per_transaction", "autovacuum_max_workers", "max_worker_processes", "max_wal_senders")
    if any(settings.find(name) is None for name in names):
        return None
    per, *others = (settings.integer(name) for name in names)
    prepared = settings.integer("max_prepared_transactions") if settings.find("max_prepared_transactions") else 0
    fixed = sum(others) + 1 + prepared
    return ceil(per * (maximum + fixed) / (target + fixed))
