"""A plan as JSON: the contract ``slotwise.plan/1``, published in docs/schema/plan.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from slotwise.capacity.demand import Demand, Term
    from slotwise.capacity.figures import Figures
    from slotwise.capacity.plan import Alternative, ServerPlan
    from slotwise.capacity.pooling import PoolSizing
    from slotwise.capacity.queueing import Wait
    from slotwise.capacity.report import PlanReport
    from slotwise.capacity.transition import Transition


SCHEMA = "slotwise.plan/1"

Json = dict[str, object]


def plan_json(report: PlanReport, version: str) -> str:
    """The report as indented JSON with a newline at the end. ``version`` is slotwise's."""
    return msgspec.json.format(msgspec.json.encode(plan_document(report, version)), indent=2).decode() + "\n"


def plan_document(report: PlanReport, version: str) -> Json:
    """The report as plain values. What stands at the top is the tightest server's; ``servers`` has every one."""
    first = report.servers[0]
    return {
        "schema": SCHEMA,
        "slotwise_version": version,
        "subject": report.subject,
        **_server(first),
        # The worst of all servers and of the transition, which a pipeline asks for.
        "verdict": report.verdict.value,
        "assumptions": list(report.assumptions),
        "servers": [_server(one) for one in report.servers[1:]],
        "what_if": [
            {
                "change": one.change,
                "server": one.server,
                "demand": _figures(one.demand.figures),
                "usable": one.usable,
                "verdict": one.verdict.value,
                "headroom_ratio": one.headroom_ratio,
            }
            for one in report.what_ifs
        ],
        "calibration": [msgspec.structs.asdict(one) for one in report.calibrations],
        "transitions": [_transition(one) for one in report.transitions],
        "sweeps": [
            {
                "field": sweep.field,
                "now": sweep.now,
                "points": [msgspec.structs.asdict(point) for point in sweep.points],
            }
            for sweep in report.sweeps
        ],
        "waits": [msgspec.structs.asdict(point) for point in report.waits],
    }


def _server(plan: ServerPlan) -> Json:
    best = plan.recommended
    return {
        "server": plan.server.name,
        "hosts": sum(host.count for host in plan.hosts),
        "demand": _demand(plan.demand),
        "guide_says": plan.guide_says,
        "supply": {
            "usable": plan.usable,
            "usable_next": plan.usable_next,
            "limit": plan.limit,
            "limited_by": plan.limited_by,
            "bounds": [msgspec.structs.asdict(bound) for bound in plan.bounds],
        },
        "verdict": plan.verdict.value,
        "headroom_ratio": plan.headroom_ratio,
        "recommendation": {
            "alternative": best.name,
            "fits": best.verdict.value == "fits",
            "settings": [msgspec.structs.asdict(setting) for setting in best.settings],
            "pooling": None if best.pooling is None else _pooling(best.pooling),
        },
        "alternatives": [_alternative(one) for one in plan.alternatives],
    }


def _demand(demand: Demand) -> Json:
    return {
        "guide": demand.guide,
        **_figures(demand.figures),
        "terms": [_term(term) for term in demand.terms],
        "by_database": {name: _figures(one) for name, one in demand.by_database.items()},
        "by_role": {name: _figures(one) for name, one in demand.by_role.items()},
    }


def _term(term: Term) -> Json:
    return {
        "role": term.role,
        "database": term.database,
        "databases": term.databases,
        "count": _figures(term.count),
        "per_process": _figures(term.per_process),
        "processes": term.processes,
        "source": term.source,
    }


def _figures(figures: Figures) -> Json:
    return msgspec.structs.asdict(figures)


def _alternative(one: Alternative) -> Json:
    return {
        "name": one.name,
        "title": one.title,
        "verdict": one.verdict.value,
        "headroom_ratio": one.headroom_ratio,
        "typical": one.typical,
        "peak": one.peak,
        "ceiling": one.ceiling,
        "usable": one.usable,
        "ram_bytes": one.ram_bytes,
        "restart": one.restart,
        "risk": one.risk,
        "reason": one.reason,
        "settings": [msgspec.structs.asdict(setting) for setting in one.settings],
        "pooling": None if one.pooling is None else _pooling(one.pooling),
    }


def _pooling(sizing: PoolSizing) -> Json:
    plain = msgspec.structs.asdict(sizing)
    plain["pools"] = msgspec.structs.asdict(sizing.pools)
    plain["erlang"] = _wait(sizing.erlang)
    plain["finite"] = _wait(sizing.finite)
    return plain


def _wait(wait: Wait) -> Json:
    return msgspec.structs.asdict(wait)


def _transition(one: Transition) -> Json:
    return {
        "server": one.server,
        "before": _figures(one.before.figures),
        "after": _figures(one.after.figures),
        "changes": [
            {"role": change.role, "before": _figures(change.before), "after": _figures(change.after)}
            for change in one.changes
        ],
        "versions": [msgspec.structs.asdict(change) for change in one.versions],
        "moments": [{**msgspec.structs.asdict(moment), "verdict": moment.verdict.value} for moment in one.moments],
        "limit": one.limit,
        "verdict": one.verdict.value,
    }
