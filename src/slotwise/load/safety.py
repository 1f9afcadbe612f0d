"""Whether a target looks like production. When in doubt it does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held
from slotwise.snapshot.postgres import CLIENT_BACKEND, Activity, Backend, Roles
from slotwise.snapshot.session_kinds import is_listener
from slotwise.snapshot.sessions import sessions

RECENT_SECONDS = 300.0
"""Whoever ran a statement within so many seconds counts as somebody who works."""

_PRODUCTION = re.compile(r"(?i)(?<![a-z])(?:prod|prd|production|live)(?![a-z])")
_POLLING_ROLES = frozenset({"cron_worker", "queue_job"})
"""Odoo's own schedulers ask for due jobs every minute, whether anybody works or not."""


def production_name(*names: str | None) -> str | None:
    """The first of these names (databases, hosts, URLs) that says ``prod`` or ``live`` as a word of its own."""
    return next((name for name in names if name and _PRODUCTION.search(name)), None)


def objections(snapshot: Snapshot, databases: Sequence[str], places: Sequence[str | None]) -> tuple[str, ...]:
    """Why the target may be production: its name, or somebody at work. ``places``: host names, URLs.

    What could not be seen is an objection too.
    """
    found = []
    name = production_name(*databases, *places)
    if name is not None:
        found.append(f"{name!r} sounds like production")
    seen = sessions(snapshot)
    if isinstance(seen, Unavailable):
        return (*found, f"nobody could see whether users are at work ({seen.reason})")
    here = [held for held in seen.held if held.backend.database in databases]
    working = [held for held in here if _works(held, snapshot.taken_at)]
    if working:
        users = sorted({held.backend.user or "?" for held in working})
        found.append(f"{len(working)} sessions have worked on {_names(working)} of late ({', '.join(users)})")
    hidden = [held.backend for held in here if held.backend.state is None]
    if isinstance(snapshot.activity, Activity):
        pids = {backend.pid for backend in hidden}
        rows = snapshot.activity.backends
        hidden += [b for b in rows if b.masked and b.database in databases and b.pid not in pids and _may_be_client(b)]
    if hidden:
        names = ", ".join(sorted({backend.database or "?" for backend in hidden}))
        found.append(f"{len(hidden)} sessions on {names} do not show what they do (GRANT pg_monitor)")
    return tuple(found)


def reserve_objection(snapshot: Snapshot, role: str | None) -> str | None:
    """Why load must not run as this role: it could take the slots that are kept for administrators."""
    known = snapshot.roles.find(role) if isinstance(snapshot.roles, Roles) and role is not None else None
    if known is not None and known.superuser:
        return f"role {role} is a superuser and would take the reserved slots"
    if known is not None and known.reserved:
        return f"role {role} may use reserved_connections and would take them"
    return None


def _works(held: Held, taken_at: float) -> bool:
    backend = held.backend
    if held.owner.role in _POLLING_ROLES or is_listener(held):
        return False
    if backend.state not in (None, "idle"):
        return True
    return backend.state_change is not None and taken_at - backend.state_change < RECENT_SECONDS


def _may_be_client(backend: Backend) -> bool:
    return backend.backend_type in (None, CLIENT_BACKEND)


def _names(held: Sequence[Held]) -> str:
    return ", ".join(sorted({one.backend.database or "?" for one in held}))
