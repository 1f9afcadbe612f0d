"""What the memory of one machine is used for, measured where it can be, and what ordinary work and the settings add.

Only private memory of a backend counts for it (RSS counts shared_buffers once per backend); only as many statements
sort at once as run at once, so ``work_mem × max_connections`` is not a figure that anything reaches.
"""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Setting, Settings
from slotwise.snapshot.processes import Host, Memory, Processes
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "16kB": 16384, "MB": 1024**2, "GB": 1024**3}
ODOO_PROCESS_ROLES = frozenset({"master", "http_worker", "cron_worker", "gevent", "threaded"})


class MemoryUse(Struct, frozen=True):
    """Bytes by what they are for. ``backends`` is private memory, ``sorts`` work_mem of statements at once, ``odoo``
    its processes."""

    shared_buffers: int
    backends: int
    sorts: int
    odoo: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.shared_buffers + self.backends + self.sorts + self.odoo

    @property
    def largest(self) -> str:
        """The name of the term that dominates."""
        terms = {
            "shared_buffers": self.shared_buffers,
            "backends": self.backends,
            "sorts": self.sorts,
            "odoo": self.odoo,
        }
        return max(terms, key=lambda name: terms[name])


class MemoryFacts(Struct, frozen=True):
    """What was measured: mean private bytes of an application backend (of ``sampled``), sessions and running statements
    now, Odoo's processes now and what its limits let them grow to (None: no limit)."""

    limit_bytes: int
    available_bytes: int | None
    backend_bytes: int
    sampled: int
    sessions: int
    active: int
    statement_bytes: int
    shared_buffers_bytes: int
    odoo_bytes: int
    odoo_limit_bytes: int | None
    odoo_processes: int


def setting_bytes(setting: Setting) -> int:
    """A memory setting in bytes. Raises MissingEvidence where value or unit is not what PostgreSQL shows."""
    if not setting.value.isdigit() or (setting.unit or "B") not in UNITS:
        gap = Unavailable(f"setting {setting.name}", f"{setting.value!r} {setting.unit} is no size", "read pg_settings")
        raise MissingEvidence(gap)
    return int(setting.value) * UNITS[setting.unit or "B"]


def memory_facts(
    machine: Host, memory: Memory, settings: Settings, sessions: Sessions, processes: Processes, odoo: Odoo
) -> MemoryFacts:
    """The measured side. Raises MissingEvidence where no backend, or not every Odoo process here, could be measured."""
    measured = {p.pid: p for p in memory.processes}
    backend_bytes, sampled = _backend_bytes(
        measured_private={p.pid: p.private_bytes for p in memory.processes}, of=sessions
    )
    pids = [p.pid for p in processes.processes if p.role in ODOO_PROCESS_ROLES]
    if any(pid not in measured for pid in pids):
        remedy = "run doctor as root on the machine that Odoo runs on"
        raise MissingEvidence(Unavailable("memory of Odoo's processes", "not all could be measured", remedy))
    here = [i for i in odoo.instances if i.processes]
    return MemoryFacts(
        limit_bytes=min(machine.memory_bytes, machine.memory_limit_bytes or machine.memory_bytes),
        available_bytes=machine.memory_available_bytes if machine.memory_limit_bytes is None else None,
        backend_bytes=backend_bytes,
        sampled=sampled,
        sessions=len(sessions.held),
        active=sum(1 for h in sessions.held if h.backend.state == "active"),
        statement_bytes=int(setting_bytes(settings.need("work_mem")) * _hash_multiplier(settings)),
        shared_buffers_bytes=setting_bytes(settings.need("shared_buffers")),
        odoo_bytes=sum(measured[pid].pss_bytes for pid in pids),
        odoo_limit_bytes=_limit(here),
        odoo_processes=sum(_processes(i) for i in here),
    )


def _backend_bytes(measured_private: dict[int, int], of: Sessions) -> tuple[int, int]:
    """Sessions that LISTEN on `postgres` are far smaller than those that serve requests, so they do not count where
    others were measured."""
    rows = [h.backend for h in of.held if h.backend.pid in measured_private]
    working = [b for b in rows if b.database != MAINTENANCE_DATABASE] or rows
    if not working:
        remedy = "run doctor as root on the machine that PostgreSQL runs on"
        raise MissingEvidence(Unavailable("private memory of backends", "none could be measured", remedy))
    return sum(measured_private[b.pid] for b in working) // len(working), len(working)


def _hash_multiplier(settings: Settings) -> float:
    """hash_mem_multiplier, 13 and later; before, a hash takes work_mem like a sort."""
    found = settings.find("hash_mem_multiplier")
    if found is None:
        return 1.0
    try:
        return float(found.value)
    except ValueError:
        return 1.0


def _processes(instance: OdooInstance) -> int:
    """Processes that grow: HTTP and cron workers and gevent, or the one threaded process."""
    workers = max(0, instance.integer("workers"))
    if workers == 0:
        return 1
    return workers + max(0, instance.integer("max_cron_threads")) + 1


def _limit(instances: list[OdooInstance]) -> int | None:
    """limit_memory_soft × processes; None where an instance has none (0), and nothing is recycled."""
    total = 0
    for instance in instances:
        soft = instance.integer("limit_memory_soft")
        if soft <= 0:
            return None
        total += soft * _processes(instance)
    return total


def now(facts: MemoryFacts) -> MemoryUse:
    """What is in use, as far as the measurements show."""
    return MemoryUse(facts.shared_buffers_bytes, facts.sessions * facts.backend_bytes, 0, facts.odoo_bytes)


def at_work(facts: MemoryFacts, connections: int, cores: float) -> MemoryUse:
    """At ordinary work: ``connections`` sessions, and a statement that sorts on each core."""
    busy = max(facts.active, int(cores))
    return MemoryUse(
        facts.shared_buffers_bytes,
        max(facts.sessions, connections) * facts.backend_bytes,
        busy * facts.statement_bytes,
        facts.odoo_bytes,
    )


def at_limits(facts: MemoryFacts, connections: int, cores: float) -> MemoryUse:
    """What the limits allow: ``connections`` sessions, and every Odoo process at limit_memory_soft."""
    work = at_work(facts, connections, cores)
    return MemoryUse(work.shared_buffers, work.backends, work.sorts, max(facts.odoo_bytes, facts.odoo_limit_bytes or 0))
