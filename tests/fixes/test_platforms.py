"""The worlds that slotwise does not write to: their commands and files, as their tools take them."""

from __future__ import annotations

import shlex

import pytest
import yaml
from msgspec import structs

from slotwise.findings import SetServerSetting
from slotwise.fixes.ground import Ground, Platform
from slotwise.fixes.pgbouncer_ini import Backend, Listening, new_ini
from slotwise.fixes.pooler_files import cloudnativepg_pooler, compose_service, kubernetes_deployment
from slotwise.fixes.remedy import Remedy
from slotwise.fixes.requested import Requested
from slotwise.fixes.server_settings import server_remedies
from slotwise.snapshot.postgres import Setting, Settings
from tests.fixes.test_pgbouncer_ini import sizing
from tests.fixes.test_refusals import GROUND, SETTINGS

REQUESTS = (
    Requested(SetServerSetting("max_connections", "120", True), "why", None, "SW101"),
    Requested(SetServerSetting("tcp_keepalives_idle", "60", False), "why", None, "SW215"),
)


POOLER_PARAMETERS = [
    "application_name_add_host",
    "autodb_idle_timeout",
    "client_idle_timeout",
    "client_login_timeout",
    "default_pool_size",
    "disable_pqexec",
    "idle_transaction_timeout",
    "ignore_startup_parameters",
    "log_connections",
    "log_disconnections",
    "log_pooler_errors",
    "log_stats",
    "max_client_conn",
    "max_db_connections",
    "max_user_connections",
    "min_pool_size",
    "query_timeout",
    "query_wait_timeout",
    "reserve_pool_size",
    "reserve_pool_timeout",
    "server_check_delay",
    "server_check_query",
    "server_connect_timeout",
    "server_fast_close",
    "server_idle_timeout",
    "server_lifetime",
    "server_login_retry",
    "server_reset_query",
    "server_reset_query_always",
    "server_round_robin",
    "stats_period",
    "verbose",
]
"""What a Pooler of CloudNativePG takes (docs/src/connection_pooling.md)."""


def remedy(platform: Platform, settings: Settings = SETTINGS) -> Remedy:
    ground = Ground(postgres=structs.replace(GROUND, platform=platform))
    (made,), refused, notes = server_remedies(REQUESTS, settings, ground, False)
    assert refused == () and notes == () and made.steps == ()
    return made


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        (
            "rds",
            "modify-db-parameter-group ParameterName=max_connections,ParameterValue=120,ApplyMethod=pending-reboot",
        ),
        ("aurora", "modify-db-cluster-parameter-group reboot-db-instance"),
        ("azure", "--name max_connections --value 120 restart"),
        ("cloudsql", "--database-flags=max_connections=120,tcp_keepalives_idle=60"),
        ("patroni", "postgresql.parameters.max_connections=120"),
    ],
)
def test_commands(platform: Platform, words: str) -> None:
    said = [word for line in remedy(platform).commands for word in shlex.split(line, comments=True)]
    for word in words.split():
        assert word in said


def test_rds_applies_at_once_what_needs_no_reboot() -> None:
    (line,) = (c for c in remedy("rds").commands if "tcp_keepalives_idle" in c)
    assert "ApplyMethod=immediate" in line


def test_what_restarts_a_server_says_so() -> None:
    for platform in ("rds", "aurora", "azure", "cloudsql", "patroni"):
        assert any("restart" in c or "reboot" in c for c in remedy(platform).commands), platform  # type: ignore[arg-type]
    assert "readers" in remedy("aurora").commands[-1]


def test_arguments_that_the_server_has_are_said_again() -> None:
    """A new list of arguments replaces the whole old one."""
    have = (
        Setting("shared_buffers", "262144", "8kB", "command line"),
        Setting("max_connections", "100", None, "command line"),
        Setting("config_file", "/etc/postgresql.conf", None, "command line"),
        Setting("work_mem", "4096", "kB", "configuration file"),
    )
    names = {s.name for s in have}
    settings = Settings((*have, *(s for s in SETTINGS.settings if s.name not in names)))
    wanted = ["-c", "shared_buffers=262144", "-c", "max_connections=120", "-c", "tcp_keepalives_idle=60"]
    (file,) = remedy("kubernetes", settings).files
    assert yaml.safe_load(file.text)["spec"]["template"]["spec"]["containers"][0]["args"] == wanted
    (file,) = remedy("compose", settings).files
    assert yaml.safe_load(file.text)["services"]["db"]["command"] == ["postgres", *wanted]


def test_cluster_and_pooler_of_cloudnativepg() -> None:
    made = remedy("cloudnativepg")
    (file,) = made.files
    # A whole `kubectl apply` of this part would take away what it does not name.
    assert "patch" in made.commands[0] and "--type merge" in made.commands[0]
    assert yaml.safe_load(file.text)["spec"]["postgresql"]["parameters"]["max_connections"] == "120"
    (pooler,) = cloudnativepg_pooler(sizing(), 1)
    spec = yaml.safe_load(pooler.text)["spec"]
    assert spec["pgbouncer"]["poolMode"] == "transaction" and spec["instances"] == 1
    assert all(isinstance(value, str) for value in spec["pgbouncer"]["parameters"].values())
    assert set(spec["pgbouncer"]["parameters"]) <= set(POOLER_PARAMETERS)
    assert set(spec) == {"cluster", "instances", "type", "pgbouncer"}
    assert "bus_alt_connection" in pooler.text


def test_compose() -> None:
    (file,) = remedy("compose").files
    assert "max_connections=120" in yaml.safe_load(file.text)["services"]["db"]["command"]
    assert "-f compose.slotwise.yml" in remedy("compose").commands[0]
    service, ini = compose_service("[pgbouncer]\n", sizing())
    assert yaml.safe_load(service.text)["services"]["pgbouncer"]["ulimits"]["nofile"] > 400
    assert ini.text == "[pgbouncer]\n"


def test_kubernetes() -> None:
    (file,) = remedy("kubernetes").files
    container = yaml.safe_load(file.text)["spec"]["template"]["spec"]["containers"][0]
    assert "max_connections=120" in container["args"]
    ini = new_ini(Backend("db", 5432), sizing(), (1, 18), ("odoo",), Listening(), ())
    (made,) = kubernetes_deployment(ini)
    config, deployment, _ = yaml.safe_load_all(made.text)
    assert config["data"]["pgbouncer.ini"] == ini
    assert deployment["spec"]["replicas"] == 1
