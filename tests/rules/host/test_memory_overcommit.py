from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import SetOdooOption, SetServerSetting, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from slotwise.snapshot.processes import Host, Memory, Processes, ProcessMemory
from tests.build import GIB, findings, host, listeners, mended, verdict

SLUG = "memory-overcommit"
MIB = 1024 * 1024


def _on(
    ram: float = 16,
    available: float | None = 8,
    *,
    limit: float | None = None,
    cores: float = 8,
    private: int = 3,
    worker: int = 200,
    cold: bool = False,
    settings_: dict[str, str] | None = None,
    **options: OptionValue,
) -> Snapshot:
    """RAM in GiB, memory of one backend and of one Odoo process in MiB."""
    snapshot = host(listeners(websocket=False) if cold else None, settings_=settings_, options=options)
    assert isinstance(snapshot.processes, Processes) and not isinstance(snapshot.activity, Unavailable)
    rows = [ProcessMemory(b.pid, private * MIB, 2 * private * MIB) for b in snapshot.activity.backends]
    rows += [ProcessMemory(p.pid, worker * MIB, worker * MIB) for p in snapshot.processes.processes]
    machine = Host(
        "erp1",
        int(ram * GIB),
        None if available is None else int(available * GIB),
        None if limit is None else int(limit * GIB),
        cores,
    )
    return structs.replace(snapshot, memory=Memory(tuple(rows)), machine=machine)


def test_silent_on_a_sound_host() -> None:
    assert findings(_on(), SLUG) == ()


def test_silent_about_work_mem_times_max_connections() -> None:
    # 1000 × 16 MB × 2 would be 31 GiB: nothing reaches it.
    assert findings(_on(settings_={"work_mem": "16384", "max_connections": "400"}), SLUG) == ()


def test_speaks_softly_where_only_the_limits_exceed_the_memory() -> None:
    said = verdict(_on(ram=8), SLUG)
    assert said.severity is Severity.INFO
    assert "most of it is Odoo's processes" in said.findings[0].message
    assert "Odoo 14336 MiB" in said.findings[0].message  # (4 + 2 + 1) × 2048 MiB


def test_speaks_of_ordinary_work_above_the_memory() -> None:
    said = verdict(_on(ram=4, settings_={"work_mem": "524288"}), SLUG)
    assert said.severity is Severity.WARNING
    assert "most of it is work_mem" in said.findings[0].message


def test_speaks_critically_only_by_what_is_available() -> None:
    said = verdict(_on(available=0.01, cold=True), SLUG)
    assert said.severity is Severity.CRITICAL and "only 10 MiB are available" in said.findings[0].message
    assert findings(_on(available=0.5, cold=True), SLUG) == ()


def test_a_cgroup_limit_counts_and_the_machines_free_memory_does_not() -> None:
    said = verdict(_on(limit=2, available=0.01, cold=True), SLUG)
    assert said.severity is Severity.INFO and "the machine has 2048 MiB" in said.findings[0].message
    assert verdict(_on(limit=1.5, worker=250, cold=True), SLUG).severity is Severity.WARNING


def test_names_the_term_that_dominates() -> None:
    buffers = findings(_on(ram=4, settings_={"shared_buffers": str(5 * GIB // 8192)}), SLUG)[0]
    assert "most of it is shared_buffers" in buffers.message
    assert buffers.fix is not None and buffers.fix.changes == (SetServerSetting("shared_buffers", "131072", True),)
    sessions = findings(_on(ram=16, private=200, settings_={"max_connections": "200"}), SLUG)[0]
    assert "most of it is PostgreSQL's backends" in sessions.message


def test_odoo_without_a_soft_limit_is_judged_by_what_it_takes() -> None:
    assert findings(_on(ram=8, limit_memory_soft=0), SLUG) == ()


def test_no_worker_is_limited_to_less_than_it_needs() -> None:
    fix = findings(_on(ram=4), SLUG)[0].fix
    assert fix is not None and isinstance(fix.changes[0], SetOdooOption)
    assert int(fix.changes[0].value or 0) >= 640 * MIB


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 64),
    st.integers(1, 8),
    st.integers(1, 12),
    st.sampled_from(["4096", "65536", "1048576"]),
    st.sampled_from(["16384", "262144", "4194304"]),
)
def test_its_own_fix_silences_it(ram: int, cores: int, workers: int, work_mem: str, buffers: str) -> None:
    snapshot = _on(
        ram=ram,
        available=4,
        cores=cores,
        settings_={"work_mem": work_mem, "shared_buffers": buffers},
        workers=workers,
    )
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_nothing_was_measured() -> None:
    gap = Unavailable("x", "not root", "run as root")
    assert verdict(structs.replace(_on(), memory=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(_on(), machine=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(_on(), memory=Memory(())), SLUG).state == "unknown"
    snapshot = _on()
    assert isinstance(snapshot.memory, Memory)
    backends = Memory(tuple(p for p in snapshot.memory.processes if p.pid > 1000))
    assert verdict(structs.replace(snapshot, memory=backends), SLUG).state == "unknown"
