"""SW401 memory-overcommit."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.memory_budget import MemoryFacts, MemoryUse, at_limits, at_work, memory_facts, now
from slotwise.capacity.supply import Supply
from slotwise.findings import Change, Finding, Fix, Manual, SetServerSetting, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option, cite_setting
from slotwise.rules.instances import set_option
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Settings
from slotwise.snapshot.processes import Host, Memory, Processes

MIB = 1024 * 1024
LEAST_SOFT_LIMIT_BYTES = 640 * MIB
"""Below it ordinary workers would be recycled all the time: a light one takes 150 MB, a heavy one 1 GB."""

LEAST_WORK_MEM_KB = 4096
"""PostgreSQL's default."""

SHARED_BUFFERS_SHARE = 0.25
"""https://www.postgresql.org/docs/current/runtime-config-resource.html: a quarter of the RAM is a reasonable start."""

NAMES = {
    "shared_buffers": "shared_buffers",
    "backends": "PostgreSQL's backends",
    "sorts": "work_mem of statements that run at once",
    "odoo": "Odoo's processes",
}


@rule("SW401", Severity.WARNING)
def memory_overcommit(
    machine: Host,
    memory: Memory,
    settings: Settings,
    sessions: Sessions,
    processes: Processes,
    odoo: Odoo,
    demand: InstallationDemand,
    supply: Supply,
) -> Iterator[Finding]:
    """Connections, sorts, shared_buffers and Odoo's processes together need more memory than the machine has.

    **Why it matters.** The kernel then kills a process. When it takes a backend, PostgreSQL restarts and every session
    is gone; when it takes a worker, a request is. Under a cgroup limit (a container, a systemd unit) it happens while
    the machine still has memory.

    **Evidence.** Measured: private memory of a sample of backends (not RSS, which counts shared_buffers once for each),
    the memory of every Odoo process, what the kernel calls available, and the cgroup limit. Critical only where the
    connections of ordinary work do not fit into what is available now; a warning where ordinary work, with a sorting
    statement on each core, is above the limit; only mentioned where the limits allow it (every slot taken, every
    process at limit_memory_soft). work_mem × max_connections is not used: nothing reaches it.

    **Fix.** The term that dominates: `limit_memory_soft` or `workers`, `work_mem`, `shared_buffers`, or fewer slots.

    **When to ignore it.** The mention: where processes never come near their limits, and somebody watches that.
    """
    facts = memory_facts(machine, memory, settings, sessions, processes, odoo)
    typical = demand.figures.typical
    slots = max(supply.usable or 0, typical)
    work, limits = at_work(facts, typical, machine.cores), at_limits(facts, slots, machine.cores)
    more = max(0, typical - facts.sessions) * facts.backend_bytes
    if facts.available_bytes is not None and more > facts.available_bytes:
        severity, use = Severity.CRITICAL, work
        said = (
            f"ordinary work takes {typical - facts.sessions} connections more, {_mib(more)}, but only"
            f" {_mib(facts.available_bytes)} are available"
        )
    elif work.total > facts.limit_bytes:
        severity, use = Severity.WARNING, work
        said = f"ordinary work needs {_mib(work.total)} of {_mib(facts.limit_bytes)}"
    elif limits.total > facts.limit_bytes:
        severity, use = Severity.INFO, limits
        said = f"the limits allow {_mib(limits.total)}, the machine has {_mib(facts.limit_bytes)}"
    else:
        return
    yield Finding(
        f"{said}; most of it is {NAMES[use.largest]}: {_terms(use)}",
        (
            cite("memory", facts.limit_bytes, "cgroup limit" if machine.memory_limit_bytes else machine.source),
            cite("available", machine.memory_available_bytes, machine.source),
            cite("private bytes of a backend", facts.backend_bytes, f"mean of {facts.sampled}, {memory.source}"),
            cite("in use now", now(facts).total, memory.source),
            cite("typical connections", typical, demand.source),
            cite("usable slots", supply.usable, "max_connections less the reserves"),
            cite_setting(settings.need("shared_buffers")),
            cite_setting(settings.need("work_mem")),
            *(cite_option(i, "limit_memory_soft") for i in odoo.instances if i.processes),
        ),
        _fix(use, facts, odoo, supply, demand),
        severity=severity,
    )


