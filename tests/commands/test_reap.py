"""reap on real servers where every kind of session is mixed: what is stuck ends, what is protected goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from slotwise.collectors.runner import Request, collect
from slotwise.commands import reap as commands_reap
from slotwise.commands.reap import Acting, Reaping, end_chosen, reap, reap_for_ever, said
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import ExitCode, OperatorError
from slotwise.fixes.reaping import Protection, ReapPolicy, Round
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity
from slotwise.standin.flows import RequestOptions
from tests import build
from tests.build import NOW
from tests.conftest import StartPostgres, StartStandin
from tests.integration.sick import says
from tests.servers import MAJOR_VERSIONS, binaries_for, create_odoo, until

EVERYTHING = ReapPolicy(idle_in_transaction_seconds=1, idle_seconds=1, active_seconds=1, at_most=100)
Session = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module", params=MAJOR_VERSIONS, ids=lambda version: f"pg{version}")
def server(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(request.param)) as running:
        create_odoo(running, ["prod"])
        yield running


def look(dsn: str) -> Snapshot:
    return collect(Request(dsn=dsn, timeout_seconds=20))[0]


def pid_of(session: Session) -> int:
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None and isinstance(row[0], int)
    return row[0]


def settled(server: PostgresServer) -> None:
    """Wait until every session has been in its state for longer than the policy's second."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        query = (
            "SELECT bool_and(clock_timestamp() - state_change > '1.2 s') FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        until(lambda: (connection.execute(query).fetchone() or [False])[0])


def acting(server: PostgresServer, tmp_path: Path) -> Acting:
    return Acting(server.dsn(), tmp_path / "reap.jsonl")


def acted(result: Reaping) -> dict[int, str]:
    return {act.condemned.pid: act.outcome for act in result.acts or ()}


def test_every_kind_at_once(server: PostgresServer, start_standin: StartStandin, tmp_path: Path) -> None:
    odoo = start_standin(db_port=server.port, workers=2, max_cron_threads=2, db_name=("prod",))
    assert odoo.open_websocket("prod").served
    assert odoo.leak("prod", cursors=1).served
    action = odoo.begin_scheduled_action("prod")
    with ExitStack() as open_:

        def session(
            user: str = "odoo", dbname: str = "prod", name: str = "", begin: str = "BEGIN; SELECT 1"
        ) -> Session:
            connection = psycopg.connect(server.dsn(user, "prod"), autocommit=True, application_name=name)
            open_.callback(connection.close)
            connection.execute(begin)
            return connection

        protected = {
            "superuser": session("postgres"),
            "pg_dump": session(name="pg_dump"),
            "listener": session(begin="LISTEN custom"),
            "slotwise": session(name="slotwise"),
        }
        walsender = psycopg.connect(server.dsn() + " replication=database", autocommit=True)
        open_.callback(walsender.close)
        stuck = session(name="report")
        stuck_pid = pid_of(stuck)
        stuck.execute("SELECT 2")
        settled(server)
        result = reap(lambda: look(server.dsn()), EVERYTHING, acting(server, tmp_path))
        outcomes = acted(result)
        assert outcomes[stuck_pid] == "ended"
        assert set(outcomes.values()) == {"ended"}
        for name, connection in protected.items():
            assert pid_of(connection) not in outcomes, name
        walsender.pgconn.exec_(b"IDENTIFY_SYSTEM")
        assert walsender.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with pytest.raises(psycopg.OperationalError):
            stuck.execute("SELECT 3")
    # The scheduled action goes on to its end, and a message still reaches the open browser.
    assert odoo.finish(action).served
    odoo.serve(1, "prod", options=RequestOptions(notifies_bus=True))
    until(lambda: odoo.notifications("imbus") > 0)
    lines = [json.loads(line) for line in (tmp_path / "reap.jsonl").read_text().splitlines()]
    assert {line["pid"] for line in lines} == set(outcomes)
    report = next(line for line in lines if line["application_name"] == "report" and line["phase"] == "done")
    assert (report["outcome"], report["state"], report["database"]) == ("ended", "idle in transaction", "prod")
    assert "1 s" in report["reason"] and report["query"] == "SELECT 2" and report["owner"]


def test_a_dry_run_ends_nobody(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as stuck:
        stuck.execute("BEGIN; SELECT 1")
        settled(server)
        result = reap(lambda: look(server.dsn()), EVERYTHING)
        assert isinstance(result.judgement, Round)
        assert [one.owner for one in result.judgement.condemned]
        assert result.exit_code == ExitCode.FINDINGS
        document = json.loads(said(result, "json"))
        assert (document["schema"], document["dry_run"], document["acts"]) == ("slotwise.reap/1", True, None)
        assert "--apply" in said(result, "text")
        stuck.execute("ROLLBACK")


def test_no_more_than_the_policy_allows_in_one_round(server: PostgresServer, tmp_path: Path) -> None:
    with ExitStack() as open_:
        for _ in range(3):
            one = psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)
            open_.callback(one.close)
            one.execute("BEGIN; SELECT 1")
        settled(server)
        policy = ReapPolicy(idle_in_transaction_seconds=1, at_most=2)
        first = reap(lambda: look(server.dsn()), policy, acting(server, tmp_path))
        assert (len(acted(first)), first.exit_code) == (2, ExitCode.FINDINGS)
        second = reap(lambda: look(server.dsn()), policy, acting(server, tmp_path))
        assert (len(acted(second)), second.exit_code) == (1, ExitCode.HEALTHY)


