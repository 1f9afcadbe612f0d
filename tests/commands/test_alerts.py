from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from slotwise.commands.alerts import written
from slotwise.errors import OperatorError
from slotwise.formats.alert_rules import Thresholds
from slotwise.rules.engine import catalogue

HERE = 'instance="erp1",server="db"'
POSTGRES = {
    f"pg_settings_max_connections{{{HERE}}}": 100,
    f"pg_settings_superuser_reserved_connections{{{HERE}}}": 3,
}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool") or str(Path(sys.executable).with_name("promtool"))
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("alerts")
    written(directory, Thresholds())
    return directory


@pytest.mark.parametrize("name", ["slotwise-rules.yml", "postgres-exporter-rules.yml"])
def test_the_rules_are_valid(output: Path, name: str) -> None:
    done = promtool("check", "rules", str(output / name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_configuration_is_valid(output: Path) -> None:
    done = promtool("check", "config", str(output / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


FIRES: list[tuple[str, dict[str, float], str]] = [
    ("slotwise", {"slotwise_slots_used": 78, "slotwise_slots_usable": 97}, "ConnectionSlotsHigh"),
    ("slotwise", {"slotwise_slots_used": 93, "slotwise_slots_usable": 97}, "ConnectionSlotsSaturated"),
    ("slotwise", {"slotwise_saturation_eta_seconds": 7200}, "ConnectionSlotsSoonGone"),
    ("slotwise", {"slotwise_idle_in_transaction_oldest_seconds": 301}, "StuckIdleInTransaction"),
    ("slotwise", {'slotwise_findings{id="SW206",severity="warning"}': 1}, "LeakingProcess"),
    ("slotwise", {'slotwise_findings{id="SW208",severity="critical"}': 1}, "ListenerMissing"),
    ("slotwise", {'slotwise_pgbouncer_maxwait_seconds{database="prod"}': 6}, "PgBouncerClientsWait"),
    ("slotwise", {"slotwise_up": 0}, "SlotwiseBlind"),
    ("slotwise", {'up{job="slotwise"}': 0}, "SlotwiseGone"),
    ("postgres-exporter", POSTGRES | {f'pg_stat_activity_count{{{HERE},state="idle"}}': 78}, "ConnectionSlotsHigh"),
    (
        "postgres-exporter",
        # The reserve of PostgreSQL 16 counts: 80 of 100 - 3 - 17.
        POSTGRES
        | {f"pg_settings_reserved_connections{{{HERE}}}": 17, f'pg_stat_activity_count{{{HERE},state="idle"}}': 77},
        "ConnectionSlotsSaturated",
    ),
    (
        "postgres-exporter",
        {f'pg_stat_activity_max_tx_duration{{{HERE},datname="prod",state="idle in transaction"}}': 400},
        "StuckIdleInTransaction",
    ),
    ("postgres-exporter", {'pgbouncer_pools_client_maxwait_seconds{database="prod"}': 6}, "PgBouncerClientsWait"),
    ("postgres-exporter", {"pg_up": 0}, "PostgresExporterBlind"),
]
SILENT: list[tuple[str, dict[str, float], str]] = [
    ("slotwise", {"slotwise_slots_used": 77, "slotwise_slots_usable": 97}, "ConnectionSlotsHigh"),
    ("slotwise", {"slotwise_slots_usable": 97}, "ConnectionSlotsHigh"),
    ("slotwise", {"slotwise_saturation_eta_seconds": 15000}, "ConnectionSlotsSoonGone"),
    ("slotwise", {'slotwise_findings{id="SW206",severity="warning"}': 0}, "LeakingProcess"),
    ("slotwise", {"slotwise_up": 1}, "SlotwiseBlind"),
    ("postgres-exporter", POSTGRES | {f'pg_stat_activity_count{{{HERE},state="idle"}}': 77}, "ConnectionSlotsHigh"),
    ("postgres-exporter", POSTGRES, "ConnectionSlotsHigh"),
]


def test_every_alert_fires_when_it_should_and_not_otherwise(output: Path, tmp_path: Path) -> None:
    for rules in ("slotwise", "postgres-exporter"):
        tests = [_case(series, alert, True) for r, series, alert in FIRES if r == rules]
        tests += [_case(series, alert, False) for r, series, alert in SILENT if r == rules]
        document = {
            "rule_files": [str(output / f"{rules}-rules.yml")],
            "evaluation_interval": "1m",
            "tests": tests,
        }
        file = tmp_path / f"{rules}.yml"
        file.write_text(yaml.safe_dump(document))
        done = promtool("test", "rules", str(file))
        # promtool prints what fires and what was expected; labels and texts are not repeated here, only the names.
        assert done.returncode == 0, done.stdout + done.stderr


def _case(series: dict[str, float], alert: str, fires: bool) -> dict[str, Any]:
    """A series that stays the same for an hour; ALERTS says at its end whether the alert fires."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value}x60"} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": "1h",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def test_every_alert_is_tested_and_has_a_runbook_that_exists(output: Path) -> None:
    known = {rule.id for rule in catalogue()}
    for rules in ("slotwise", "postgres-exporter"):
        document = yaml.safe_load((output / f"{rules}-rules.yml").read_text())
        entries = document["groups"][0]["rules"]
        assert {e["alert"] for e in entries} == {alert for r, _, alert in FIRES if r == rules}
        runbooks = [e["annotations"]["runbook"] for e in entries if "runbook" in e["annotations"]]
        assert runbooks and {r.removeprefix("slotwise explain ") for r in runbooks} <= known


def test_the_installations_thresholds_are_written(tmp_path: Path) -> None:
    written(tmp_path, Thresholds(high_ratio=0.7, saturated_ratio=0.9))
    text = (tmp_path / "slotwise-rules.yml").read_text()
    assert ">= 0.7" in text and ">= 0.9" in text
    with pytest.raises(OperatorError, match="no ratios"):
        written(tmp_path, Thresholds(high_ratio=0.95, saturated_ratio=0.9))


def test_dashboards_ask_only_for_metrics_that_exist(output: Path) -> None:
    exported = (Path(__file__).parents[2] / "src/slotwise/web/metrics.py").read_text()
    for name in ("dashboard-host.json", "dashboard-fleet.json"):
        dashboard = json.loads((output / name).read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                for word in target["expr"].replace("(", " ").replace("{", " ").split():
                    if word.startswith("slotwise_"):
                        assert f'"{word.rstrip(")")}"' in exported


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("amtool") or str(Path(sys.executable).with_name("amtool"))
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_alertmanager_takes_the_example_and_pages_for_what_is_critical(output: Path) -> None:
    file = str(output / "alertmanager.yml")
    checked = amtool("check-config", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for severity, receiver in (("critical", "pager"), ("warning", "mail")):
        routed = amtool("config", "routes", "test", f"--config.file={file}", f"severity={severity}")
        assert routed.stdout.split() == [receiver]


def test_compose_starts_what_is_written(output: Path) -> None:
    """Against the schema of docker-compose (Apache-2.0); every file that is mounted was written."""
    compose = yaml.safe_load((output / "compose.yml").read_text())
    schema = json.loads((Path(__file__).parents[1] / "packaging/compose-spec.json").read_text())
    jsonschema.validate(compose, schema)
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", ())]
    assert mounts and all((output / volume.split(":")[0]).is_file() for volume in mounts)
    assert {s.get("network_mode") for s in compose["services"].values()} == {"host"}


def test_grafana_finds_the_source_and_the_dashboards(output: Path) -> None:
    sources = yaml.safe_load((output / "grafana-datasources.yml").read_text())["datasources"]
    assert [s["type"] for s in sources] == ["prometheus"]
    providers = yaml.safe_load((output / "grafana-dashboards.yml").read_text())["providers"]
    mounts = yaml.safe_load((output / "compose.yml").read_text())["services"]["grafana"]["volumes"]
    assert sum(providers[0]["options"]["path"] + "/" in mount for mount in mounts) == 2
