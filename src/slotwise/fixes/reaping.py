"""Who may be ended, by which policy, and who never is. Pure: it judges a Snapshot and ends nobody.

A session is condemned when it has been in one state for longer than the policy allows, the policy names it, and nothing
protects it. What cannot be seen in full is protected: wrong doubt costs a slot for a while, a wrong end costs work.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.holders import POOLER_NAME, client_words
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Held, Owner, Sessions
from slotwise.snapshot.postgres import CLIENT_BACKEND, Activity, Backend, Roles
from slotwise.snapshot.redaction import redact_text
from slotwise.snapshot.session_kinds import (
    IDLE_IN_TRANSACTION,
    MAINTENANCE_DATABASE,
    is_cron_lock,
    is_listener,
    is_queue_job_runner,
    is_raw,
)
from slotwise.snapshot.sessions import OWN_APPLICATION_NAME, sessions
from slotwise.snapshot.time_limits import time_limits

Kind = Literal["idle in transaction", "idle", "active"]

BACKUP_PROGRAMS = frozenset({"pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "pg_receivewal", "pgbackrest"})
"""Programs that work for long on purpose; they set their name as application_name (src/bin/pg_dump, 12 to 18)."""

MANAGED_ADMINISTRATORS = frozenset({"rdsadmin", "cloudsqladmin", "cloudsqlagent", "azuresu", "azure_superuser"})
"""Roles by which a cloud provider runs its servers; they are not always marked as superusers."""

_BACKUP_COPY = re.compile(r"(?is)^\s*copy\b.*\bto\s+stdout\b")
_QUEUE_JOB = re.compile(r"(?i)\bqueue_job\b|\bselect_jobs\b")
"""The runner of OCA queue_job works in autocommit mode: its last statement stays visible, no COMMIT hides it
(queue_job/jobrunner/runner.py)."""
_LISTEN = re.compile(r"(?i)(?:^|;)\s*listen\b")
_MAY_LISTEN = {
    "master": "the master holds it, as queue_job's runner does: it may listen",
    "gevent": "the process of live chat and notifications holds it: it may listen",
    "threaded": "the only process of a threaded Odoo holds it, where listeners are threads: it may listen",
}
"""Processes in which code listens on application databases. HTTP and cron workers of a prefork Odoo are replaced all
the time and serve one request or job at a time, so only a session that an addon opened by itself may listen there."""
_QUERY_LENGTH = 2048


class ReapPolicy(Struct, frozen=True, kw_only=True):
    """What may be ended. Seconds in a state, None: sessions in that state are left alone. Names may hold ``*`` and
    ``?``; an empty tuple means all. ``at_most`` sessions are ended in one round, those first that are over longest."""

    idle_in_transaction_seconds: float | None = None
    idle_seconds: float | None = None
    active_seconds: float | None = None
    roles: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    at_most: int = 5

    def limit_of(self, kind: Kind) -> float | None:
        """The seconds that a session may be in this state, None where the policy says nothing about it."""
        return {
            "idle in transaction": self.idle_in_transaction_seconds,
            "idle": self.idle_seconds,
            "active": self.active_seconds,
        }[kind]


class Protection(Struct, frozen=True):
    """Why a session is never ended. ``certain`` is False where too little of it is visible to tell."""

    reason: str
    certain: bool = True


class Condemned(Struct, frozen=True, kw_only=True):
    """One session that may be ended, exactly: pid, start, and since when it is in its state, by the server's own clock
    (epoch seconds). When one of them no longer holds it is another session, or it works again."""

    pid: int
    backend_start: float
    kind: Kind
    since: float
    seconds: float
    reason: str
    database: str | None
    user: str | None
    application_name: str | None
    client: str
    owner: str
    query: str | None


class Spared(Struct, frozen=True):
    """A session that the policy would have ended, and what protects it."""

    pid: int
    kind: Kind
    seconds: float
    database: str | None
    protection: Protection


class Round(Struct, frozen=True):
    """The judgement on one snapshot. ``deferred``: more were condemned than one round may end. ``unseen``: sessions of
    which too little is visible to judge them. ``caution`` says what the policy risks, None: nothing known."""

    condemned: tuple[Condemned, ...]
    spared: tuple[Spared, ...]
    deferred: int
    unseen: int
    judged: int
    caution: str | None = None


def judge_round(snapshot: Snapshot, policy: ReapPolicy) -> Round | Unavailable:
    """Whom the policy condemns in this snapshot. Unavailable where pg_stat_activity was not read: process
    titles show no times."""
    if not isinstance(snapshot.activity, Activity):
        return snapshot.activity
    seen = sessions(snapshot)
    if isinstance(seen, Unavailable):
        return seen
    guard = Guard(snapshot, seen)
    condemned: list[Condemned] = []
    spared: list[Spared] = []
    unseen = seen.unclassified
    for held in seen.held:
        backend = held.backend
        kind, since = _state(backend)
        if kind is None or since is None:
            unseen += backend.masked or backend.state is None
            continue
        limit = policy.limit_of(kind)
        seconds = snapshot.taken_at - since
        if limit is None or seconds <= limit or not _named(backend, policy):
            continue
        protection = guard.protection(held)
        if protection is not None:
            spared.append(Spared(backend.pid, kind, seconds, backend.database, protection))
        else:
            reason = f"{kind} for {seconds:.0f} s, the policy allows {limit:g} s"
            condemned.append(_condemned(held, kind, since, seconds, reason, snapshot.activity))
    condemned.sort(key=lambda c: -c.seconds)
    return Round(
        condemned=tuple(condemned[: policy.at_most]),
        spared=tuple(spared),
        deferred=max(0, len(condemned) - policy.at_most),
        unseen=unseen,
        judged=len(seen.held),
        caution=_caution(snapshot, policy),
    )


def chosen_session(snapshot: Snapshot, pid: int, backend_start: float, reason: str) -> Condemned | Protection:
    """One session that a person has chosen, if nothing protects it. ``backend_start`` is the Snapshot's.

    For a face in which somebody points at a session: the guards are those of the policy, the time limits are not.
    """
    if not isinstance(snapshot.activity, Activity):
        return Protection(f"sessions are not visible: {snapshot.activity.reason}", certain=False)
    row = next((b for b in snapshot.activity.backends if b.pid == pid), None)
    if row is None or row.backend_start != backend_start:
        return Protection("it has ended; another session may have its pid now")
    if row.pid == snapshot.activity.own_pid or row.application_name == OWN_APPLICATION_NAME:
        return Protection("it is slotwise's own")
    if row.backend_type is not None and row.backend_type != CLIENT_BACKEND:
        return Protection(f"it is no client's session but a {row.backend_type}")
    seen = sessions(snapshot)
    held = None if isinstance(seen, Unavailable) else next((h for h in seen.held if h.backend.pid == pid), None)
    if held is None or isinstance(seen, Unavailable):
        return Protection("too little of it is visible to this role", certain=False)
    protection = Guard(snapshot, seen).protection(held)
    kind, since = _state(held.backend)
    if protection is not None:
        return protection
    if kind is None or since is None:
        return Protection("its state is not visible", certain=False)
    return _condemned(held, kind, since, snapshot.taken_at - since, reason, snapshot.activity)


class Guard:
    """What protects sessions. Built once per snapshot."""

    def __init__(self, snapshot: Snapshot, seen: Sessions) -> None:
        """``seen`` are the snapshot's sessions."""
        self._roles = snapshot.roles if isinstance(snapshot.roles, Roles) else None
        locks = [h for h in seen.held if is_cron_lock(h.backend)]
        self._jobs = {process for h in locks if (process := _process(h.owner)) is not None}
        self._job_databases = {h.backend.database for h in locks}

    def protection(self, held: Held) -> Protection | None:
        """Why this session is never ended, None where nothing speaks for it."""
        return (
            self._not_a_clients(held.backend)
            or self._of_an_administrator(held.backend)
            or _listens(held)
            or self._works_for_a_job(held)
            or _long_on_purpose(held)
        )

    def _not_a_clients(self, backend: Backend) -> Protection | None:
        if backend.masked or backend.backend_type is None or backend.backend_start is None:
            return Protection("too little of it is visible to this role", certain=False)
        if backend.backend_type != CLIENT_BACKEND:
            return Protection(f"it is no client's session but a {backend.backend_type}")
        if backend.application_name == OWN_APPLICATION_NAME:
            return Protection("it is slotwise's own")
        return None

    def _of_an_administrator(self, backend: Backend) -> Protection | None:
        role = self._roles.find(backend.user) if self._roles is not None and backend.user is not None else None
        if role is None:
            return Protection("whether its role is a superuser is not visible", certain=False)
        if role.superuser or role.name in MANAGED_ADMINISTRATORS:
            return Protection(f"{role.name} is a superuser")
        return None

    def _works_for_a_job(self, held: Held) -> Protection | None:
        if is_cron_lock(held.backend):
            return Protection("it locks a running scheduled action")
        process = _process(held.owner)
        if process is not None:
            busy = process in self._jobs
            return Protection(f"process {process} runs a scheduled action") if busy else None
        if held.backend.database in self._job_databases and held.owner.certainty != "orphan":
            reason = "a scheduled action runs on this database, and whose session this is cannot be seen"
            return Protection(reason, certain=False)
        return None


