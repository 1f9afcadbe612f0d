from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.odoo import OptionValue
from tests.build import findings, host, mended, verdict

SLUG = "read-only-pool-doubles"
Options = dict[str, OptionValue]


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("18.0", {"db_replica_host": False}),
        ("18.0", {"db_replica_host": "10.0.0.6"}),
        ("18.0", {"db_replica_host": "127.0.0.1", "db_replica_port": 5433}),
        ("17.0", {"db_replica_host": ""}),
        ("19.0", {"db_replica_host": None}),
        ("19.0", {"db_replica_host": "replica.example"}),
    ],
)
def test_silent(version: str, options: Options) -> None:
    assert findings(host(version=version, options=options), SLUG) == ()


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("18.0", {"db_replica_host": ""}),
        ("18.0", {"db_replica_host": "localhost"}),
        ("18.0", {"db_replica_host": "10.0.0.5", "db_host": "10.0.0.5"}),
        ("19.0", {"db_replica_host": "127.0.0.1"}),
        ("19.0", {"db_replica_host": None, "dev_mode": "replica"}),
    ],
)
def test_speaks_where_the_second_pool_leads_to_the_primary(version: str, options: Options) -> None:
    (finding,) = findings(host(version=version, options=options), SLUG)
    assert "2 × db_maxconn" in finding.message


def test_speaks_of_an_empty_value_that_leads_elsewhere_than_db_host() -> None:
    (finding,) = findings(host(options={"db_replica_host": "", "db_host": "10.0.0.5"}), SLUG)
    assert "local socket" in finding.message


@given(
    st.sampled_from(["18.0", "19.0"]),
    st.sampled_from(["", "localhost", "127.0.0.1"]),
    st.sampled_from([None, "replica", "xml,replica"]),
)
def test_its_own_fix_silences_it(version: str, replica: str, dev_mode: str | None) -> None:
    snapshot = host(version=version, options={"db_replica_host": replica, "dev_mode": dev_mode})
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_a_version() -> None:
    assert verdict(host(version=None), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), odoo=Unavailable("Odoo", "x", "y")), SLUG).state == "unknown"