def _mib(count: int) -> str:
    return f"{count / MIB:.0f} MiB"


def _terms(use: MemoryUse) -> str:
    return (
        f"shared_buffers {_mib(use.shared_buffers)} + backends {_mib(use.backends)} + sorts {_mib(use.sorts)}"
        f" + Odoo {_mib(use.odoo)} = {_mib(use.total)}"
    )


def _fix(use: MemoryUse, facts: MemoryFacts, odoo: Odoo, supply: Supply, demand: InstallationDemand) -> Fix:
    """What to lower: the dominating term, to what is left beside the others, never below what it needs itself."""
    match use.largest:
        case "odoo":
            return _for_odoo(facts.limit_bytes - (use.total - use.odoo), facts, odoo)
        case "sorts":
            beside = facts.limit_bytes - (use.total - use.sorts)
            return _for_work_mem(beside, use.sorts, facts)
        case "shared_buffers":
            size = int(facts.limit_bytes * SHARED_BUFFERS_SHARE) // 8192
            step = SetServerSetting("shared_buffers", str(size), True)
            if size * 8192 < facts.shared_buffers_bytes:
                return Fix(f"lower shared_buffers to {size * 8 // 1024} MB, a quarter of the memory", (step,))
    left = (facts.limit_bytes - (use.total - use.backends)) // facts.backend_bytes
    wanted = left + supply.reserved
    if wanted >= demand.figures.peak + supply.reserved and wanted < (supply.max_connections or 0):
        lower = SetServerSetting("max_connections", str(wanted), True)
        return Fix(f"lower max_connections to {wanted}: more sessions the memory does not bear", (lower,))
    step_aside = Manual("put a PgBouncer between Odoo and PostgreSQL, or give the machine more memory")
    return Fix("fewer server sessions: a PgBouncer in transaction mode, or fewer workers", (step_aside,))


def _for_odoo(beside: int, facts: MemoryFacts, odoo: Odoo) -> Fix:
    here = [i for i in odoo.instances if i.processes]
    each = beside // max(1, facts.odoo_processes)
    soft = max(LEAST_SOFT_LIMIT_BYTES, each)
    changes: tuple[Change, ...] = ()
    for instance in here:
        if instance.integer("limit_memory_soft") > soft:
            changes += set_option(instance, "limit_memory_soft", soft)
    if changes:
        risk = "a worker above the limit is replaced after its request: too low a limit replaces them all the time"
        return Fix(f"limit_memory_soft = {soft} ({_mib(soft)}) for {facts.odoo_processes} processes", changes, risk)
    for instance in here:
        workers = instance.integer("workers")
        if workers > 2:
            changes += set_option(instance, "workers", max(2, workers // 2))
    if changes:
        return Fix("fewer workers: the processes do not fit even at the smallest limit", changes)
    return Fix("more memory, or PostgreSQL on a machine of its own", (Manual("move PostgreSQL, or add memory"),))


def _for_work_mem(beside: int, sorts: int, facts: MemoryFacts) -> Fix:
    statements = max(1, sorts // max(1, facts.statement_bytes))
    kilobytes = max(LEAST_WORK_MEM_KB, beside // statements // 2 // 1024)
    if kilobytes * 1024 >= facts.statement_bytes:
        return Fix("fewer statements at once: a PgBouncer in transaction mode", (Manual("put a PgBouncer in between"),))
    step = SetServerSetting("work_mem", str(kilobytes), False)
    risk = "larger sorts go to disk; set it per role or per report where they matter"
    return Fix(f"lower work_mem to {kilobytes} kB", (step,), risk)