def _process(owner: Owner) -> int | None:
    """The client process, seen through the pooler where that shows it."""
    if owner.behind is not None:
        return owner.behind
    return None if owner.name == POOLER_NAME else owner.pid


def _listens(held: Held) -> Protection | None:
    """Sessions that hear notifications are idle for days on purpose. Once committed, a LISTEN is not visible."""
    backend, owner = held.backend, held.owner
    if is_listener(held) or is_queue_job_runner(held) or _LISTEN.search(backend.query or ""):
        return Protection("it listens for notifications")
    if backend.state != "idle":
        return None
    if backend.database == MAINTENANCE_DATABASE and owner.certainty != "known":
        return Protection(f"it may listen: it is idle on {MAINTENANCE_DATABASE}, and whose it is cannot be seen", False)
    if _QUEUE_JOB.search(backend.query or ""):
        return Protection("its last statement is of queue_job's runner, which listens")
    if owner.name == POOLER_NAME:
        reason = "a pooler keeps it, for a client that may listen or for the next one: server_idle_timeout is its limit"
        return Protection(reason, certain=False)
    if owner.certainty == "known" and owner.role in _MAY_LISTEN:
        # OCA queue_job's runner lives in the master and listens on the application database (jobrunner/__init__.py).
        return Protection(_MAY_LISTEN[owner.role], certain=False)
    if is_raw(held):
        return Protection("an addon opened it by itself, past Odoo's pool: it may listen", certain=False)
    return None