def test_a_role_that_sees_little_ends_nobody(server: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE blind LOGIN")
        with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as stuck:
            stuck.execute("BEGIN; SELECT 1")
            settled(server)
            dsn = server.dsn("blind", "prod")
            result = reap(lambda: look(dsn), EVERYTHING, Acting(dsn, tmp_path / "reap.jsonl"))
            assert acted(result) == {}
            assert result.exit_code == ExitCode.UNKNOWN
            stuck.execute("ROLLBACK")
        admin.execute("DROP ROLE blind")


def test_a_dead_server_is_unknown_and_the_loop_outlives_it(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres(15)
    create_odoo(server, ["prod"])
    codes: list[ExitCode] = []

    def wait(seconds: float) -> bool:
        assert 0 <= seconds <= 60
        if len(codes) == 1:
            server.stop()
        elif len(codes) == 2:
            server.start()
        return len(codes) == 3

    reap_for_ever(
        lambda: reap(lambda: look(server.dsn()), EVERYTHING, acting(server, tmp_path)),
        lambda result: codes.append(result.exit_code),
        60,
        wait,
    )
    assert codes == [ExitCode.HEALTHY, ExitCode.UNKNOWN, ExitCode.HEALTHY]


def test_the_server_dies_between_look_and_act(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres(15)
    create_odoo(server, ["prod"])
    stuck = psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)
    stuck.execute("BEGIN; SELECT 1")
    settled(server)

    def look_then_stop() -> Snapshot:
        snapshot = look(server.dsn())
        server.stop()
        return snapshot

    result = reap(look_then_stop, EVERYTHING, acting(server, tmp_path))
    assert result.unable and result.exit_code == ExitCode.UNKNOWN
    assert "could not go on" in said(result, "text")
    stuck.close()


def test_without_an_audit_log_nobody_is_ended(server: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError):
        reap(lambda: look(server.dsn()), EVERYTHING, Acting(server.dsn(), tmp_path / "file" / "reap.jsonl"))


@pytest.mark.parametrize("policy", [ReapPolicy(), ReapPolicy(idle_in_transaction_seconds=0.5)])
def test_a_policy_that_says_nothing_or_too_much_is_refused(policy: ReapPolicy) -> None:
    with pytest.raises(OperatorError):
        reap(lambda: pytest.fail("nothing is looked at"), policy)


@pytest.mark.parametrize("as_root", [True, False], ids=["by the server's socket", "as Odoo's own role"])
def test_without_a_dsn_the_server_is_found_as_doctor_finds_it(
    pg15: PostgresServer, start_standin: StartStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_root: bool
) -> None:
    """Root goes in by the server's own socket; an ordinary user as the role of odoo.conf, which may end its own."""
    name = f"found{as_root:d}"
    create_odoo(pg15, [name])
    if not as_root:
        monkeypatch.setattr(commands_reap, "own_way", lambda snapshot: None)
    odoo = start_standin(db_port=pg15.port, workers=1, max_cron_threads=0, db_name=(name,))
    assert odoo.leak(name, cursors=1).served
    settled(pg15)
    where = ["--config", str(odoo.home / "odoo.conf"), "--database", name, "--timeout", "60"]
    ask = ["reap", "--idle-in-transaction", "1", *where, "--audit", str(tmp_path / "audit.jsonl")]
    assert says(*ask)[0] == 1
    code, said_, beside = says(*ask, "--apply")
    assert code == 0, said_ + beside
    done = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(one["phase"], one.get("outcome")) for one in done] == [("meant", None), ("done", "ended")]
    assert done[0]["owner"].startswith("http_worker")
    odoo.stop()
    with psycopg.connect(pg15.dsn(), autocommit=True) as session:
        session.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))


def test_no_way_is_no_end(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no way to the server"):
        end_chosen(idle_for_long(), 1, NOW - 300, "chosen", Acting(None, tmp_path / "audit.jsonl"))


def idle_for_long() -> Snapshot:
    return build.host([(build.FIRST_HTTP, build.backend(1, idle_for=99999))])


def test_one_session_that_somebody_points_at(server: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as one, psycopg.connect(server.dsn()) as admin:
        pids = {name: pid_of(session) for name, session in (("one", one), ("admin", admin))}
        snapshot = look(server.dsn())
        assert isinstance(snapshot.activity, Activity)
        starts = {b.pid: b.backend_start for b in snapshot.activity.backends}
        do = acting(server, tmp_path)
        start = starts[pids["one"]]
        admin_start = starts[pids["admin"]]
        assert start is not None and admin_start is not None
        refused = end_chosen(snapshot, pids["admin"], admin_start, "chosen", do)
        assert isinstance(refused, Protection) and "superuser" in refused.reason
        act = end_chosen(snapshot, pids["one"], start, "chosen", do)
        assert not isinstance(act, Protection) and act.outcome == "ended"
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")


def test_what_could_not_be_judged_says_why() -> None:
    result = Reaping(1_800_000_000.0, Unavailable("pg_stat_activity", "refused", "free a slot"))
    assert result.exit_code == ExitCode.UNKNOWN
    assert json.loads(said(result, "json"))["condemned"] is None
    assert json.loads(said(result, "json"))["unable"] == "pg_stat_activity: refused"
    assert "do: free a slot" in said(result, "text")
