from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.collectors.recording import snapshot_of_recording
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.json_form import from_json, to_json
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Owner, Sessions
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Settings, Titles
from slotwise.snapshot.processes import Memory, Processes, ServerProcesses
from slotwise.snapshot.refusals import Refusals
from slotwise.snapshot.sessions import sessions

EVIDENCE = Path(__file__).parent.parent / "evidence"
RECORDINGS = sorted(EVIDENCE.glob("*.json"))
BY_NAME = pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)


def replay(path: Path) -> Snapshot:
    return snapshot_of_recording(path.read_bytes(), path.name)


def recorded(name: str) -> dict[str, Any]:
    document = json.loads((EVIDENCE / f"{name}.json").read_bytes())
    assert isinstance(document, dict)
    return document


def replay_document(document: object) -> Snapshot:
    return snapshot_of_recording(json.dumps(document).encode(), "edited.json")


def owners(snapshot: Snapshot) -> dict[int, Owner]:
    seen = sessions(snapshot)
    assert isinstance(seen, Sessions)
    return {h.backend.pid: h.owner for h in seen.held}


def only_instance(snapshot: Snapshot) -> OdooInstance:
    assert isinstance(snapshot.odoo, Odoo)
    (instance,) = snapshot.odoo.instances
    return instance


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) >= 14


@BY_NAME
def test_every_session_has_its_true_owner_and_role(path: Path) -> None:
    truth = json.loads(path.read_bytes())["truth"]["owners"]
    found = owners(replay(path))
    assert {str(pid): (o.pid, o.role) for pid, o in found.items()} == {
        pid: (t["owner_pid"], t["role"]) for pid, t in truth.items()
    }


@BY_NAME
def test_the_running_process_decides_what_is_configured(path: Path) -> None:
    topology = json.loads(path.read_bytes())["topology"]
    instance = only_instance(replay(path))
    for name in ("workers", "max_cron_threads", "db_maxconn"):
        assert instance.value(name) == topology[name]
    assert (instance.value("db_name") or "") == ",".join(topology["preloaded"])
    option = instance.option("workers")
    assert option is not None and option.source.startswith("command line of pid")
    assert instance.version is not None and path.name.startswith(instance.version.removesuffix(".0"))


@BY_NAME
def test_the_snapshot_round_trips_and_holds_no_password(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["odoo_conf"] = document["odoo_conf"].replace("db_password = x", "db_password = hunter2hunter2")
    content = to_json(replay_document(document))
    assert b"hunter2hunter2" not in content
    assert to_json(from_json(content, "again")) == content


def test_an_orphan_is_called_one() -> None:
    assert owners(replay(EVIDENCE / "18-prefork-4db-after-load.json"))[29385].certainty == "orphan"


def test_the_wall_is_read_from_the_log() -> None:
    refusals = replay(EVIDENCE / "18-saturated.json").refusals
    assert isinstance(refusals, Refusals)
    assert [(r.wall, r.count) for r in refusals.refusals] == [("pg_reserved", 6)]
    assert refusals.refusals[0].last_at == pytest.approx(1795455473, abs=5)


def test_pgbouncer_stands_between() -> None:
    snapshot = replay(EVIDENCE / "18-pgbouncer-postgres-in-session.json")
    assert isinstance(snapshot.pgbouncers, PgBouncers)
    (pgbouncer,) = snapshot.pgbouncers.pgbouncers
    assert (pgbouncer.version, pgbouncer.address, pgbouncer.pid) == ("1.18.0", "127.0.0.1:6433", 30948)
    assert pgbouncer.pool_mode_of("postgres") == "session"
    assert pgbouncer.config_file == "/srv/pgb/tx2.ini"
    assert pgbouncer.total_xact_count == 1781 + 16
    # SHOW SERVERS links three clients to server connections: their processes are the ones behind the pooler.
    assert {o.behind for o in owners(snapshot).values() if o.behind} == {30960, 30962, 30963}


def test_titles_and_servers_are_read_without_a_connection() -> None:
    snapshot = replay(EVIDENCE / "18-prefork-unix-socket.json")
    assert isinstance(snapshot.titles, Titles) and snapshot.titles.states_current is True
    unix = [b for b in snapshot.titles.backends if b.client_port == -1]
    assert [(b.pid, b.user, b.database, b.client_addr, b.state) for b in unix] == [
        (29474, "odoo", "postgres", None, "idle"),
        (29489, "odoo", "o18a", None, "idle"),
        (29490, "odoo", "o18a", None, "idle"),
    ]
    assert isinstance(snapshot.server_processes, ServerProcesses)
    (server,) = snapshot.server_processes.postmasters
    assert (server.port, server.data_directory, server.socket_directories) == (5432, "/srv/pg/data", ("/srv/pg",))


@BY_NAME
def test_titles_alone_name_the_same_sessions(path: Path) -> None:
    """Refused, doctor still answers: without pg_stat_activity the titles give the same users, databases, owners."""
    document = json.loads(path.read_bytes())
    rows = {r["pid"]: r for r in document.pop("pg_stat_activity") if r["backend_type"] == "client backend"}
    snapshot = replay_document(document)
    seen = sessions(snapshot)
    assert isinstance(seen, Sessions)
    assert {(h.backend.pid, h.backend.user, h.backend.database) for h in seen.held} == {
        (pid, r["usename"], r["datname"]) for pid, r in rows.items()
    }
    truth = document["truth"]["owners"]
    found = {str(h.backend.pid): (h.owner.pid, h.owner.role) for h in seen.held if str(h.backend.pid) in truth}
    assert found == {pid: (t["owner_pid"], t["role"]) for pid, t in truth.items()}


def test_memory_is_counted_in_bytes() -> None:
    memory = replay(EVIDENCE / "18-prefork-1db-busy.json").memory
    assert isinstance(memory, Memory)
    logger = next(m for m in memory.processes if m.pid == 23782)
    assert (logger.private_bytes, logger.pss_bytes) == (224 * 1024, 492 * 1024)


def test_a_queue_job_runner_is_told_from_an_http_worker_by_its_session() -> None:
    document = recorded("18-prefork-1db-busy")
    row = next(r for r in document["pg_stat_activity"] if r["pid"] == 29366)
    assert owners(replay_document(document))[29366].role == "http_worker"
    row["query"] = "LISTEN queue_job"
    found = owners(replay_document(document))
    assert (found[29366].pid, found[29366].role) == (29336, "queue_job")
    assert found[29367].role == "http_worker"


def test_a_client_on_another_host_is_foreign() -> None:
    document = recorded("18-prefork-1db-busy")
    next(r for r in document["pg_stat_activity"] if r["pid"] == 29366)["client_addr"] = "10.1.2.3"
    assert owners(replay_document(document))[29366].certainty == "foreign"


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("pg_stat_activity", "activity"),
        ("pg_settings", "settings"),
        ("pg_settings", "server"),
        ("pg_roles", "roles"),
        ("pg_database", "databases"),
        ("processes", "processes"),
        ("processes", "memory"),
        ("odoo_conf", "odoo"),
        ("odoo_log", "refusals"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "null"])
