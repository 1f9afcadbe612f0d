"""Headroom and the verdict at their edges."""

from __future__ import annotations

from slotwise.capacity.demand import Demand, odoo_demand
from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.headroom import Fit, headroom_ratio, verdict


def wanted() -> Demand:
    return odoo_demand(OdooHost(odoo_version=18, workers=8, db_maxconn_gevent=16))


def test_headroom() -> None:
    assert headroom_ratio(30, 100) == 0.7
    assert headroom_ratio(0, 0) == 0.0
    assert headroom_ratio(1, 0) == -1.0
    assert headroom_ratio(1, None) is None


def test_verdict() -> None:
    assert (wanted().typical, wanted().peak) == (30, 60)
    assert verdict(wanted(), 97) is Fit.FITS
    assert verdict(wanted(), 59) is Fit.TIGHT
    assert verdict(wanted(), 30) is Fit.TIGHT
    assert verdict(wanted(), 29) is Fit.DOES_NOT_FIT
    assert verdict(wanted(), None) is Fit.UNKNOWN
