"""What a plan starts from, wherever it was read."""

from __future__ import annotations

import msgspec

from slotwise.capacity.deployment import Deployment
from slotwise.capacity.plan import Calibration
from slotwise.capacity.planner import Terms

DEFAULT_VERSION = 18
DEFAULT_MAX_CONNECTIONS = 100
"""PostgreSQL's default, https://www.postgresql.org/docs/current/runtime-config-connection.html."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that is planned, what it is called, what was assumed of it and what was measured.

    ``bare``: it says nothing of databases and traffic (an odoo.conf), so flags that do are true of it as well.
    """

    name: str
    deployment: Deployment
    terms: Terms
    assumed: tuple[str, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    bare: bool = False
