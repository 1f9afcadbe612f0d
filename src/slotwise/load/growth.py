"""Which process holds more and more slots although its work does not explain it: a leak, named while the load runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from msgspec import Struct

from slotwise.load.measures import Step

LEAST_RISE = 3
LEAST_RISES = 3
"""So many steps must have found it higher than the step before."""
_NO_ODOO = frozenset({"unknown"})


class Growing(Struct, frozen=True, kw_only=True):
    """A process that grew from ``first`` to ``last`` slots over ``rises`` steps; ``peers`` is the most that any other
    process of its role holds at the end, None where it has none."""

    role: str
    pid: int
    first: int
    last: int
    rises: int
    peers: int | None


def growing(steps: Sequence[Step]) -> tuple[Growing, ...]:
    """The processes that grow, the worst first.

    A worker opens a connection for each database that it serves and keeps it: that is no leak, and its peers do the
    same. A leak goes on rising, and stands above the peers.
    """
    held: dict[tuple[str, int], list[int]] = {}
    for step in steps:
        for one in step.slots.at_end:
            if one.pid is not None and one.role not in _NO_ODOO:
                held.setdefault((one.role, one.pid), []).append(one.slots)
    found = []
    for (role, pid), counts in held.items():
        rises = sum(after > before for before, after in itertools.pairwise(counts))
        peers = [other[-1] for (its, at), other in held.items() if its == role and at != pid]
        above = counts[-1] - max(peers) if peers else counts[-1] - counts[0]
        if rises >= LEAST_RISES and counts[-1] - counts[0] >= LEAST_RISE and above >= LEAST_RISE:
            found.append(
                Growing(
                    role=role,
                    pid=pid,
                    first=counts[0],
                    last=counts[-1],
                    rises=rises,
                    peers=max(peers, default=None) if peers else None,
                )
            )
    return tuple(sorted(found, key=lambda g: (g.first - g.last, g.role, g.pid)))
