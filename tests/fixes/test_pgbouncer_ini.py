from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.pooling import PoolSizing, Workload, size_pools
from slotwise.collectors.pgbouncer_ini import parse_pgbouncer_ini
from slotwise.fixes.connection_words import parse_words, written
from slotwise.fixes.pgbouncer_ini import Backend, Listening, merged_ini, new_ini, open_files_needed, pool_settings

WORD = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), max_size=12)


def sizing(workers: int = 4, cron: int = 1, clients: int = 400) -> PoolSizing:
    host = OdooHost(name="h", odoo_version=18, workers=workers, max_cron_threads=cron, databases=("prod",))
    return size_pools((host,), 97, 6, clients, Workload(), None)


def test_the_installed_version_decides_about_keys() -> None:
    assert "transaction_timeout" not in pool_settings(sizing(), (1, 18), 1)
    assert pool_settings(sizing(), (1, 25), 1)["transaction_timeout"] == "0"


def test_the_sum_of_the_caps_holds_for_any_number_of_roles() -> None:
    one = int(pool_settings(sizing(), (1, 18), 1)["max_user_connections"])
    for users in (1, 2, 3, 7):
        each = int(pool_settings(sizing(), (1, 18), users)["max_user_connections"])
        assert each * users <= one


def test_a_new_file_says_what_was_meant() -> None:
    size = sizing()
    text = new_ini(Backend("10.0.0.1", 5432), size, (1, 18), ("odoo",), Listening(), ("prod", "my db"))
    read = parse_pgbouncer_ini(text, lambda name: None)
    assert read.complete and read.wildcard
    assert read.databases["postgres"]["pool_mode"] == "session"
    assert read.databases["postgres"]["pool_size"] == str(size.pools.postgres_pool_size)
    assert read.databases["*"] == {"host": "10.0.0.1", "port": "5432", "application_name": "odoo"}
    assert read.databases["my db_direct"]["dbname"] == "my db"
    assert read.settings["pool_mode"] == "transaction"
    assert read.settings["default_pool_size"] == str(size.pools.default_pool_size)
    assert int(read.settings["max_client_conn"]) >= 400
    assert open_files_needed(size) > int(read.settings["max_client_conn"]) + size.pools.max_user_connections


SICK = """\
; our pooler\r
[databases]\r
prod = host=10.0.0.9 port=5433 pool_mode=session pool_size=50 password='it''s'\r
* = host=10.0.0.9 port=5433\r
# end of databases\r
[pgbouncer]\r
listen_port = 6432\r
auth_file = /etc/pgbouncer/userlist.txt\r
pool_mode = session ; not a comment\r
max_client_conn = 5000\r
[users]\r
bob = pool_mode=session\r
"""


def test_an_existing_file_keeps_everything_else() -> None:
    after = merged_ini(SICK, sizing(), (1, 18), 1)
    for line in ("; our pooler\r", "# end of databases\r", "listen_port = 6432\r", "bob = pool_mode=session\r"):
        assert line in after.split("\n")
    assert "max_client_conn = 5000\r" in after.split("\n")
    read = parse_pgbouncer_ini(after, lambda name: None)
    assert read.settings["pool_mode"] == "transaction"
    assert "pool_mode" not in read.databases["prod"] and "pool_size" not in read.databases["prod"]
    assert "password='it''s'" in after
    assert read.databases["postgres"]["host"] == "10.0.0.9" and read.databases["postgres"]["pool_mode"] == "session"


def test_merging_twice_changes_nothing() -> None:
    once = merged_ini(SICK, sizing(), (1, 18), 1)
    assert merged_ini(once, sizing(), (1, 18), 1) == once


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(WORD, TEXT, max_size=5))
def test_words_survive(words: dict[str, str]) -> None:
    assert parse_words(written(words)) == words
