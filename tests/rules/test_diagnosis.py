from __future__ import annotations

import pytest
from msgspec import structs

from slotwise.errors import ExitCode, OperatorError
from slotwise.findings import Finding, Severity, Verdict
from slotwise.rules.diagnosis import chosen, diagnose, exit_code, holders
from slotwise.snapshot.evidence import Unavailable
from tests.build import FIRST_CRON, FIRST_HTTP, MASTER, backend, host, listeners

GAP = Unavailable("x", "y", "z")
CRON_LOCK = "SELECT * FROM ir_cron WHERE id = 1 FOR NO KEY UPDATE SKIP LOCKED"


def said(severity: Severity, *, found: bool = False, missing: bool = False) -> Verdict:
    state = "found" if found else "unknown" if missing else "healthy"
    findings = (Finding("m", ()),) if found else ()
    return Verdict("SW1", "s", severity, state, findings, (GAP,) if missing else ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "fail_on", "expected"),
    [
        ((said(Severity.CRITICAL),), Severity.INFO, ExitCode.HEALTHY),
        ((said(Severity.CRITICAL, found=True),), Severity.CRITICAL, ExitCode.FINDINGS),
        ((said(Severity.WARNING, found=True),), Severity.CRITICAL, ExitCode.HEALTHY),
        ((said(Severity.WARNING, found=True),), Severity.WARNING, ExitCode.FINDINGS),
        ((said(Severity.CRITICAL, missing=True),), Severity.CRITICAL, ExitCode.UNKNOWN),
        ((said(Severity.INFO, missing=True),), Severity.CRITICAL, ExitCode.HEALTHY),
        (
            (said(Severity.CRITICAL, missing=True), said(Severity.CRITICAL, found=True)),
            Severity.CRITICAL,
            ExitCode.FINDINGS,
        ),
    ],
)
def test_exit_code(verdicts: tuple[Verdict, ...], fail_on: Severity, expected: ExitCode) -> None:
    assert exit_code(verdicts, fail_on) is expected


def test_rules_are_chosen_by_id_slug_or_start_of_an_id() -> None:
    assert [r.slug for r in chosen(("SW201",), ())] == [r.slug for r in chosen(("slots-saturated",), ())]
    assert {r.id[:3] for r in chosen(("sw2",), ())} == {"SW2"}
    assert "SW201" not in {r.id for r in chosen((), ("SW201",))}
    with pytest.raises(OperatorError, match="no rule 'SW999'"):
        chosen((), ("SW999",))


def test_holders_are_grouped_by_socket_owner_not_by_application_name() -> None:
    held = [(FIRST_HTTP, backend(1, application_name=f"odoo-{MASTER}")), (FIRST_HTTP + 1, backend(2))]
    rows = holders(host([*held, *listeners(1, websocket=False)]))
    assert not isinstance(rows, Unavailable)
    assert {(h.pid, h.role, h.count) for h in rows} == {
        (FIRST_HTTP, "http_worker", 1),
        (FIRST_HTTP + 1, "http_worker", 1),
        (FIRST_CRON, "cron_worker", 1),
    }
    assert MASTER not in {h.pid for h in rows}


def test_by_design_states_are_told_apart() -> None:
    lock = backend(1, state="idle in transaction", query=CRON_LOCK)
    rows = holders(host([(FIRST_CRON, lock), *listeners(1, websocket=False)]))
    assert not isinstance(rows, Unavailable)
    states = {h.database: h.states for h in rows}
    assert states == {"prod": {"idle in transaction (scheduled action)": 1}, "postgres": {"idle (listens)": 1}}


def test_owners_that_cannot_be_seen_are_not_made_up() -> None:
    gone = backend(1)
    far = backend(2, addr="10.1.2.3")
    rows = holders(host([(None, gone), (None, far)]))
    assert not isinstance(rows, Unavailable)
    assert {(h.owner, h.pid, h.host) for h in rows} == {("orphan", None, "erp1"), ("foreign", None, "10.1.2.3")}
    blind = holders(structs.replace(host([(FIRST_HTTP, gone)]), sockets=GAP))
    assert not isinstance(blind, Unavailable)
    assert [(h.owner, h.pid, h.role) for h in blind] == [("unknown", None, "unknown")]


def test_without_sessions_nothing_is_counted() -> None:
    diagnosis = diagnose(structs.replace(host(), activity=GAP), select=("SW201",))
    assert diagnosis.slots == GAP and diagnosis.holders == GAP
    assert diagnosis.exit_code is ExitCode.UNKNOWN