def _long_on_purpose(held: Held) -> Protection | None:
    backend, owner = held.backend, held.owner
    names = {backend.application_name or "", owner.name or ""}
    program = next(iter(sorted(names & BACKUP_PROGRAMS)), None)
    if program is not None:
        return Protection(f"it is {program}'s")
    if backend.state == "active" and _BACKUP_COPY.match(backend.query or ""):
        return Protection("it copies a table out, as a backup does")
    if owner.certainty == "known" and owner.role == "cli":
        return Protection("it belongs to an odoo-bin command, such as an update (-u)")
    return None


def _state(backend: Backend) -> tuple[Kind | None, float | None]:
    """The session's state and since when it is in it."""
    if backend.state in IDLE_IN_TRANSACTION:
        return "idle in transaction", backend.state_change
    if backend.state == "idle":
        return "idle", backend.state_change
    return ("active", backend.query_start) if backend.state == "active" else (None, None)


def _named(backend: Backend, policy: ReapPolicy) -> bool:
    return all(
        not patterns or (value is not None and any(fnmatchcase(value, pattern) for pattern in patterns))
        for value, patterns in (
            (backend.user, policy.roles),
            (backend.database, policy.databases),
            (backend.application_name, policy.applications),
        )
    )


def _condemned(held: Held, kind: Kind, since: float, seconds: float, reason: str, activity: Activity) -> Condemned:
    backend, owner = held.backend, held.owner
    assert backend.backend_start is not None, "Guard protects a session without a visible start"
    shift = activity.shift_seconds
    process = owner.behind if owner.behind is not None else owner.pid
    whose = owner.role if owner.role != "unknown" else owner.name or "process"
    return Condemned(
        pid=backend.pid,
        backend_start=backend.backend_start - shift,
        kind=kind,
        since=since - shift,
        seconds=seconds,
        reason=reason,
        database=backend.database,
        user=backend.user,
        application_name=backend.application_name,
        client=client_words(backend),
        owner=f"{whose} {process}" if process is not None else f"{owner.certainty}: {owner.how}",
        query=None if backend.query is None else redact_text(backend.query)[:_QUERY_LENGTH],
    )


def _caution(snapshot: Snapshot, policy: ReapPolicy) -> str | None:
    """Below Odoo's own time limit a request may still be at work: in Python while idle in transaction."""
    limits = time_limits(snapshot.odoo if isinstance(snapshot.odoo, Odoo) else None)
    given = [s for s in (policy.idle_in_transaction_seconds, policy.active_seconds) if s is not None]
    shortest = min(given, default=None)
    if shortest is None or (limits.longest_seconds is not None and shortest >= limits.longest_seconds):
        return None
    limit = "no limit" if limits.longest_seconds is None else f"{limits.longest_seconds:g} s"
    return f"requests and jobs that still work may be ended: Odoo gives them {limit} ({limits.source})"
