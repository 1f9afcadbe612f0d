"""Expected values were checked against the configmanager of Odoo 17.0, 18.0 and 19.0, run on the same input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.odoo_conf import parse_odoo_conf
from slotwise.collectors.odoo_configuration import Configuration, Inputs, configuration
from slotwise.collectors.odoo_options import option_specs, table_version
from slotwise.errors import OperatorError
from slotwise.snapshot.odoo import OptionValue

EVERY = pytest.mark.parametrize("version", ["17.0", "18.0", "19.0"])


def effective(
    version: str | None,
    conf: str = "",
    arguments: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    user: str | None = None,
) -> Configuration:
    parsed = parse_odoo_conf(f"[options]\n{conf}".encode(), "/etc/odoo.conf")
    return configuration(Inputs(version, parsed, arguments, environment, "pid 7", user))


def source(found: Configuration, name: str) -> str:
    return next(o.source for o in found.options if o.name == name)


@EVERY
def test_defaults(version: str) -> None:
    found = effective(version)
    names = ("workers", "max_cron_threads", "db_maxconn", "http_enable", "limit_time_real", "db_template")
    assert [found.value(n) for n in names] == [0, 2, 64, True, 120, "template0"]
    assert not found.value("db_maxconn_gevent") and not found.value("db_name")
    assert source(found, "workers") == f"default of {version}"


@EVERY
def test_the_command_line_wins_over_the_file(version: str) -> None:
    found = effective(version, "workers = 3\ndb_maxconn = 9", ("--workers=5", "-d", "prod"))
    assert (found.value("workers"), source(found, "workers")) == (5, "command line of pid 7")
    assert (found.value("db_maxconn"), source(found, "db_maxconn")) == (9, "/etc/odoo.conf:3")
    assert found.value("db_name") == "prod"


@pytest.mark.parametrize(
    ("version", "workers", "where"),
    [("17.0", 3, "/etc/odoo.conf:2"), ("18.0", 3, "/etc/odoo.conf:2"), ("19.0", 6, "env")],
)
def test_only_19_reads_options_from_the_environment(version: str, workers: int, where: str) -> None:
    found = effective(version, "workers = 3", (), {"ODOO_WORKERS": "6"})
    assert found.value("workers") == workers
    assert where.replace("env", "ODOO_WORKERS in the environment of pid 7") == source(found, "workers")
    assert effective(version, "workers = 3", ("--workers", "7"), {"ODOO_WORKERS": "6"}).value("workers") == 7


def test_19_takes_the_database_from_PGDATABASE() -> None:
    assert effective("19.0", "", (), {"PGDATABASE": "a, b,"}).value("db_name") == "a,b"
    assert not effective("18.0", "", (), {"PGDATABASE": "a"}).value("db_name")


@pytest.mark.parametrize(
    ("version", "line", "name", "value"),
    [
        # literal booleans, whatever the key; other words of a boolean key are true when not empty (17.0, 18.0)
        ("17.0", "proxy_mode = no", "proxy_mode", True),
        ("18.0", "http_enable = 0", "http_enable", True),
        ("18.0", "http_enable = false", "http_enable", False),
        ("18.0", "list_db = ", "list_db", False),
        ("19.0", "proxy_mode = no", "proxy_mode", False),
        ("19.0", "http_enable = 0", "http_enable", False),
        # numbers: optparse reads a leading zero as octal, int() does not
        ("17.0", "db_maxconn = 010", "db_maxconn", 8),
        ("18.0", "db_maxconn = 0x10", "db_maxconn", 16),
        ("19.0", "db_maxconn = 010", "db_maxconn", 10),
        # False and None
        ("18.0", "db_maxconn_gevent = False", "db_maxconn_gevent", False),
        ("18.0", "workers = False", "workers", 0),
        ("18.0", "db_host = None", "db_host", "None"),
        ("19.0", "db_host = None", "db_host", None),
        ("19.0", "limit_time_real = False", "limit_time_real", 120),
        ("19.0", "db_maxconn_gevent = False", "db_maxconn_gevent", None),
        # keys are case-insensitive, values keep what looks like a comment
        ("18.0", "WORKERS = 4", "workers", 4),
        ("18.0", "db_name = prod ; main", "db_name", "prod ; main"),
        # old names
        ("17.0", "xmlrpc_port = 8070", "http_port", 8070),
        ("18.0", "xmlrpc = False", "http_enable", False),
        ("19.0", "xmlrpc_port = 8070", "http_port", 8069),
        ("17.0", "longpolling_port = 8073", "gevent_port", 8073),
        ("18.0", "longpolling_port = 8073", "gevent_port", 8072),
        # an empty replica host opens a second pool in 18.0 and a developer mode in 19.0
        ("18.0", "db_replica_host = ", "db_replica_host", ""),
        ("19.0", "db_replica_host = ", "db_replica_host", None),
        ("19.0", "db_replica_host = ", "dev_mode", "replica"),
        ("18.0", "dev_mode = all", "dev_mode", ""),
        ("19.0", "dev_mode = all", "dev_mode", "all,access,qweb,reload,xml"),
    ],
)
def test_what_a_line_means(version: str, line: str, name: str, value: OptionValue) -> None:
    found = effective(version, line).value(name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (("--worker", "4"), "workers", 4),
        (("--max-cron=3",), "max_cron_threads", 3),
        (("-dprod",), "db_name", "prod"),
        (("-d", "a,b"), "db_name", "a,b"),
        (("--workers=1", "--workers=2"), "workers", 2),
        (("--no-http",), "http_enable", False),
        (("--no-database-list",), "list_db", False),
        (("-p", "8070", "-r", "erp"), "http_port", 8070),
        (("--unheard-of=3", "--workers=6"), "workers", 6),
        (("--db_max=9",), "db_maxconn", 64),  # ambiguous: db_maxconn or db_maxconn_gevent
        (("--workers=four",), "workers", 0),
    ],
)
@EVERY
def test_a_command_line_means_what_optparse_makes_of_it(
    version: str, arguments: tuple[str, ...], name: str, value: OptionValue
) -> None:
    assert effective(version, "", arguments).value(name) == value


@EVERY
def test_a_value_that_stops_odoo_is_refused_with_its_place(version: str) -> None:
    with pytest.raises(OperatorError) as refused:
        effective(version, "db_user = odoo\nworkers = 4 ; four\n")
    assert "/etc/odoo.conf:3 sets workers to '4 ; four'" in refused.value.problem
    assert "line of its own" in refused.value.remedy


@pytest.mark.parametrize(("version", "refused"), [("17.0", False), ("18.0", False), ("19.0", True)])
def test_17_and_18_do_not_look_at_what_the_command_line_overrides(version: str, refused: bool) -> None:
    if refused:
        with pytest.raises(OperatorError):
            effective(version, "workers = four", ("--workers=2",))
    else:
        assert effective(version, "workers = four", ("--workers=2",)).value("workers") == 2


def test_unset_connection_parameters_fall_to_libpq() -> None:
    found = effective("18.0", "db_host = False", (), {"PGHOST": "/run/pg", "PGPORT": "5433"}, user="odoo")
    assert (found.value("db_host"), found.value("db_port"), found.value("db_user")) == ("/run/pg", 5433, "odoo")
    assert source(found, "db_user") == "operating-system user of pid 7 (libpq)"


@EVERY
def test_secrets_stay_apart(version: str) -> None:
    secrets = (
        "db_password = hunter2\nadmin_passwd = master1\nsmtp_password = mail3\nlog_db = postgresql://u:hunter4@h/d\n"
    )
    found = effective(version, secrets)
    assert found.password == "hunter2"
    shown = f"{found.options} {found.ignored} {found!r}"
    assert not any(s in shown for s in ("hunter2", "master1", "mail3", "hunter4"))


@pytest.mark.parametrize(
    ("version", "table"),
    [
        (None, 18),
        ("16.0", 17),
        ("17.0", 17),
        ("saas~17.4", 18),
        ("18.0", 18),
        ("saas~18.2", 19),
        ("19.0", 19),
        ("20.0", 19),
        ("nonsense", 18),
    ],
)
def test_which_table_describes_a_version(version: str | None, table: int) -> None:
    assert table_version(version) == table


_TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


@given(
    st.sampled_from(["17.0", "18.0", "19.0"]),
    st.sampled_from(sorted(option_specs(19))),
    _TEXT,
    st.lists(_TEXT, max_size=4),
)
def test_any_value_is_read_or_refused(version: str, name: str, value: str, arguments: list[str]) -> None:
    line = f"{name} = {' '.join(value.split())}"
    try:
        found = effective(version, line, tuple(arguments))
    except OperatorError as refused:
        assert "/etc/odoo.conf" in refused.problem
    else:
        assert {o.name for o in found.options} <= set(option_specs(table_version(version)))
