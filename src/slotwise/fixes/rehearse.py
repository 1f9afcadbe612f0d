"""What the Snapshot would show after a change: lets a rule be asked again before anything is touched."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from slotwise.findings import (
    AlterDatabase,
    AlterRole,
    Change,
    EndSession,
    RestartProcess,
    RestartServer,
    SetOdooOption,
    SetPgBouncer,
    SetPoolDatabase,
    SetServerSetting,
)
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance, OdooOption, OptionValue
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers, Pool, PoolDatabase
from slotwise.snapshot.postgres import (
    Activity,
    Blocked,
    Databases,
    Locks,
    Override,
    Overrides,
    Roles,
    Setting,
    Settings,
    Titles,
)
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.sessions import sessions

PLANNED = "planned change"


def rehearse(snapshot: Snapshot, changes: tuple[Change, ...]) -> Snapshot:
    """The snapshot as it would be after ``changes``, in order. A Manual step changes nothing here."""
    for change in changes:
        snapshot = _after(snapshot, change)
    return snapshot


def _after(snapshot: Snapshot, change: Change) -> Snapshot:
    match change:
        case SetOdooOption():
            return _set_option(snapshot, change)
        case SetServerSetting():
            return _set_setting(snapshot, change)
        case RestartServer():
            return _restart_server(snapshot)
        case AlterRole():
            return _alter_role(snapshot, change)
        case AlterDatabase():
            return _alter_database(snapshot, change)
        case SetPgBouncer():
            return _set_pgbouncer(snapshot, change)
        case SetPoolDatabase():
            return _set_pool_database(snapshot, change)
        case EndSession():
            return _without(snapshot, {change.pid})
        case RestartProcess():
            ended = _without(snapshot, {h.backend.pid for h in _held(snapshot) if _restarts(h, change)})
            return _restarted(ended, change)
    return snapshot


def _held(snapshot: Snapshot) -> tuple[Held, ...]:
    seen = sessions(snapshot)
    return seen.held if isinstance(seen, Sessions) else ()


def _restarts(held: Held, change: RestartProcess) -> bool:
    if change.pid is not None:
        return held.owner.pid == change.pid
    return held.owner.instance is not None and held.owner.instance == change.instance


def _without(snapshot: Snapshot, pids: set[int]) -> Snapshot:
    if isinstance(snapshot.activity, Activity):
        kept = tuple(b for b in snapshot.activity.backends if b.pid not in pids)
        snapshot = structs.replace(snapshot, activity=structs.replace(snapshot.activity, backends=kept))
    if isinstance(snapshot.titles, Titles):
        kept = tuple(b for b in snapshot.titles.backends if b.pid not in pids)
        snapshot = structs.replace(snapshot, titles=structs.replace(snapshot.titles, backends=kept))
    if isinstance(snapshot.locks, Locks):
        snapshot = structs.replace(snapshot, locks=_unblocked(snapshot.locks, pids))
    return snapshot


def _unblocked(locks: Locks, pids: set[int]) -> Locks:
    """Locks after ``pids`` ended: who waited for nobody else waits no more."""
    left = (Blocked(b.pid, tuple(p for p in b.blockers if p not in pids)) for b in locks.blocked if b.pid not in pids)
    return structs.replace(locks, blocked=tuple(b for b in left if b.blockers))


def _restarted(snapshot: Snapshot, change: RestartProcess) -> Snapshot:
    """A process that was replaced has just started; its pid stands for its successor."""
    if not isinstance(snapshot.processes, Processes):
        return snapshot
    processes = tuple(
        structs.replace(p, started_at=snapshot.taken_at)
        if p.pid == change.pid or (p.instance is not None and p.instance == change.instance)
        else p
        for p in snapshot.processes.processes
    )
    return structs.replace(snapshot, processes=structs.replace(snapshot.processes, processes=processes))


def option_value(text: str) -> OptionValue:
    """A value as odoo.conf would hold it: ``None``/``False``/``True`` literal, a number, else text."""
    literals: dict[str, OptionValue] = {"none": None, "false": False, "true": True}
    if text.lower() in literals:
        return literals[text.lower()]
    return int(text) if text.lstrip("-").isdigit() else text


def _set_option(snapshot: Snapshot, change: SetOdooOption) -> Snapshot:
    if not isinstance(snapshot.odoo, Odoo):
        return snapshot
    instances = tuple(_with_option(i, change) if i.id == change.instance else i for i in snapshot.odoo.instances)
    return structs.replace(snapshot, odoo=structs.replace(snapshot.odoo, instances=instances))


def _with_option(instance: OdooInstance, change: SetOdooOption) -> OdooInstance:
    options = tuple(o for o in instance.options if o.name != change.option)
    ignored = tuple(k for k in instance.ignored_keys if k.name != change.option)
    if change.value is not None:
        options += (OdooOption(change.option, option_value(change.value), PLANNED),)
    return structs.replace(instance, options=options, ignored_keys=ignored)


def _set_setting(snapshot: Snapshot, change: SetServerSetting) -> Snapshot:
    if not isinstance(snapshot.settings, Settings):
        return snapshot
    old = snapshot.settings.find(change.name)
    unit = old.unit if old else None
    new = Setting(change.name, change.value, unit, PLANNED)
    if old is not None:
        new = structs.replace(old, value=change.value, source=PLANNED, pending_restart=False, next_start=None)
    kept = tuple(s for s in snapshot.settings.settings if s.name != change.name)
    return structs.replace(snapshot, settings=structs.replace(snapshot.settings, settings=(*kept, new)))


def _restart_server(snapshot: Snapshot) -> Snapshot:
    if not isinstance(snapshot.settings, Settings):
        return snapshot
    settings = tuple(
        structs.replace(
            s, value=s.next_start if s.next_start is not None else s.value, pending_restart=False, next_start=None
        )
        for s in snapshot.settings.settings
    )
    return structs.replace(snapshot, settings=structs.replace(snapshot.settings, settings=settings))


def _alter_role(snapshot: Snapshot, change: AlterRole) -> Snapshot:
    if isinstance(snapshot.roles, Roles):
        roles = tuple(
            structs.replace(
                r,
                connection_limit=r.connection_limit if change.connection_limit is None else change.connection_limit,
                superuser=r.superuser if change.superuser is None else change.superuser,
            )
            if r.name == change.role
            else r
            for r in snapshot.roles.roles
        )
        snapshot = structs.replace(snapshot, roles=structs.replace(snapshot.roles, roles=roles))
    return _override(snapshot, change.role, change.database, change.set_name, change.set_value)


def _alter_database(snapshot: Snapshot, change: AlterDatabase) -> Snapshot:
    if isinstance(snapshot.databases, Databases) and change.connection_limit is not None:
        limit = change.connection_limit
        databases = tuple(
            structs.replace(d, connection_limit=limit) if d.name == change.database else d
            for d in snapshot.databases.databases
        )
        snapshot = structs.replace(snapshot, databases=structs.replace(snapshot.databases, databases=databases))
    return _override(snapshot, None, change.database, change.set_name, change.set_value)


def _override(
    snapshot: Snapshot, role: str | None, database: str | None, name: str | None, value: str | None
) -> Snapshot:
    if name is None or not isinstance(snapshot.overrides, Overrides):
        return snapshot
    kept = tuple(o for o in snapshot.overrides.overrides if (o.role, o.database, o.name) != (role, database, name))
    if value is not None:
        kept += (Override(role, database, name, value),)
    return structs.replace(snapshot, overrides=structs.replace(snapshot.overrides, overrides=kept))


def _set_pgbouncer(snapshot: Snapshot, change: SetPgBouncer) -> Snapshot:
    def changed(pgbouncer: PgBouncer) -> PgBouncer:
        pools = pgbouncer.pools
        if change.key == "pool_mode" and not pgbouncer.wildcard_pool_mode:
            old, own = pgbouncer.config.get("pool_mode"), {d.name for d in pgbouncer.databases if d.pool_mode}
            pools = tuple(
                structs.replace(p, pool_mode=change.value) if p.database not in own and p.pool_mode == old else p
                for p in pools
            )
        return structs.replace(pgbouncer, config={**pgbouncer.config, change.key: change.value}, pools=pools)

    return _each_pgbouncer(snapshot, change.address, changed)


def _set_pool_database(snapshot: Snapshot, change: SetPoolDatabase) -> Snapshot:
    def changed(pgbouncer: PgBouncer) -> PgBouncer:
        if change.entry == "*":
            mode = change.parameters.get("pool_mode", pgbouncer.wildcard_pool_mode)
            return structs.replace(pgbouncer, wildcard=True, wildcard_pool_mode=mode)
        old = next((d for d in pgbouncer.databases if d.name == change.entry), None)
        entry = old or PoolDatabase(change.entry, None, None, change.entry, None, None, None, None, None, None)
        size, reserve, cap = (change.parameters.get(k) for k in ("pool_size", "reserve_pool", "max_db_connections"))
        entry = structs.replace(
            entry,
            pool_mode=change.parameters.get("pool_mode", entry.pool_mode),
            pool_size=int(size) if size else entry.pool_size,
            reserve_pool_size=int(reserve) if reserve else entry.reserve_pool_size,
            max_connections=int(cap) if cap else entry.max_connections,
        )
        databases = (*(d for d in pgbouncer.databases if d.name != change.entry), entry)
        grown = max(0, (entry.pool_size or 0) - (old.pool_size or 0)) if old is not None and old.pool_size else 0
        pools = tuple(_in_entry(p, entry, grown) if p.database == change.entry else p for p in pgbouncer.pools)
        return structs.replace(pgbouncer, databases=databases, pools=pools)

    return _each_pgbouncer(snapshot, change.address, changed)


def _in_entry(pool: Pool, entry: PoolDatabase, grown: int) -> Pool:
    """A pool after its entry changed: ``grown`` further servers take that many of the clients that wait."""
    served = min(grown, pool.cl_waiting)
    waiting = pool.cl_waiting - served
    return structs.replace(
        pool,
        pool_mode=entry.pool_mode or pool.pool_mode,
        cl_waiting=waiting,
        cl_active=pool.cl_active + served,
        sv_active=pool.sv_active + served,
        maxwait_seconds=pool.maxwait_seconds if waiting else 0.0,
    )


def _each_pgbouncer(snapshot: Snapshot, address: str, changed: Callable[[PgBouncer], PgBouncer]) -> Snapshot:
    if not isinstance(snapshot.pgbouncers, PgBouncers):
        return snapshot
    after = tuple(changed(p) if p.address == address else p for p in snapshot.pgbouncers.pgbouncers)
    return structs.replace(snapshot, pgbouncers=structs.replace(snapshot.pgbouncers, pgbouncers=after))
