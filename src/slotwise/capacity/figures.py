"""The figures of demand that are never mixed, and how they are added, spread and capped."""

from __future__ import annotations

import msgspec


class Figures(msgspec.Struct, frozen=True):
    """Connections at five moments of one installation's life; each is at least the one before it.

    ``started``: right after start, before the first request. ``steady``: idle after ordinary work. ``typical``:
    ordinary work going on. ``peak``: the realistic maximum. ``ceiling``: what the settings allow, however unlikely.
    """

    started: int = 0
    steady: int = 0
    typical: int = 0
    peak: int = 0
    ceiling: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.started + other.started,
            self.steady + other.steady,
            self.typical + other.typical,
            self.peak + other.peak,
            self.ceiling + other.ceiling,
        )

    def times(self, factor: int) -> Figures:
        """The same for ``factor`` equal holders."""
        return Figures(
            self.started * factor,
            self.steady * factor,
            self.typical * factor,
            self.peak * factor,
            self.ceiling * factor,
        )

    def at_most(self, cap: int) -> Figures:
        """Each figure, but never above ``cap``."""
        return Figures(
            min(self.started, cap),
            min(self.steady, cap),
            min(self.typical, cap),
            min(self.peak, cap),
            min(self.ceiling, cap),
        )

    @classmethod
    def always(cls, count: int) -> Figures:
        """The same count at every moment: connections that are opened at start and never given back."""
        return cls(count, count, count, count, count)


class ProcessHolding(msgspec.Struct, frozen=True):
    """What one process holds, split by where it connects to. Together never above the process's odoo_pool.

    ``listen``: sessions on database ``postgres`` held for good. ``databases``: on the databases that it serves.
    ``short_lived``: opened on ``postgres`` and closed again within one commit.
    """

    listen: Figures
    databases: Figures
    short_lived: Figures


def fit(
    pool_size: int, *, listen: int, databases: Figures, short_lived: int, listen_at_start: bool = True
) -> ProcessHolding:
    """One process's wishes cut to its odoo_pool, which counts every connection whatever its database.

    LISTEN sessions come first (they are opened at start), then the databases, then short-lived ones. At the ceiling the
    whole pool is in use. odoo/sql_db.py ``borrow``: 17.0:629-689, 18.0:670-731, 19.0:628-692.
    """
    held = min(listen, pool_size)
    room = pool_size - held
    on_databases = databases.at_most(room)
    brief = min(short_lived, room - on_databases.peak)
    ceiling = max(on_databases.peak, room - brief)
    return ProcessHolding(
        listen=Figures(held if listen_at_start else 0, held, held, held, held),
        databases=msgspec.structs.replace(on_databases, ceiling=ceiling),
        short_lived=Figures(0, 0, 0, brief, brief),
    )
