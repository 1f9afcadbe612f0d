"""The newest observation in Prometheus' words. What is stale or unknown is absent, never zero; labels are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from slotwise import __version__
from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.findings import Verdict
from slotwise.forecast.lives import Leaking
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Databases, Roles, Server
from slotwise.snapshot.round import HolderCount, Round
from slotwise.web.board import Board, Seen

MOST_SERIES = 100
"""Label values of one metric; what comes after the largest ones is summed up as OTHER."""
OTHER = "(other)"
_LONGEST_LABEL = 63
Labels = tuple[str, ...]


class Exported:
    """A collector (prometheus_client) over the board. It reads memory only: a scrape never asks the server."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Every metric of this moment."""
        seen, age = self._board.seen, self._board.age_seconds
        known = seen is not None and seen.observation.round.used is not None
        info = InfoMetricFamily("slotwise", "The slotwise that answers")
        info.add_metric([], {"version": __version__})
        yield info
        yield _one("slotwise_up", "1 where the newest look could count the slots, else 0", 1.0 if known else 0.0)
        if age is not None:
            yield _one("slotwise_observation_age_seconds", "Age of the newest look", age)
        if seen is not None:
            yield from _slots(seen.observation.round)
            yield from _limits(seen.observation.snapshot)
            yield from _demand(seen.observation.snapshot)
            yield from _pools(seen.observation.round)
            yield _findings(seen.observation.verdicts)
            yield from _forecast(seen)
            yield from _leaks(seen)
            yield from _collectors(seen.observation.snapshot)


