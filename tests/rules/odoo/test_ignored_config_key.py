from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, SetOdooOption, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import IgnoredKey, Odoo, OdooOption
from tests.build import findings, host, ignored, mended, verdict

SLUG = "ignored-config-key"


def _with(*keys: IgnoredKey, version: str | None = "18.0", gevent_port_source: str = "default of 18.0") -> Snapshot:
    snapshot = host(version=version)
    assert isinstance(snapshot.odoo, Odoo)
    one = snapshot.odoo.instances[0]
    options = tuple(
        OdooOption(o.name, o.value, gevent_port_source) if o.name == "gevent_port" else o for o in one.options
    )
    return structs.replace(snapshot, odoo=Odoo((structs.replace(one, ignored_keys=keys, options=options),)))


LONGPOLLING = ignored("longpolling_port", "8072", "ignored since 18.0; the option is gevent_port")


def test_silent_where_every_key_is_read() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks_of_each_key() -> None:
    typo = ignored("max_cron_thread", "4", "ignored: no option of Odoo 18.0; did you mean max_cron_threads?")
    first, second = findings(_with(LONGPOLLING, typo), SLUG)
    assert "longpolling_port = 8072" in first.message and "since 18.0" in first.message
    assert "max_cron_threads" in second.message


def test_speaks_softly_of_keys_that_have_nothing_to_do_with_connections() -> None:
    key = ignored("without_demo", "all", "ignored since 19.0; the option is with_demo")
    assert verdict(_with(key), SLUG).severity is Severity.INFO
    assert verdict(_with(LONGPOLLING), SLUG).severity is Severity.WARNING


def test_a_value_of_the_new_option_wins_over_the_old_key() -> None:
    fix = findings(_with(LONGPOLLING), SLUG)[0].fix
    assert fix is not None and SetOdooOption("odoo", "gevent_port", "8072") in fix.changes
    fix = findings(_with(LONGPOLLING, gevent_port_source="/etc/odoo/odoo.conf:9"), SLUG)[0].fix
    assert fix is not None and fix.changes == (SetOdooOption("odoo", "longpolling_port", None),)


def test_a_key_of_another_place_is_removed_there() -> None:
    key = structs.replace(LONGPOLLING, source="ODOO_LONGPOLLING_PORT in the environment of pid 4")
    fix = findings(_with(key), SLUG)[0].fix
    assert fix is not None and any(isinstance(c, Manual) and "environment" in c.text for c in fix.changes)


@given(st.lists(st.sampled_from(["longpolling_port", "xmlrpc_port", "worker", "db_max_conn"]), unique=True))
def test_its_own_fix_silences_it(names: list[str]) -> None:
    snapshot = _with(*(ignored(name, "8072", "ignored") for name in names))
    assert len(findings(snapshot, SLUG)) == len(names)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_a_version_or_a_configuration() -> None:
    assert verdict(_with(version=None), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), odoo=Unavailable("Odoo", "x", "y")), SLUG).state == "unknown"


def test_healthy_where_odoo_has_no_file_at_all() -> None:
    # Everything comes from the command line or, in 19, from the environment: no key can be ignored.
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    no_file = structs.replace(snapshot.odoo.instances[0], config_file=None)
    assert verdict(structs.replace(snapshot, odoo=Odoo((no_file,))), SLUG).state == "healthy"
