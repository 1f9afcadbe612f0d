from __future__ import annotations

from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.pool_names import outside_the_pool, pool_names, shape
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_CRON, FIRST_HTTP, backend, host, instance


def _seen(*held: tuple[int | None, object]) -> Sessions:
    found = sessions(host(list(held)))  # type: ignore[arg-type]
    assert isinstance(found, Sessions)
    return found


def test_the_names_of_19_and_of_the_environment() -> None:
    assert shape("odoo-4121") == shape("odoo-1") == "odoo-#"
    odoo = Odoo((instance("19.0", db_app_name="erp-{pid}"),))
    listening = _seen((FIRST_CRON, backend(1, "postgres", application_name="shop 7")))
    assert pool_names(listening, odoo) == {"odoo": frozenset({"erp-#", "shop #"})}


def test_only_what_is_certainly_outside_is_outside() -> None:
    raw, named = backend(1, application_name=""), backend(2, application_name="report")
    seen = _seen((FIRST_HTTP, raw), (FIRST_HTTP, named), (None, backend(3, application_name="")))
    unsure = [h.backend.pid for h in seen.held if outside_the_pool(h, {})]
    sure = [h.backend.pid for h in seen.held if outside_the_pool(h, {"odoo": frozenset({"odoo-#"})})]
    assert (unsure, sure) == ([1], [1, 2])
    assert not any(outside_the_pool(h, {"odoo": frozenset({""})}) for h in seen.held if h.backend.pid == 1)
