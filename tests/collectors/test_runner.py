"""What the runner makes of hosts and answers, with the host given and the connections real or absent."""

from __future__ import annotations

import pytest

import slotwise.collectors.runner as runner
from slotwise.collectors.discovery import Client, Surroundings
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.collectors.runner import Request, collect
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance, OdooOption
from slotwise.snapshot.postgres import Titles
from slotwise.snapshot.processes import Postmaster, ServerProcesses
from slotwise.snapshot.refusals import Refusal, Refusals

HERE, THERE = "/etc/odoo/here.conf", "/etc/odoo/there.conf"
SERVERS = (Postmaster(50, 1, "/d", (), (), 0), Postmaster(51, 2, "/e", (), (), 0))


def instance(name: str) -> OdooInstance:
    log = OdooOption("logfile", f"{name}.log", name)
    return OdooInstance(name, "18.0", None, name, (log,))


def client(name: str, port: int, pids: int) -> Client:
    return Client(name, "127.0.0.1", port, "odoo", "geheim-Wort", pids=pids)


@pytest.fixture
def two_servers(monkeypatch: pytest.MonkeyPatch) -> HostEvidence:
    """Two instances of Odoo, each on a server of its own, that are not really there."""
    refusals = tuple(Refusal("pg_reserved", "refused", f"{name}.log") for name in (HERE, THERE))
    host = HostEvidence(
        server_processes=ServerProcesses(SERVERS, None),
        odoo=Odoo((instance(HERE), instance(THERE))),
        refusals=Refusals(refusals, (f"{HERE}.log", f"{THERE}.log")),
        titles={50: Titles((), True), 51: Titles((), False)},
        clients=(client(HERE, 1, 7), client(THERE, 2, 3)),
        surroundings=Surroundings(SERVERS, {}, (), ("127.0.0.1",), False),
    )
    monkeypatch.setattr(runner, "look_at_host", lambda **_: host)
    return host


def sources(snapshot: Snapshot) -> set[str]:
    assert isinstance(snapshot.refusals, Refusals)
    return {r.source for r in snapshot.refusals.refusals}


@pytest.mark.parametrize("offline", [True, False])
def test_an_instance_on_another_server_leaves_no_trace_in_the_evidence(
    two_servers: HostEvidence, offline: bool
) -> None:
    snapshot, discovery = collect(Request(offline=offline, timeout_seconds=20))
    assert isinstance(snapshot.odoo, Odoo) and [i.id for i in snapshot.odoo.instances] == [HERE]
    assert sources(snapshot) == {f"{HERE}.log"}
    assert isinstance(snapshot.server_processes, ServerProcesses) and snapshot.server_processes.chosen == 50
    assert snapshot.titles == two_servers.titles[50]
    assert any(THERE in s and "left out" in s for s in discovery.sentences)
    assert "geheim-Wort" not in repr(snapshot) + repr(discovery) + repr(two_servers)


def test_a_server_that_was_named_is_looked_at_with_its_own_instances(two_servers: HostEvidence) -> None:
    snapshot, _ = collect(Request(dsn="host=127.0.0.1 port=2", timeout_seconds=20))
    assert isinstance(snapshot.odoo, Odoo) and [i.id for i in snapshot.odoo.instances] == [THERE]
    assert sources(snapshot) == {f"{THERE}.log"}
    assert snapshot.titles == two_servers.titles[51]


def test_files_and_a_server_that_were_named_together_belong_together(two_servers: HostEvidence) -> None:
    request = Request(dsn="host=127.0.0.1 port=2", configs=(HERE, THERE), timeout_seconds=20)
    odoo = collect(request)[0].odoo
    assert isinstance(odoo, Odoo) and len(odoo.instances) == 2


def test_a_server_that_nobody_here_uses_has_no_odoo(two_servers: HostEvidence) -> None:
    snapshot, _ = collect(Request(dsn="host=203.0.113.7 port=5432", timeout_seconds=1.0))
    assert isinstance(snapshot.odoo, Unavailable) and "uses another server" in snapshot.odoo.reason
    assert isinstance(snapshot.titles, Unavailable) and isinstance(snapshot.activity, Unavailable)


def test_a_named_log_is_read_whoever_writes_it(two_servers: HostEvidence) -> None:
    snapshot, _ = collect(Request(offline=True, log_files=(f"{THERE}.log",)))
    assert sources(snapshot) == {f"{HERE}.log", f"{THERE}.log"}


def test_offline_opens_no_connection_and_says_so(two_servers: HostEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "workshop", lambda: pytest.fail("a process that connects was started"))
    snapshot, _ = collect(Request(offline=True), clock=lambda: 1234.5)
    assert snapshot.taken_at == 1234.5
    assert isinstance(snapshot.activity, Unavailable) and "--offline" in snapshot.activity.reason
    assert [s.state for s in snapshot.sources if s.name == "PostgreSQL"] == ["skipped"]


def test_a_host_with_nothing_on_it_is_told_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "look_at_host", lambda **_: HostEvidence())
    with pytest.raises(OperatorError) as mistake:
        collect(Request(timeout_seconds=5))
    assert mistake.value.remedy == "give --dsn or --config"
