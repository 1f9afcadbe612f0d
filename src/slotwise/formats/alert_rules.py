"""Prometheus alerting rules as YAML: for slotwise's own metrics, and for postgres_exporter with pgbouncer_exporter.

Ratios are of *usable* slots: what superusers and other reserves keep is taken off, because Odoo is refused when the
rest is gone (src/backend/utils/init/postinit.c, PostgreSQL 12 to 18). Pure.
"""

from __future__ import annotations

from typing import Any

import yaml
from msgspec import Struct

RUNBOOK = "slotwise explain"
_TAKEN = "slotwise_slots_used / slotwise_slots_usable"
_PER_SERVER = "max by (instance, server)"
_EXPORTER_USABLE = (
    f"({_PER_SERVER} (pg_settings_max_connections) - {_PER_SERVER} (pg_settings_superuser_reserved_connections)"
    f" - ({_PER_SERVER} (pg_settings_reserved_connections) or 0 * {_PER_SERVER} (pg_settings_max_connections)))"
)
_EXPORTER_TAKEN = f"sum by (instance, server) (pg_stat_activity_count) / {_EXPORTER_USABLE}"


class Thresholds(Struct, frozen=True):
    """When to speak: ratios of usable slots, and times in seconds."""

    high_ratio: float = 0.8
    saturated_ratio: float = 0.95
    idle_in_transaction_seconds: float = 300.0
    pool_wait_seconds: float = 5.0
    eta_seconds: float = 4 * 3600.0


class Alert(Struct, frozen=True):
    """One rule. ``rule`` is the id whose page is the runbook, None where there is none."""

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str
    rule: str | None = None


def slotwise_alerts(at: Thresholds) -> tuple[Alert, ...]:
    """Alerts on what `slotwise serve` exports. What is absent fires nothing but SlotwiseBlind."""
    waiting = f"slotwise_pgbouncer_maxwait_seconds > {at.pool_wait_seconds:g}"
    stuck = f"slotwise_idle_in_transaction_oldest_seconds > {at.idle_in_transaction_seconds:g}"
    return (
        Alert("ConnectionSlotsHigh", f"{_TAKEN} >= {at.high_ratio:g}", "5m", "warning",
              "{{ $value | humanizePercentage }} of the usable connection slots are taken", "SW202"),
        Alert("ConnectionSlotsSaturated", f"{_TAKEN} >= {at.saturated_ratio:g}", "1m", "critical",
              "{{ $value | humanizePercentage }} of the usable connection slots are taken", "SW201"),
        Alert("ConnectionSlotsSoonGone", f"slotwise_saturation_eta_seconds < {at.eta_seconds:g}", "10m", "warning",
              "the last connection slot goes in {{ $value | humanizeDuration }} at the present trend", "SW201"),
        Alert("StuckIdleInTransaction", stuck, "1m", "warning",
              "a transaction has been idle for {{ $value | humanizeDuration }}", "SW203"),
        Alert("LeakingProcess", 'sum without (severity) (slotwise_findings{id="SW206"}) > 0', "10m", "warning",
              "{{ $value }} processes hold more connections than they use", "SW206"),
        Alert("ListenerMissing", 'sum without (severity) (slotwise_findings{id="SW208"}) > 0', "5m", "warning",
              "a process of Odoo's does not LISTEN: live chat, notifications or cron triggers are late", "SW208"),
        Alert("PgBouncerClientsWait", waiting, "2m", "warning",
              "clients of {{ $labels.database }} wait {{ $value | humanizeDuration }} for a connection", "SW306"),
        Alert("SlotwiseBlind", "slotwise_up == 0", "5m", "critical",
              "slotwise cannot count the connection slots of {{ $labels.instance }}"),
        Alert("SlotwiseGone", 'up{job="slotwise"} == 0', "5m", "critical",
              "slotwise on {{ $labels.instance }} does not answer"),
    )  # fmt: skip


def exporter_alerts(at: Thresholds) -> tuple[Alert, ...]:
    """Alerts on what postgres_exporter and pgbouncer_exporter export.

    pg_stat_activity_count counts by database and leaves out sessions without one; parallel and autovacuum workers,
    which take no slot, are in it. It is a good measure and not an exact one.
    """
    stuck = (
        'max by (instance, server, datname) (pg_stat_activity_max_tx_duration{state=~"idle in transaction.*"}) > '
        f"{at.idle_in_transaction_seconds:g}"
    )
    return (
        Alert("ConnectionSlotsHigh", f"{_EXPORTER_TAKEN} >= {at.high_ratio:g}", "5m", "warning",
              "{{ $value | humanizePercentage }} of the usable connection slots are taken", "SW202"),
        Alert("ConnectionSlotsSaturated", f"{_EXPORTER_TAKEN} >= {at.saturated_ratio:g}", "1m", "critical",
              "{{ $value | humanizePercentage }} of the usable connection slots are taken", "SW201"),
        Alert("StuckIdleInTransaction", stuck, "1m", "warning",
              "a transaction on {{ $labels.datname }} has been idle or open for {{ $value | humanizeDuration }}; "
              "a running scheduled action of Odoo's looks the same here", "SW203"),
        Alert("PgBouncerClientsWait", f"pgbouncer_pools_client_maxwait_seconds > {at.pool_wait_seconds:g}", "2m",
              "warning", "clients of {{ $labels.database }} wait {{ $value | humanizeDuration }}", "SW306"),
        Alert("PostgresExporterBlind", "pg_up == 0", "5m", "critical",
              "postgres_exporter cannot connect: the slots may be gone"),
    )  # fmt: skip


def rules_yaml(group: str, alerts: tuple[Alert, ...]) -> str:
    """A rules file with one group."""
    document = {"groups": [{"name": group, "rules": [_entry(alert) for alert in alerts]}]}
    return str(yaml.safe_dump(document, sort_keys=False, width=160))


def _entry(alert: Alert) -> dict[str, Any]:
    annotations = {"summary": alert.summary}
    if alert.rule:
        annotations["runbook"] = f"{RUNBOOK} {alert.rule}"
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": annotations,
    }
