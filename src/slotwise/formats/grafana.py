"""Grafana dashboards as JSON: one host, and a fleet. The data source is a variable, so that import asks for nothing."""

from __future__ import annotations

import json
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ONE = '{instance="$instance"}'
_HOST = (
    ("Slots", (("slotwise_slots_used" + _ONE, "taken"), ("slotwise_slots_usable" + _ONE, "usable")), "short"),
    ("Slots by state", (("slotwise_slots" + _ONE, "{{state}}"),), "short"),
    ("Holders", (("slotwise_holder_connections" + _ONE, "{{role}} {{database}}"),), "short"),
    (
        "Processes that hold most",
        (("topk(15, slotwise_process_connections" + _ONE + ")", "{{role}} {{pid}}"),),
        "short",
    ),
    ("Time to the last slot", (("slotwise_saturation_eta_seconds" + _ONE, "eta"),), "s"),
    ("Demand by the model", (("slotwise_demand_connections" + _ONE, "{{kind}}"),), "short"),
    ("PgBouncer clients", (("slotwise_pgbouncer_clients" + _ONE, "{{database}} {{state}}"),), "short"),
    ("PgBouncer longest wait", (("slotwise_pgbouncer_maxwait_seconds" + _ONE, "{{database}}"),), "s"),
    ("Findings", (("slotwise_findings" + _ONE + " > 0", "{{id}} {{severity}}"),), "short"),
    ("Collectors", (("slotwise_collector_duration_seconds" + _ONE, "{{collector}}"),), "s"),
)
_FLEET = (
    ("Share of usable slots", (("slotwise_slots_used / slotwise_slots_usable", "{{instance}}"),), "percentunit"),
    ("Free slots", (("slotwise_slots_usable - slotwise_slots_used", "{{instance}}"),), "short"),
    ("Time to the last slot", (("slotwise_saturation_eta_seconds", "{{instance}}"),), "s"),
    ("Findings", (("sum by (instance, severity) (slotwise_findings) > 0", "{{instance}} {{severity}}"),), "short"),
    ("PgBouncer longest wait", (("max by (instance) (slotwise_pgbouncer_maxwait_seconds)", "{{instance}}"),), "s"),
    ("Hosts that cannot count", (("slotwise_up == 0", "{{instance}}"),), "short"),
)


def host_dashboard() -> str:
    """The dashboard of one host, chosen by the variable ``instance``."""
    choose = {
        "name": "instance",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(slotwise_up, instance)",
        "refresh": 2,
    }
    return _dashboard("slotwise-host", "slotwise: one host", _HOST, [choose])


def fleet_dashboard() -> str:
    """All hosts beside each other."""
    return _dashboard("slotwise-fleet", "slotwise: fleet", _FLEET, [])


def _dashboard(uid: str, title: str, panels: Any, variables: list[dict[str, Any]]) -> str:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    document = {
        "uid": uid,
        "title": title,
        "tags": ["slotwise"],
        "schemaVersion": 36,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, *variables]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(panels)],
    }
    return json.dumps(document, indent=2) + "\n"


def _panel(number: int, title: str, queries: tuple[tuple[str, str], ...], unit: str) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": number % 2 * 12, "y": number // 2 * 8, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"spanNulls": False}}, "overrides": []},
        "targets": [
            {"refId": chr(65 + n), "expr": expression, "legendFormat": legend, "datasource": _SOURCE}
            for n, (expression, legend) in enumerate(queries)
        ],
    }
