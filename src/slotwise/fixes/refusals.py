"""Changes of the server that would break something: said before anything is touched."""

from __future__ import annotations

from slotwise.fixes.ground import MANAGED, PostgresGround
from slotwise.fixes.remedy import Refused
from slotwise.snapshot.postgres import Settings

_LIKE_PRIMARY = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""A hot standby needs each at least as high as its primary (https://www.postgresql.org/docs/current/hot-standby.html,
"Administrator's Overview")."""

KIB = 1024
SLOT_KIB, LOCK_KIB = 23.3, 0.385
"""Shared memory of one slot: measured 48 KiB at 64 locks and 122 KiB at 256 (shared_memory_size of PostgreSQL 15 to 18
at max_connections 100 and 5000)."""

PRIVATE_BYTES = 2_500_000
"""Least private memory of a session that Odoo used: measured 2.5 to 3.4 MB on small databases."""


def refusals(
    wanted: dict[str, str],
    settings: Settings,
    here: PostgresGround,
    memory_limit_bytes: int | None,
    allow_standbys: bool = False,
) -> tuple[Refused, ...]:
    """What must not be set as wanted. The first word of ``what`` is the setting's name."""
    found = [
        *_in_use(wanted, settings, here),
        *_standbys(wanted, settings, here, allow_standbys),
        *_lock_table(wanted, settings, here),
    ]
    if here.platform not in MANAGED:
        found += [*_huge_pages(wanted, settings, here), *_memory(wanted, settings, memory_limit_bytes)]
    unique = {one.what: one for one in reversed(found)}
    return tuple(reversed(unique.values()))


def _integer(settings: Settings, name: str) -> int | None:
    known = settings.find(name)
    return int(known.value) if known is not None and known.value.isdigit() else None


def _after(wanted: dict[str, str], settings: Settings, name: str) -> int | None:
    text = wanted.get(name)
    return int(text) if text is not None and text.isdigit() else _integer(settings, name)


def _in_use(wanted: dict[str, str], settings: Settings, here: PostgresGround) -> list[Refused]:
    new, now = _after(wanted, settings, "max_connections"), _integer(settings, "max_connections")
    if "max_connections" not in wanted or new is None or now is None or new >= now:
        return []
    if here.sessions is None:
        return [
            Refused(
                f"max_connections {now} → {new}",
                "how many sessions are open could not be counted",
                "give --dsn of a role with pg_monitor",
            )
        ]
    reserved = sum(
        _after(wanted, settings, name) or 0 for name in ("superuser_reserved_connections", "reserved_connections")
    )
    if here.sessions > new - reserved:
        return [
            Refused(
                f"max_connections {now} → {new}",
                f"{here.sessions} sessions are open now, and {new} less {reserved} reserved would refuse some of them",
                "lower Odoo's pools first, restart Odoo, and run fix again",
            )
        ]
    return []


def _standbys(wanted: dict[str, str], settings: Settings, here: PostgresGround, allow_standbys: bool) -> list[Refused]:
    found: list[Refused] = []
    for name in _LIKE_PRIMARY:
        new, now = _after(wanted, settings, name), _integer(settings, name)
        if name not in wanted or new is None or now is None:
            continue
        if here.in_recovery:
            text = here.primary_values.get(name, "")
            primary = int(text) if text.isdigit() else None
            if new < now and (primary is None or new < primary):
                known = f"the primary has {primary}" if primary is not None else "the primary's value is not known here"
                found.append(
                    Refused(
                        f"{name} {now} → {new} on a standby",
                        f"{known}, and a standby with less stops replaying",
                        "lower it on the primary first",
                    )
                )
        elif here.standbys and new > now and not allow_standbys:
            names = ", ".join(s.name for s in here.standbys)
            found.append(
                Refused(
                    f"{name} {now} → {new}",
                    f"standbys stream from this server ({names}); one with less than its primary stops replaying",
                    f"raise {name} on every standby and restart it, then run fix with --standbys-done",
                )
            )
    return found


def lock_slots(wanted: dict[str, str], settings: Settings, version_num: int) -> int | None:
    """Entries of the lock table: max_locks_per_transaction × (MaxBackends + max_prepared_transactions)
    (NLOCKENTS in src/backend/storage/lmgr/lock.c; MaxBackends in utils/init/postinit.c, 12 to 18)."""
    workers = "autovacuum_worker_slots" if version_num >= 180000 else "autovacuum_max_workers"
    names = ("max_connections", workers, "max_worker_processes", "max_wal_senders", "max_prepared_transactions")
    values = [_after(wanted, settings, name) for name in names]
    locks = _after(wanted, settings, "max_locks_per_transaction")
    if locks is None or values[0] is None:
        return None
    special = 2 if version_num >= 180000 else 1
    return locks * (sum(value or 0 for value in values) + special)


