"""A plan: one server's demand, supply, verdict, and the ways to make it fit, as values for every face to show."""

from __future__ import annotations

import msgspec

from slotwise.capacity.demand import Demand
from slotwise.capacity.deployment import OdooHost, PostgresServer
from slotwise.capacity.headroom import Fit
from slotwise.capacity.pooling import PoolSizing
from slotwise.capacity.supply import Bound


class PlanSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One recommended setting: where it goes (``odoo.conf of h1``), its value with unit, and why."""

    name: str
    value: int | str
    unit: str
    where: str
    why: str


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """One way to make the demand fit, with what it costs.

    ``ram_bytes`` is what the connections of its peak take on the database server; ``restart`` what must restart.
    """

    name: str
    title: str
    verdict: Fit
    headroom_ratio: float | None
    typical: int
    peak: int
    ceiling: int
    usable: int | None
    ram_bytes: int
    restart: str
    risk: str
    reason: str
    settings: tuple[PlanSetting, ...]
    hosts: tuple[OdooHost, ...]
    server: PostgresServer
    pooling: PoolSizing | None = None


class ServerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one PostgreSQL server. ``limit`` is the tightest of the bounds on open connections, None unknown."""

    server: PostgresServer
    hosts: tuple[OdooHost, ...]
    demand: Demand
    bounds: tuple[Bound, ...]
    usable: int | None
    usable_next: int | None
    limit: int | None
    limited_by: str
    verdict: Fit
    headroom_ratio: float | None
    guide_says: str
    alternatives: tuple[Alternative, ...]

    @property
    def recommended(self) -> Alternative:
        """The alternative to take: the first."""
        return self.alternatives[0]


class Calibration(msgspec.Struct, frozen=True):
    """A figure that was measured beside the model's own. ``taken``: whether the plan goes on with the measured one."""

    what: str
    model: float
    measured: float
    unit: str
    source: str
    taken: bool
