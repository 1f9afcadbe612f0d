from __future__ import annotations

import configparser

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.fixes.ini_text import get_value, keys, set_value

NAMES = st.sampled_from(["workers", "db_maxconn", "db_host", "logfile", "addons_path", "x y", "Admin_Passwd"])
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=12
).map(str.strip)
COMMENTS = st.sampled_from(["", "# note", "; old = 1", "   ", "#workers = 9"])
SEPARATORS = st.sampled_from(["=", " = ", ": ", "\t=\t", "= "])


@st.composite
def odoo_files(draw: st.DrawFn) -> str:
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [*draw(st.lists(COMMENTS, max_size=2)), "[options]"]
    for name in draw(st.lists(NAMES, unique_by=str.lower, max_size=5)):
        lines.append(f"{name}{draw(SEPARATORS)}{draw(VALUES)}")
        lines += draw(st.lists(st.sampled_from(["    more", "# c", "", "\tdeep,"]), max_size=2))
    lines += draw(st.sampled_from([[], ["[queue_job]", "channels = root:2"]]))
    return ending.join(lines) + draw(st.sampled_from(["", ending]))


def odoo_reads(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text.replace("\r\n", "\n"))
    return parser


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(odoo_files(), st.sampled_from(["workers", "db_maxconn", "new_key"]), st.integers(0, 99).map(str))
def test_odoo_reads_the_value_that_was_meant_and_every_other_one_unchanged(text: str, key: str, value: str) -> None:
    before = odoo_reads(text)
    after_text = set_value(text, "options", key, value, "odoo")
    after = odoo_reads(after_text)
    assert after.get("options", key) == value == get_value(after_text, "options", key, "odoo")
    for section in before.sections():
        assert set(after.options(section)) - {key} == set(before.options(section)) - {key}
        for name in set(before.options(section)) - {key}:
            assert after.get(section, name) == before.get(section, name)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(odoo_files(), st.sampled_from(["workers", "new_key"]))
def test_applying_twice_changes_nothing_and_no_other_line_is_lost(text: str, key: str) -> None:
    once = set_value(text, "options", key, "7", "odoo")
    assert set_value(once, "options", key, "7", "odoo") == once
    if key == "new_key":
        assert [line for line in once.split("\n") if not line.startswith("new_key")][: text.count("\n")] == text.split(
            "\n"
        )[: text.count("\n")]
    comments = [line for line in text.split("\n") if line.startswith(("#", ";"))]
    gone = [line for line in comments if line not in once.split("\n") and line + "\r" not in once.split("\n")]
    assert all(line.startswith("# c") for line in gone), "only a comment inside the replaced value may go with it"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(odoo_files(), st.sampled_from(["workers", "db_maxconn", "new_key"]))
def test_removing_a_key_removes_that_key_only(text: str, key: str) -> None:
    before, after = odoo_reads(text), odoo_reads(set_value(text, "options", key, None, "odoo"))
    assert set(after.options("options")) == set(before.options("options")) - {key}


def test_spacing_and_crlf_are_kept() -> None:
    text = "[options]\r\n; mine\r\nworkers   =   4\r\nlogfile = x\r\n"
    assert set_value(text, "options", "workers", "8", "odoo") == text.replace("4", "8")


PGBOUNCER = """;; pooler
[databases]
* = host=127.0.0.1 port=5432
"my db" = host=h

%include /etc/pgbouncer/more.ini
[pgbouncer]
pool_mode = session
;pool_mode = statement
pool_mode=transaction
"""


def test_pgbouncer_the_last_value_counts_and_includes_stay() -> None:
    assert get_value(PGBOUNCER, "pgbouncer", "pool_mode", "pgbouncer") == "transaction"
    after = set_value(PGBOUNCER, "pgbouncer", "pool_mode", "session", "pgbouncer")
    assert after == PGBOUNCER.replace("pool_mode=transaction", "pool_mode=session")
    assert keys(PGBOUNCER, "databases", "pgbouncer") == ("*", "my db")


def test_pgbouncer_a_new_database_goes_into_its_section() -> None:
    after = set_value(PGBOUNCER, "databases", "postgres", "host=127.0.0.1 pool_mode=session", "pgbouncer")
    assert after.index("postgres = ") < after.index("[pgbouncer]")
    assert get_value(after, "databases", "postgres", "pgbouncer") == "host=127.0.0.1 pool_mode=session"


def test_a_missing_section_is_added() -> None:
    assert set_value("", "options", "workers", "4", "odoo") == "[options]\nworkers = 4\n"
    assert set_value("x", "pgbouncer", "a", "b", "pgbouncer") == "x\n\n[pgbouncer]\na = b\n"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(), st.sampled_from(["odoo", "pgbouncer"]))
def test_any_text_is_taken(text: str, dialect: str) -> None:
    after = set_value(text, "options", "workers", "4", dialect)  # type: ignore[arg-type]
    assert get_value(after, "options", "workers", dialect) == "4"  # type: ignore[arg-type]