def test_a_gap_stays_a_gap(key: str, part: str, how: str) -> None:
    document = recorded("18-prefork-1db-busy")
    document[key] = None
    if how == "missing":
        del document[key]
    gap = getattr(replay_document(document), part)
    assert isinstance(gap, Unavailable)
    assert key in f"{gap.source} {gap.reason} {gap.remedy}"


def test_unreadable_sockets_leave_owners_unknown() -> None:
    document = recorded("18-prefork-1db-busy")
    for process in document["processes"]:
        process["sockets"] = None
    snapshot = replay_document(document)
    assert isinstance(snapshot.processes, Processes) and not snapshot.processes.complete
    assert {o.certainty for o in owners(snapshot).values()} == {"unknown"}
    roles = {p.pid: p.role for p in snapshot.processes.processes}
    assert roles[29329] == "master" and roles[29336] == "unknown" and roles[29339] == "gevent"


def test_no_pgbouncer_process_means_no_pgbouncer() -> None:
    assert replay(EVIDENCE / "18-prefork-1db-busy.json").pgbouncers.__class__ is PgBouncers
    document = recorded("18-pgbouncer-transaction-everything")
    del document["pgbouncer"]
    assert isinstance(replay_document(document).pgbouncers, Unavailable)


def test_settings_keep_their_source() -> None:
    found = replay(EVIDENCE / "18-saturated.json").settings
    assert isinstance(found, Settings)
    assert (found.integer("max_connections"), found.need("max_connections").source) == (15, "configuration file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"[1, 2]", "no recording"),
        (b'{"name": 1}', "no recording"),
        (b'{"pg_stat_activity": 7}', "field pg_stat_activity"),
        (b'{"pg_stat_activity": [], "proc_net_tcp": 3}', "field proc_net_tcp"),
        (b'{"pgbouncer": []}', "field pgbouncer"),
        (b'{"odoo_conf": "workers = 4"}', "odoo.conf:1"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(content: bytes, words: str) -> None:
    with pytest.raises(OperatorError) as refused:
        snapshot_of_recording(content, "case.json")
    assert words in refused.value.problem and refused.value.remedy


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_recording_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    document = recorded("18-pgbouncer-postgres-in-session")
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(st.sampled_from(sorted(document)))
        rows = document[key]
        if isinstance(rows, list) and rows and data.draw(st.booleans()):
            row = rows[data.draw(st.integers(0, len(rows) - 1))]
            if isinstance(row, dict) and row:
                row[data.draw(st.sampled_from(sorted(row)))] = data.draw(_JSON)
        else:
            document[key] = data.draw(_JSON)
    try:
        snapshot = replay_document(document)
    except OperatorError as refused:
        assert "edited.json" in refused.problem or "odoo.conf" in refused.problem or ".conf" in refused.problem
    else:
        assert to_json(snapshot)
        sessions(snapshot)
