"""No value of an option, a console or a setting makes a rule fail: it finds, is healthy, or cannot know."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.rules.engine import catalogue, judge
from slotwise.snapshot.odoo import Odoo, OdooOption, OptionValue
from slotwise.snapshot.pgbouncer import Pool, PoolDatabase
from tests.build import DEFAULTS, behind, host, pgbouncer

MINE = tuple(r for r in catalogue() if r.area in ("odoo", "capacity", "pgbouncer", "host"))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**7),
    st.text(max_size=8),
    st.sampled_from(["postgres,a, ,b", "127.0.0.1", "/run/postgresql", "6432", "replica"]),
)
NUMBERS = st.one_of(st.text("0123456789-abc. ", max_size=6), st.integers(-5, 10**6).map(str))
OPTIONAL = st.one_of(st.none(), st.integers(-3, 500))
CONFIG = st.dictionaries(st.sampled_from(sorted(pgbouncer().config)), NUMBERS, max_size=6)
POOLS = st.lists(
    st.builds(
        Pool,
        database=st.sampled_from(["prod", "postgres", "pgbouncer", "x"]),
        user=st.sampled_from(["odoo", ""]),
        pool_mode=st.sampled_from([None, "session", "transaction", "statement"]),
        cl_active=st.integers(0, 50),
        cl_waiting=st.integers(0, 50),
        sv_active=st.integers(0, 50),
        sv_idle=st.integers(0, 50),
        sv_used=st.integers(0, 5),
        sv_tested=st.integers(0, 5),
        sv_login=st.integers(0, 5),
        maxwait_seconds=st.floats(0, 500),
    ),
    max_size=4,
)
ENTRIES = st.lists(
    st.builds(
        PoolDatabase,
        name=st.sampled_from(["prod", "postgres", "x", "*"]),
        host=st.sampled_from([None, "127.0.0.1", "10.0.0.1"]),
        port=OPTIONAL,
        database=st.none(),
        force_user=st.none(),
        pool_size=OPTIONAL,
        reserve_pool_size=OPTIONAL,
        pool_mode=st.sampled_from([None, "session", "transaction"]),
        max_connections=OPTIONAL,
        current_connections=OPTIONAL,
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*sorted(DEFAULTS), "dev_mode", "db_replica_port"]), VALUES, max_size=8),
    st.sampled_from(["17.0", "18.0", "19.0", "saas~18.2", "", "x", None]),
    st.sets(st.sampled_from(sorted(DEFAULTS)), max_size=4),
    NUMBERS,
)
def test_odoos_options(changes: dict[str, OptionValue], version: str | None, lost: set[str], maximum: str) -> None:
    snapshot = host(version=version, options=changes, settings_={"max_connections": maximum})
    assert isinstance(snapshot.odoo, Odoo)
    one = snapshot.odoo.instances[0]
    kept: tuple[OdooOption, ...] = tuple(o for o in one.options if o.name not in lost)
    snapshot = structs.replace(snapshot, odoo=Odoo((structs.replace(one, options=kept),)))
    assert all(v.state in ("found", "healthy", "unknown") for v in judge(snapshot, MINE))


@settings(max_examples=150, deadline=None)
@given(CONFIG, POOLS, ENTRIES, st.sampled_from([None, True, False]), OPTIONAL, VALUES)
def test_what_a_console_shows(
    config: dict[str, str],
    pools: list[Pool],
    entries: list[PoolDatabase],
    wildcard: bool | None,
    files: int | None,
    user: OptionValue,
) -> None:
    console = structs.replace(
        pgbouncer(config={**config, "listen_port": "6432"}),
        pools=tuple(pools),
        databases=tuple(entries),
        wildcard=wildcard,
        process_limit_nofile=files,
    )
    snapshot = behind(host([], options={"db_port": 6432, "db_user": user}), console)
    assert all(v.state in ("found", "healthy", "unknown") for v in judge(snapshot, MINE))