def registry_of(board: Board) -> CollectorRegistry:
    """A registry with nothing but slotwise's metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exported(board))
    return registry


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _family(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    """A gauge by labels: the largest MOST_SERIES of them, the rest in one series."""
    family = GaugeMetricFamily(name, text, labels=labels)
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    for label, value in ranked[:MOST_SERIES]:
        family.add_metric([text[:_LONGEST_LABEL] for text in label], value)
    if len(ranked) > MOST_SERIES:
        family.add_metric([OTHER] * len(labels), sum(value for _, value in ranked[MOST_SERIES:]))
    return family


def _slots(round_: Round) -> Iterator[Metric]:
    limits = (
        ("slotwise_slots_max", "max_connections", round_.max_connections),
        ("slotwise_slots_reserved", "Slots that Odoo's role cannot take", round_.reserved),
        ("slotwise_slots_usable", "Slots that Odoo's role may take", round_.usable),
        ("slotwise_slots_used", "Slots that are taken, slotwise's own included", round_.used),
        (
            "slotwise_idle_in_transaction_oldest_seconds",
            "Age of the oldest idle transaction that is no scheduled action",
            round_.oldest_idle_in_transaction_seconds,
        ),
        (
            "slotwise_server_start_time_seconds",
            "When PostgreSQL was started, by its own clock",
            round_.server_started_at,
        ),
    )
    for name, text, value in limits:
        if value is not None:
            yield _one(name, text, float(value))
    if round_.used is None:
        return

    def by(name: str, text: str, labels: Labels, key: Callable[[HolderCount], Labels]) -> Metric:
        counts: Counter[Labels] = Counter()
        for holder in round_.holders:
            counts[key(holder)] += holder.count
        return _family(name, text, labels, counts)

    yield by("slotwise_slots", "Sessions by state, slotwise's own left out", ("state",), lambda h: (h.state,))
    yield by(
        "slotwise_holder_connections",
        "Sessions by the part that their process plays in Odoo, and database",
        ("role", "database"),
        lambda h: (_part(h), h.database or ""),
    )
    yield by("slotwise_user_connections", "Sessions by PostgreSQL role", ("user",), lambda h: (h.user or "",))
    yield by(
        "slotwise_application_connections",
        "Sessions by application_name without numbers",
        ("application",),
        lambda h: (h.application or "",),
    )
    yield by(
        "slotwise_process_connections",
        "Sessions by process",
        ("role", "pid"),
        lambda h: (_part(h), str(h.pid) if h.pid is not None else ""),
    )


def _part(holder: HolderCount | Leaking) -> str:
    if holder.role != "unknown":
        return holder.role
    return holder.process or (holder.owner if isinstance(holder, HolderCount) else "unknown")


def _limits(snapshot: Snapshot) -> Iterator[Metric]:
    if isinstance(snapshot.roles, Roles):
        limits: dict[Labels, float] = {
            (r.name,): float(r.connection_limit) for r in snapshot.roles.roles if r.connection_limit >= 0
        }
        yield _family("slotwise_user_connection_limit", "CONNECTION LIMIT of roles that have one", ("user",), limits)
    if isinstance(snapshot.databases, Databases):
        closed: dict[Labels, float] = {
            (d.name,): float(d.connection_limit) for d in snapshot.databases.databases if d.connection_limit >= 0
        }
        text = "CONNECTION LIMIT of databases that have one"
        yield _family("slotwise_database_connection_limit", text, ("database",), closed)
    if isinstance(snapshot.server, Server) and snapshot.server.in_recovery is not None:
        yield _one("slotwise_server_in_recovery", "1 on a standby", float(snapshot.server.in_recovery))


def _demand(snapshot: Snapshot) -> Iterator[Metric]:
    demand = installation_demand(snapshot)
    if not isinstance(demand, InstallationDemand) or not demand.certain:
        return
    figures = demand.figures
    values: dict[Labels, float] = {
        (kind,): float(getattr(figures, kind)) for kind in ("steady", "typical", "peak", "ceiling")
    }
    yield _family("slotwise_demand_connections", "Connections that Odoo needs by the model", ("kind",), values)


def _pools(round_: Round) -> Iterator[Metric]:
    if not round_.pools:
        return
    clients: Counter[Labels] = Counter()
    servers: Counter[Labels] = Counter()
    waits: dict[Labels, float] = {}
    for pool in round_.pools:
        clients[pool.database, "active"] += pool.cl_active
        clients[pool.database, "waiting"] += pool.cl_waiting
        servers[pool.database, "active"] += pool.sv_active
        servers[pool.database, "idle"] += pool.sv_idle
        servers[pool.database, "other"] += pool.sv_other
        waits[pool.database,] = max(waits.get((pool.database,), 0.0), pool.maxwait_seconds)
    labels = ("database", "state")
    yield _family("slotwise_pgbouncer_clients", "Client connections of PgBouncer", labels, clients)
    yield _family("slotwise_pgbouncer_servers", "Server connections of PgBouncer", labels, servers)
    family = GaugeMetricFamily(
        "slotwise_pgbouncer_maxwait_seconds", "How long the first client in the queue waits", labels=["database"]
    )
    for (database,), seconds in sorted(waits.items(), key=lambda item: (-item[1], item[0]))[:MOST_SERIES]:
        family.add_metric([database[:_LONGEST_LABEL]], seconds)
    yield family


def _findings(verdicts: Iterable[Verdict]) -> Metric:
    """Every rule that could judge, 0 where it found nothing; a rule that could not is absent."""
    family = GaugeMetricFamily("slotwise_findings", "Findings by rule", labels=["id", "severity"])
    for verdict in verdicts:
        counts = Counter((f.severity or verdict.severity).word for f in verdict.findings)
        if not counts and not verdict.missing:
            counts[verdict.severity.word] = 0
        for severity, count in counts.items():
            family.add_metric([verdict.id, severity], count)
    return family


def _forecast(seen: Seen) -> Iterator[Metric]:
    """Time to the last slot, only from a confirmed trend: no alarm may rest on less than a day of history."""
    found = seen.forecast
    if found is None or found.trend != "growing" or found.eta_seconds is None:
        return
    text = "Time until the last usable slot is taken at the present trend"
    if found.certainty == "confirmed":
        yield _one("slotwise_saturation_eta_seconds", text, found.eta_seconds)
    if found.slope_per_hour is not None:
        yield _one("slotwise_slots_growth_per_hour", "Growth of the taken slots", found.slope_per_hour)


def _leaks(seen: Seen) -> Iterator[Metric]:
    """How many processes leak, and how fast each does: absent where nobody could tell yet."""
    if seen.leaking is None:
        return
    text = "Processes whose sessions grow at flat load, on the same databases"
    yield _one("slotwise_leaking_processes", text, float(len(seen.leaking)))
    slopes: dict[Labels, float] = {(_part(one), str(one.pid)): one.per_hour for one in seen.leaking}
    yield _family(
        "slotwise_process_growth_per_hour", "Sessions an hour of each leaking process", ("role", "pid"), slopes
    )


def _collectors(snapshot: Snapshot) -> Iterator[Metric]:
    durations: dict[Labels, float] = {}
    success: dict[Labels, float] = {}
    for report in snapshot.sources:
        if report.state == "skipped":
            continue
        name = (collector_name(report.name),)
        durations[name] = durations.get(name, 0.0) + report.seconds
        success[name] = min(success.get(name, 1.0), 1.0 if report.state == "ok" else 0.0)
    labels = ("collector",)
    yield _family("slotwise_collector_duration_seconds", "Time that the collector took", labels, durations)
    yield _family("slotwise_collector_success", "1 where the collector read everything", labels, success)


def collector_name(report: str) -> str:
    """A label for a source's report: no address and no pid in it."""
    word = report.lower()
    if word.startswith("postgresql "):
        return "postgresql"
    return "pgbouncer" if "pgbouncer" in word else word.replace(" ", "_")
