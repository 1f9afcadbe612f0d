from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from slotwise.collectors.earlier_look import Configured, EarlierLook, Measured, Standing
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.remembered_host import KEPT_SECONDS, STANDING_SECONDS, RememberedHost
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers, PoolClient
from slotwise.snapshot.postgres import CLIENT_BACKEND, Activity, Backend, Settings, Titles
from slotwise.snapshot.processes import Process, ProcessMemory, ServerProcesses

SERVER = 50


def backend(pid: int, state: str = "idle", start: float = 1.0) -> Backend:
    return Backend(pid=pid, backend_type=CLIENT_BACKEND, state=state, backend_start=start)


class World:
    """A host with one server, which the test changes; counts the looks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.titles = (backend(101), backend(102))
        self.looks = 0
        self.taken_over: list[EarlierLook | None] = []
        self.now = 0.0
        self.host = RememberedHost(self.look, root=root, clock=lambda: self.now)
        self.children("101 102 ")

    def look(self, earlier: EarlierLook | None = None) -> HostEvidence:
        self.taken_over.append(earlier)
        self.looks += 1
        process = Process(101, SERVER, "postgres", (), "postgres")
        standing = Standing(ProcessFacts(101, SERVER, ("postgres: odoo prod [local] idle",)), (1, 1), process)
        measured = Measured(1.0, ProcessMemory(101, 1, 1))
        read = Configured(1.0, Settings(()))
        earlier = EarlierLook({101: standing}, {101: measured}, {SERVER: read})
        return HostEvidence(titles={SERVER: Titles(self.titles, True)}, earlier=earlier)

    def children(self, pids: str) -> None:
        place = self.root / f"proc/{SERVER}/task/{SERVER}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "children").write_text(pids)

    def snapshot(
        self,
        evidence: HostEvidence,
        activity: tuple[Backend, ...] | None = None,
        clients: tuple[PoolClient, ...] = (),
        chosen: int | None = SERVER,
    ) -> Snapshot:
        rows = self.titles if activity is None else activity
        bouncer = PgBouncer("/run:6432", "1.18", {}, (), (), clients, (), {})
        return Snapshot(
            taken_at=self.now,
            host="h",
            slotwise_version="0",
            server_processes=ServerProcesses((), chosen),
            titles=evidence.titles[SERVER] if chosen else Unavailable("process titles", "elsewhere", ""),
            activity=Activity(rows, None),
            pgbouncers=PgBouncers((bouncer,)),
        )

    def round(self, activity: tuple[Backend, ...] | None = None, clients: tuple[PoolClient, ...] = ()) -> bool:
        """A round as the runner does it; whether it did without a look."""
        before = self.looks
        self.now += 1.0
        if not self.host.agrees(self.snapshot(self.host.evidence(), activity, clients)):
            assert self.host.agrees(self.snapshot(self.host.anew(), activity, clients))
        return self.looks == before


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_changed_so_nothing_is_looked_at_again_for_a_while(world: World) -> None:
    assert [world.round() for _ in range(3)] == [False, True, True]
    world.now += KEPT_SECONDS
    assert not world.round()
    assert world.round()


def test_a_child_more_or_less_is_looked_at(world: World) -> None:
    world.round()
    world.children("101 102 103 ")
    assert not world.round()
    assert world.round()


def test_another_session_with_the_same_pid_is_looked_at(world: World) -> None:
    world.round()
    changed = (backend(101), backend(102, start=9.0))
    assert not world.round(changed)
    assert world.round(changed)


def test_sessions_that_cannot_be_read_are_looked_at_from_outside_in_every_round(world: World) -> None:
    world.round()
    for _ in range(2):
        world.now += 1.0
        evidence = world.host.evidence()
        before = world.looks
        blind = world.snapshot(evidence)
        gone = Snapshot(taken_at=0.0, host="h", slotwise_version="0", titles=blind.titles)
        if not world.host.agrees(gone):
            world.host.anew()
            world.host.agrees(gone)
        assert world.looks >= before
    assert world.looks == 3


def test_a_session_that_still_authenticates_is_not_remembered(world: World) -> None:
    """It holds a slot, but pg_stat_activity hides it before PostgreSQL 18: only a look shows that it is gone."""
    world.titles = (backend(101), backend(102, "authentication"))
    shown = (backend(101),)
    assert [world.round(shown) for _ in range(3)] == [False, False, False]


def test_a_session_that_came_during_the_look_makes_it_look_again(world: World) -> None:
    late = (backend(101), backend(102), backend(103))
    world.children("101 102 103 ")
    assert not world.round(late)
    world.titles = late
    assert not world.round(late)
    assert world.round(late)


def test_another_client_of_a_pgbouncer_is_looked_at(world: World) -> None:
    def client(port: int) -> PoolClient:
        return PoolClient("d", "u", "active", "127.0.0.1", port, None, None, "0x1", "")

    world.round(clients=(client(4000),))
    assert world.round(clients=(client(4000),))
    assert not world.round(clients=(client(4001),))


def test_a_kernel_that_does_not_list_children_is_looked_at_in_every_round(world: World) -> None:
    (world.root / f"proc/{SERVER}/task/{SERVER}/children").unlink()
    assert [world.round() for _ in range(2)] == [False, False]


def test_a_server_on_another_host_is_judged_by_its_sessions(world: World) -> None:
    world.children("")
    for expected in (1, 1):
        evidence = world.host.evidence()
        assert world.host.agrees(world.snapshot(evidence, chosen=None))
        assert world.looks == expected


def test_a_look_takes_over_what_the_one_before_it_saw_but_not_for_ever(world: World) -> None:
    world.round()
    world.children("101 102 103 ")
    world.round()
    assert [earlier is not None for earlier in world.taken_over] == [False, True]
    world.now += KEPT_SECONDS
    world.round()
    later = world.taken_over[-1]
    assert later is not None and later.sessions.keys() == {101}
    assert later.memory == {} and later.settings == {}
    world.now += STANDING_SECONDS
    world.round()
    assert world.taken_over[-1] is None


def test_a_look_that_took_over_does_not_stand_where_sessions_cannot_be_read(world: World) -> None:
    """Titles of before would be all that is known then, and they are of before."""
    world.round()
    world.children("101 102 103 ")
    evidence = world.host.evidence()
    assert world.taken_over[-1] is not None
    blind = Snapshot(taken_at=0.0, host="h", slotwise_version="0", titles=evidence.titles[SERVER])
    assert not world.host.agrees(blind)
    world.host.anew()
    assert world.taken_over[-1] is None
    assert world.host.agrees(blind)


def test_a_look_that_took_over_does_not_stand_where_states_are_hidden(world: World) -> None:
    """A role without pg_monitor: states are told by titles, and those that were taken over are of before."""
    world.round()
    world.children("101 102 103 ")
    evidence = world.host.evidence()
    assert world.taken_over[-1] is not None
    masked = world.snapshot(evidence, tuple(structs.replace(b, masked=True) for b in world.titles))
    assert not world.host.agrees(masked)
    world.host.anew()
    assert world.taken_over[-1] is None
    assert world.host.agrees(masked)
    world.children("101 102 ")
    world.host.evidence()
    assert world.taken_over[-1] is None