def _lock_table(wanted: dict[str, str], settings: Settings, here: PostgresGround) -> list[Refused]:
    now, new = lock_slots({}, settings, here.version_num), lock_slots(wanted, settings, here.version_num)
    if now is None or new is None or new >= now:
        return []
    name = next((n for n in ("max_connections", "max_locks_per_transaction") if n in wanted), "max_connections")
    change = f"{name} {_integer(settings, name)} → {wanted.get(name)}"
    if here.relations is None:
        why = f"the lock table would shrink from {now} to {new} entries, and no database's relations could be counted"
        return [Refused(change, why, "give --dsn of a role that may connect to the application databases")]
    if new < here.relations:
        least = -(-here.relations * 2 * (_after(wanted, settings, "max_locks_per_transaction") or 64) // max(1, new))
        return [
            Refused(
                change,
                f"the lock table would have {new} entries, and {here.relations_database} has {here.relations} tables"
                " and indexes: pg_dump and -u would end with `out of shared memory`",
                f"raise max_locks_per_transaction to {least} in the same restart",
            )
        ]
    return []


def _grown_bytes(wanted: dict[str, str], settings: Settings) -> int | None:
    """Shared memory that more slots or locks take in addition; None where nothing of that kind grows."""

    def size(values: dict[str, str]) -> float | None:
        slots, locks = (
            _after(values, settings, "max_connections"),
            _after(values, settings, "max_locks_per_transaction"),
        )
        return None if slots is None or locks is None else slots * (SLOT_KIB + LOCK_KIB * locks)

    before, after = size({}), size(wanted)
    if before is None or after is None or after <= before:
        return None
    return int((after - before) * KIB)


def _huge_pages(wanted: dict[str, str], settings: Settings, here: PostgresGround) -> list[Refused]:
    mode = settings.find("huge_pages")
    grown = _grown_bytes(wanted, settings)
    if mode is None or mode.value != "on" or grown is None:
        return []
    name = next(n for n in ("max_connections", "max_locks_per_transaction") if n in wanted)
    change = f"{name} {_integer(settings, name)} → {wanted[name]}"
    if here.huge_pages_bytes is None or here.shared_memory_bytes is None:
        why = "huge_pages is on, and whether the reserved pages suffice could not be read here"
        # shared_memory_size_in_huge_pages is of 15; before it the documentation goes by the postmaster's VmPeak.
        check = "check `postgres -C shared_memory_size_in_huge_pages` while it is stopped"
        if here.version_num < 150000:
            check = "compare VmPeak in /proc/PID/status of the postmaster with the huge pages in /proc/meminfo"
        return [Refused(change, why, check)]
    needed = here.shared_memory_bytes + grown
    if needed <= here.huge_pages_bytes:
        return []
    mib = KIB * KIB
    return [
        Refused(
            change,
            f"huge_pages is on, {needed // mib} MiB of shared memory exceed {here.huge_pages_bytes // mib} MiB"
            " of huge pages that are free for it, and PostgreSQL would not start",
            "raise vm.nr_hugepages first",
        )
    ]


def _memory(wanted: dict[str, str], settings: Settings, limit_bytes: int | None) -> list[Refused]:
    new, now = _after(wanted, settings, "max_connections"), _integer(settings, "max_connections")
    buffers = _integer(settings, "shared_buffers")
    if "max_connections" not in wanted or new is None or now is None or new <= now:
        return []
    if limit_bytes is None or buffers is None:
        return []
    needed = buffers * 8192 + (_grown_bytes(wanted, settings) or 0) + new * PRIVATE_BYTES
    if needed <= limit_bytes:
        return []
    mib = KIB * KIB
    return [
        Refused(
            f"max_connections {now} → {new}",
            f"the control group allows {limit_bytes // mib} MiB; shared_buffers and {new} sessions of"
            f" {PRIVATE_BYTES / 1e6:.1f} MB need {needed // mib} MiB, and the kernel would kill the server",
            "raise the memory limit, or put a PgBouncer in between (slotwise fix --pooler)",
        )
    ]
