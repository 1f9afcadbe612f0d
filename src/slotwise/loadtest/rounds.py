"""What several looks of the sampler say of one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from slotwise.load.measures import PoolWait, ProcessSlots, Slots
from slotwise.snapshot.round import Round


def slots_of(rounds: Sequence[Round]) -> Slots:
    """The fullest look, the processes of the last one, and the worst of every pool. Without a look: a gap."""
    counted = [one for one in rounds if one.used is not None]
    pools = _pools(rounds)
    if not counted:
        gap = next((one.gap for one in rounds if one.gap), None)
        return Slots(gap=gap or "no look fell into the step", pools=pools, looks=len(rounds))
    fullest = max(counted, key=lambda one: one.used or 0)
    return Slots(
        used=fullest.used,
        usable=fullest.usable,
        max_connections=fullest.max_connections,
        by_role=dict(_by_role(fullest).most_common()),
        at_end=_processes(counted[-1]),
        pools=pools,
        looks=len(rounds),
    )


def _by_role(one: Round) -> Counter[str]:
    roles: Counter[str] = Counter()
    for holder in one.holders:
        roles[holder.process or holder.role if holder.role == "unknown" else holder.role] += holder.count
    return roles


def _processes(one: Round) -> tuple[ProcessSlots, ...]:
    held: Counter[tuple[str, int | None]] = Counter()
    for holder in one.holders:
        held[holder.role, holder.pid] += holder.count
    return tuple(ProcessSlots(role=role, pid=pid, slots=count) for (role, pid), count in held.most_common())


def _pools(rounds: Sequence[Round]) -> tuple[PoolWait, ...]:
    worst: dict[tuple[str, str, str], PoolWait] = {}
    for pool in (pool for one in rounds for pool in one.pools):
        key = (pool.address, pool.database, pool.user)
        before = worst.get(key)
        worst[key] = PoolWait(
            address=pool.address,
            database=pool.database,
            user=pool.user,
            most_waiting=max(pool.cl_waiting, before.most_waiting if before else 0),
            most_servers=max(pool.sv_active + pool.sv_idle + pool.sv_other, before.most_servers if before else 0),
            longest_wait_seconds=max(pool.maxwait_seconds, before.longest_wait_seconds if before else 0.0),
        )
    return tuple(worst[key] for key in sorted(worst))
