"""A small report for tests of faces and comparisons."""

from __future__ import annotations

from msgspec.structs import replace

from slotwise.capacity.plan import PlanSetting
from slotwise.load.measures import PoolWait, Refused, Slots, Step, percentiles, step_of
from slotwise.load.ramp import Stop, goal
from slotwise.load.report import LoadReport, Model, Remedy, RoleBeside, report_of

RESPONSES = {1: 0.1, 2: 0.1, 4: 0.1, 8: 0.11, 16: 0.8, 32: 2.4}


def report(*, slow: float = 1.0, refused: int = 0, gap: str | None = None) -> LoadReport:
    steps: list[Step] = []
    for users, response in RESPONSES.items():
        step = step_of(users, 5.0, [response * slow] * 60, 1.0)
        pool = PoolWait(
            address="127.0.0.1:6432", database="a<b", user="odoo", most_waiting=users, most_servers=3,
            longest_wait_seconds=0.5,
        )  # fmt: skip
        slots = Slots(used=users + 3, usable=37, max_connections=40, by_role={"http_worker": users, "gevent": 1},
                      pools=(pool,), looks=4)  # fmt: skip
        steps.append(replace(step, slots=Slots(gap=gap) if gap else slots, slot_wait=percentiles([0.01, 0.02])))
    if refused:
        wall = Refused(wall="pg_reserved", role="http_worker", count=refused, words="FATAL: <reserved>")
        steps[-1] = replace(steps[-1], refused=(wall,))
    setting = PlanSetting(name="max_connections", value=100, unit="connections", where="postgresql.conf", why="room")
    return report_of(
        slotwise_version="0",
        kind="connections",
        subject="2 hosts on <server>",
        started_at=1_800_000_000.0,
        seconds=60.0,
        scenario={"workers": 4, "seed": 1},
        steps=steps,
        stop=Stop("saturated", "throughput no longer rises"),
        wanted=goal("users=30"),
        model=Model(
            roles=(RoleBeside(role="http_worker", typical=4, peak=8, measured=32),),
            knee_users=11.0,
            servers=1,
            bottleneck="1 HTTP worker",
        ),
        remedy=Remedy(title="Raise max_connections", reason="makes room", settings=(setting,)),
    )
