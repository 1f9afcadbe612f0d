"""Groups sessions by who holds them: one process, one client elsewhere, or one client that nobody could see."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.ownership import Certainty, Held, Sessions
from slotwise.snapshot.postgres import Backend
from slotwise.snapshot.processes import Processes, ProcessRole
from slotwise.snapshot.session_kinds import has_odoo_name

ODOO_ROLES: frozenset[ProcessRole] = frozenset(
    ("master", "http_worker", "cron_worker", "gevent", "threaded", "shell", "queue_job", "cli")
)
"""The parts an Odoo process plays."""

ONE_AT_A_TIME: frozenset[ProcessRole] = frozenset(("http_worker", "cron_worker"))
"""Prefork workers: one request, one job at a time (odoo/service/server.py, WorkerHTTP and WorkerCron, 17.0 to 19.0)."""

POOLER_NAME = "pgbouncer"


class Holder(Struct, frozen=True):
    """Somebody with every session that he holds. ``pid`` and ``instance`` are None where the process is not known.

    ``pooler`` says that the sessions end at a PgBouncer: they belong to many clients and say nothing about one of them.
    """

    certainty: Certainty
    pid: int | None
    role: ProcessRole
    instance: str | None
    label: str
    pooler: bool
    held: tuple[Held, ...]

    @property
    def is_odoo(self) -> bool:
        """Whether an Odoo process of this host certainly holds the sessions."""
        return self.certainty == "known" and self.role in ODOO_ROLES


def holders(sessions: Sessions, processes: Processes | None = None) -> tuple[Holder, ...]:
    """Every holder, in the order of the first session. A session behind a pooler is counted for the process at the
    pooler's far side where the pooler showed that, else for the pooler."""
    groups: dict[tuple[object, ...], list[Held]] = {}
    for held in sessions.held:
        groups.setdefault(_key(held), []).append(held)
    return tuple(_holder(tuple(group), processes) for group in groups.values())


def _key(held: Held) -> tuple[object, ...]:
    owner, backend = held.owner, held.backend
    if owner.behind is not None:
        return ("behind", owner.behind)
    if owner.pid is not None:
        return ("pid", owner.pid)
    if owner.certainty == "orphan":
        return ("orphan", backend.pid)
    return (owner.certainty, backend.client_addr, backend.application_name, backend.user)


def _holder(group: tuple[Held, ...], processes: Processes | None) -> Holder:
    owner, backend = group[0].owner, group[0].backend
    if owner.behind is not None:
        process = processes.find(owner.behind) if processes is not None else None
        role: ProcessRole = process.role if process is not None else "unknown"
        instance = process.instance if process is not None else None
        label = f"{_role_word(role, process.name if process else None)} {owner.behind} (through PgBouncer)"
        return Holder("known", owner.behind, role, instance, label, False, group)
    if owner.pid is not None:
        label = f"{_role_word(owner.role, owner.name)} {owner.pid}"
        return Holder("known", owner.pid, owner.role, owner.instance, label, owner.name == POOLER_NAME, group)
    if owner.certainty == "orphan":
        return Holder("orphan", None, "unknown", None, f"backend {backend.pid} (its client is gone)", False, group)
    return Holder(owner.certainty, None, "unknown", None, client_words(backend), False, group)


def _role_word(role: ProcessRole, name: str | None) -> str:
    return role if role != "unknown" else name or "process"


def client_words(backend: Backend) -> str:
    """A client whose process is not known, in words: its name, role and address as far as PostgreSQL shows them."""
    name = f"application {backend.application_name!r}" if backend.application_name else "an unnamed client"
    user = f" of role {backend.user}" if backend.user else ""
    where = f" on {backend.client_addr}" if backend.client_addr else ""
    return name + user + where


def short_statement(query: str | None, width: int = 80) -> str:
    """A statement on one line, at most ``width`` characters."""
    if query is None:
        return "not visible"
    line = " ".join(query.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def unseen_states(sessions: Sessions) -> Unavailable | None:
    """The gap that masked rows leave: sessions whose state nobody could see, which must not be taken for idle ones."""
    unseen = [h for h in sessions.held if h.backend.state is None or h.backend.state == "disabled"]
    if not unseen and sessions.unclassified == 0:
        return None
    hidden = len(unseen) + sessions.unclassified
    reason = f"the state of {hidden} sessions is not visible to this role"
    return Unavailable(sessions.source, reason, "GRANT pg_monitor to the role that slotwise connects as")


def unseen_owners(sessions: Sessions, odoo_users: tuple[str, ...] = ()) -> Unavailable | None:
    """The gap that sessions of Odoo leave whose process is not known: behind them may stand anything."""
    unseen = [
        h
        for h in sessions.held
        if h.owner.certainty in ("unknown", "foreign") and (has_odoo_name(h.backend) or h.backend.user in odoo_users)
    ]
    if not unseen:
        return None
    first = unseen[0].owner.how
    reason = f"the process behind {len(unseen)} of Odoo's sessions is not known ({first})"
    return Unavailable("owners of sessions", reason, "run slotwise as root on the host where Odoo runs")
