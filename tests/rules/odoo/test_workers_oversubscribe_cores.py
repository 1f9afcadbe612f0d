from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.processes import Host
from tests.build import GIB, findings, host, mended, verdict

SLUG = "workers-oversubscribe-cores"


def _on(cores: float, *workers: int) -> Snapshot:
    snapshot = host(options={"workers": workers[0]})
    assert isinstance(snapshot.odoo, Odoo)
    first = snapshot.odoo.instances[0]
    more = [structs.replace(host(options={"workers": w}).odoo.instances[0], id=f"i{w}") for w in workers[1:]]
    return structs.replace(snapshot, odoo=Odoo((first, *more)), machine=Host("h", 16 * GIB, None, None, cores))


def test_silent_at_two_workers_a_core() -> None:
    assert findings(_on(2, 4), SLUG) == ()
    assert findings(_on(1, 2), SLUG) == ()
    assert findings(_on(4, 4, 4), SLUG) == ()
    assert findings(_on(2, 0), SLUG) == ()


def test_speaks_of_twenty_workers_on_four_cores() -> None:
    said = verdict(_on(4, 20), SLUG)
    assert said.severity is Severity.WARNING
    assert "20 HTTP workers on 4 cores" in said.findings[0].message


def test_speaks_softly_up_to_four_a_core() -> None:
    assert verdict(_on(2, 8), SLUG).severity is Severity.INFO
    assert verdict(_on(2, 9), SLUG).severity is Severity.WARNING


def test_instances_of_one_machine_add_up() -> None:
    assert "12 HTTP workers" in findings(_on(2, 4, 8), SLUG)[0].message


@given(st.integers(1, 32), st.integers(0, 200))
def test_its_own_fix_silences_it(cores: int, workers: int) -> None:
    after = mended(_on(cores, workers), SLUG)
    assert findings(after, SLUG) == ()
    assert isinstance(after.odoo, Odoo)
    assert (after.odoo.instances[0].integer("workers") > 0) == (workers > 0)


def test_unknown_where_the_cores_or_the_processes_are_not_seen() -> None:
    snapshot = _on(1, 20)
    assert verdict(structs.replace(snapshot, machine=Unavailable("host", "x", "y")), SLUG).state == "unknown"
    assert isinstance(snapshot.odoo, Odoo)
    elsewhere = structs.replace(snapshot.odoo.instances[0], processes=())
    assert verdict(structs.replace(snapshot, odoo=Odoo((elsewhere,))), SLUG).state == "unknown"
