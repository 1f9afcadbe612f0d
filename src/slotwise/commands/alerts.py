"""alerts: write rules, dashboards and examples into a directory."""

from __future__ import annotations

from pathlib import Path

from slotwise.errors import OperatorError
from slotwise.formats.alert_rules import Thresholds, exporter_alerts, rules_yaml, slotwise_alerts
from slotwise.formats.grafana import fleet_dashboard, host_dashboard

_PROMETHEUS = """\
# An example: every host runs `slotwise serve`; beyond loopback with --token-file and TLS (docs/howto/serve.md).
global:
  scrape_interval: 15s
rule_files: [slotwise-rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{targets: ["127.0.0.1:9093"]}]
scrape_configs:
  - job_name: slotwise
    static_configs: [{targets: ["127.0.0.1:9719"]}]
"""
_ALERTMANAGER = """\
# An example: critical alerts page, the others mail; a saturated host does not also say that it is high.
route:
  receiver: mail
  group_by: [alertname, instance]
  routes:
    - matchers: [severity="critical"]
      receiver: pager
inhibit_rules:
  - source_matchers: [alertname="ConnectionSlotsSaturated"]
    target_matchers: [alertname=~"ConnectionSlotsHigh|ConnectionSlotsSoonGone"]
    equal: [instance]
receivers:
  - name: mail
    webhook_configs: [{url: "http://127.0.0.1:9999/mail"}]
  - name: pager
    webhook_configs: [{url: "http://127.0.0.1:9999/page"}]
"""
_COMPOSE = """\
# An example for one host that runs `slotwise serve` on 127.0.0.1:9719. Grafana: http://127.0.0.1:3000
services:
  prometheus:
    image: prom/prometheus
    network_mode: host
    command: ["--config.file=/etc/prometheus/prometheus.yml", "--web.listen-address=127.0.0.1:9090"]
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
              "./slotwise-rules.yml:/etc/prometheus/slotwise-rules.yml:ro"]
  alertmanager:
    image: prom/alertmanager
    network_mode: host
    command: ["--config.file=/etc/alertmanager/alertmanager.yml", "--web.listen-address=127.0.0.1:9093",
              "--cluster.listen-address="]
    volumes: ["./alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro"]
  grafana:
    image: grafana/grafana
    network_mode: host
    environment: {GF_SERVER_HTTP_ADDR: 127.0.0.1}
    volumes: ["./grafana-datasources.yml:/etc/grafana/provisioning/datasources/slotwise.yml:ro",
              "./grafana-dashboards.yml:/etc/grafana/provisioning/dashboards/slotwise.yml:ro",
              "./dashboard-host.json:/var/lib/grafana/dashboards/host.json:ro",
              "./dashboard-fleet.json:/var/lib/grafana/dashboards/fleet.json:ro"]
"""
_GRAFANA_SOURCES = """\
apiVersion: 1
datasources:
  - {name: Prometheus, type: prometheus, access: proxy, url: "http://127.0.0.1:9090", isDefault: true}
"""
_GRAFANA_DASHBOARDS = """\
apiVersion: 1
providers:
  - {name: slotwise, type: file, options: {path: /var/lib/grafana/dashboards}}
"""


def written(output: Path, at: Thresholds) -> tuple[Path, ...]:
    """Write every file and return their paths. Raises OperatorError for thresholds that make no sense, or a directory
    that cannot be written."""
    if not 0 < at.high_ratio < at.saturated_ratio <= 1:
        raise OperatorError(
            f"--high {at.high_ratio:g} and --saturated {at.saturated_ratio:g} are no ratios in this order",
            "give 0 < high < saturated <= 1, for example --high 0.8 --saturated 0.95",
        )
    texts = {
        "slotwise-rules.yml": rules_yaml("slotwise", slotwise_alerts(at)),
        "postgres-exporter-rules.yml": rules_yaml("connection-slots", exporter_alerts(at)),
        "dashboard-host.json": host_dashboard(),
        "dashboard-fleet.json": fleet_dashboard(),
        "prometheus.yml": _PROMETHEUS,
        "alertmanager.yml": _ALERTMANAGER,
        "compose.yml": _COMPOSE,
        "grafana-datasources.yml": _GRAFANA_SOURCES,
        "grafana-dashboards.yml": _GRAFANA_DASHBOARDS,
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (output / name).write_text(text, "utf-8")
    except OSError as error:
        raise OperatorError(f"cannot write into {output}: {error}", "give another --output DIR") from error
    return tuple(output / name for name in texts)
