"""Several rounds -> one that stands for all of them: the peak with who held it, and least and mean beside it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from slotwise.snapshot.round import FindingSeen, PoolCount, Round


def summed(rounds: Sequence[Round], begin: float, seconds: float) -> Round:
    """The sum of ``rounds`` (at least one, by time) that were seen in the ``seconds`` from ``begin`` on.

    A period in which no round could count stays a gap, with the reason of its last round. Pools show each pool's worst
    moment, walls the most that one look had read.
    """
    known = [r for r in rounds if r.used is not None]
    last = rounds[-1]
    counts = [r.used for r in known if r.used is not None]
    peak = max(known, key=lambda r: r.used or 0) if known else last
    totals = [r for r in rounds if r.pooled_transactions is not None]
    oldest = [r.oldest_idle_in_transaction_seconds for r in rounds if r.oldest_idle_in_transaction_seconds is not None]
    return structs.replace(
        peak,
        at=begin,
        seconds=seconds,
        pools=_worst_pools(rounds),
        walls={wall: max(r.walls.get(wall, 0) for r in rounds) for r in rounds for wall in r.walls},
        findings=_findings(rounds),
        gap=None if known else last.gap,
        # The newest start: rounds are compared by it to tell a restart.
        server_started_at=next((r.server_started_at for r in reversed(rounds) if r.server_started_at), None),
        oldest_idle_in_transaction_seconds=max(oldest, default=None),
        pooled_transactions=totals[-1].pooled_transactions if totals else None,
        pooled_transaction_seconds=totals[-1].pooled_transaction_seconds if totals else None,
        used_least=min(counts, default=None),
        used_mean=sum(counts) / len(counts) if counts else None,
        looks=len(rounds),
        looks_known=len(known),
        judged=_judged(rounds),
        unjudged=_unjudged(rounds),
    )


def _worst_pools(rounds: Sequence[Round]) -> tuple[PoolCount, ...]:
    worst: dict[tuple[str, str, str], PoolCount] = {}
    for pool in (p for r in rounds for p in r.pools):
        key = (pool.address, pool.database, pool.user)
        have = worst.get(key)
        if have is None or (pool.maxwait_seconds, pool.cl_waiting, pool.sv_active) > (
            have.maxwait_seconds,
            have.cl_waiting,
            have.sv_active,
        ):
            worst[key] = pool
    return tuple(worst.values())


def _findings(rounds: Sequence[Round]) -> tuple[FindingSeen, ...]:
    return tuple(dict.fromkeys(f for r in rounds for f in r.findings))


def _judged(rounds: Sequence[Round]) -> bool | None:
    said = [r.judged for r in rounds if r.judged is not None]
    return any(said) if said else None


def _unjudged(rounds: Sequence[Round]) -> tuple[str, ...]:
    """Rules that lacked evidence whenever they were asked."""
    asked = [set(r.unjudged) for r in rounds if r.judged]
    return tuple(sorted(set.intersection(*asked))) if asked else ()
