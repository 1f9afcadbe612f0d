"""How many statements the CPU bears at once, and how many pooled connections that makes for Odoo."""

from __future__ import annotations

import math

ASSUMED_BUSY_SHARE = 0.4
"""Share of a transaction that PostgreSQL really works, the rest being Python (pg_stat_database: active_time to
active_time + idle_in_transaction_time, 14+). An assumption; ordinary Odoo lies between 0.2 and 0.6."""

SPINDLES = 1
"""Effective spindles of an SSD in the formula 2 × cores + spindles (https://wiki.postgresql.org/wiki/
Number_Of_Database_Connections)."""

ASSUMED_CORES = 4
"""Cores that a bound is computed for where nobody said."""


def most_active(cores: int | None, busy_share: float = ASSUMED_BUSY_SHARE) -> int | None:
    """Transactions at once beyond which more concurrency only costs. None when the cores are unknown.

    2 × cores + spindles bounds statements that really run; a transaction holds its connection while Python works too,
    hence the division by ``busy_share``.
    """
    return None if cores is None else max(1, math.ceil((2 * cores + SPINDLES) / busy_share))
