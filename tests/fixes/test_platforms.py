"""The worlds that slotwise does not write to: their commands and files, as their tools take them."""

from __future__ import annotations

import shlex

import pytest
import yaml

from slotwise.findings import SetServerSetting
from slotwise.fixes.ground import Ground, Platform
from slotwise.fixes.pgbouncer_ini import Backend, Listening, new_ini
from slotwise.fixes.pooler_files import cloudnativepg_pooler, compose_service, kubernetes_deployment
from slotwise.fixes.remedy import Remedy
from slotwise.fixes.requested import Requested
from slotwise.fixes.server_settings import server_remedies
from tests.fixes.test_pgbouncer_ini import sizing
from tests.fixes.test_refusals import GROUND, SETTINGS

REQUESTS = (
    Requested(SetServerSetting("max_connections", "120", True), "why", None, "SW101"),
    Requested(SetServerSetting("tcp_keepalives_idle", "60", False), "why", None, "SW215"),
)


def remedy(platform: Platform) -> Remedy:
    from msgspec import structs

    ground = Ground(postgres=structs.replace(GROUND, platform=platform))
    (made,), refused, notes = server_remedies(REQUESTS, SETTINGS, ground, False)
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


def test_cluster_and_pooler_of_cloudnativepg() -> None:
    (file,) = remedy("cloudnativepg").files
    assert yaml.safe_load(file.text)["spec"]["postgresql"]["parameters"]["max_connections"] == "120"
    (pooler,) = cloudnativepg_pooler(sizing(), 1)
    spec = yaml.safe_load(pooler.text)["spec"]
    assert spec["pgbouncer"]["poolMode"] == "transaction" and spec["instances"] == 1
    assert all(isinstance(value, str) for value in spec["pgbouncer"]["parameters"].values())
    assert "bus_alt_connection" in pooler.text


def test_compose() -> None:
    (file,) = remedy("compose").files
    assert "max_connections=120" in yaml.safe_load(file.text)["services"]["db"]["command"]
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
