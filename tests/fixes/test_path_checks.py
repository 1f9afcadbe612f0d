"""What an observation means: for Odoo, for queue_job, and for nobody."""

from __future__ import annotations

import pytest

from slotwise.errors import ExitCode
from slotwise.fixes.path_checks import (
    Check,
    CheckState,
    Demands,
    Need,
    NeededBy,
    Observation,
    PathReport,
    Seen,
    compared,
    judged,
)


def need(by: NeededBy) -> Need:
    return Need(id="x", needed_by=by, fine="fine", loss="loss", harmless="harmless")


NO, YES, UNTOLD = Demands(queue_job=False), Demands(queue_job=True), Demands(queue_job=None)


@pytest.mark.parametrize(
    ("by", "worked", "demands", "state"),
    [
        ("odoo", True, NO, "works"),
        ("odoo", False, NO, "broken"),
        ("odoo", None, NO, "unknown"),
        ("queue_job", True, UNTOLD, "works"),
        ("queue_job", False, NO, "not-needed"),
        ("queue_job", False, YES, "broken"),
        ("queue_job", False, UNTOLD, "unknown"),
        ("queue_job", None, YES, "unknown"),
        ("queue_job", None, NO, "not-needed"),
        ("nobody", True, NO, "works"),
        ("nobody", False, YES, "not-needed"),
        ("nobody", None, YES, "not-needed"),
        ("nobody", False, Demands(also=frozenset({"x"})), "broken"),
        ("nobody", None, Demands(also=frozenset({"x"})), "unknown"),
    ],
)
def test_states(by: NeededBy, worked: bool | None, demands: Demands, state: CheckState) -> None:
    check = judged(need(by), Observation(worked, (Seen("a", 1),), reason="why"), demands)
    assert check.state == state
    assert check.evidence == (Seen("a", 1), Seen("reason", "why"))
    said = {"works": "fine", "broken": "loss", "not-needed": "harmless", "unknown": "loss"}[state]
    assert said in check.consequence


def test_what_was_seen_may_be_needed_by_others_than_the_whole() -> None:
    half = Observation(False, needed_by="queue_job")
    assert judged(need("odoo"), half, NO).state == "not-needed"
    assert judged(need("odoo"), half, YES).state == "broken"


@pytest.mark.parametrize(
    ("direct", "cause"),
    [(True, "the pooler breaks it"), (False, "it is broken on the direct way too: not the pooler's doing")],
)
def test_the_direct_way_names_the_cause(direct: bool, cause: str) -> None:
    broken = Check("x", "broken", "loss", ())
    assert compared(broken, Observation(direct)).evidence[-1] == Seen("cause", cause)
    assert compared(broken, Observation(None)).evidence == (Seen("direct", "unknown"),)
    assert compared(broken, None) is broken


def report(*states: CheckState) -> PathReport:
    checks = tuple(Check(f"c{n}", state, "", ()) for n, state in enumerate(states))
    return PathReport("p", "d", None, None, None, None, checks, 0.0, 0, 0)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("works", "not-needed"), ExitCode.HEALTHY),
        (("works", "unknown"), ExitCode.UNKNOWN),
        (("broken", "unknown"), ExitCode.FINDINGS),
        ((), ExitCode.UNKNOWN),
    ],
)
def test_exit_codes(states: tuple[CheckState, ...], code: ExitCode) -> None:
    assert report(*states).exit_code == code
