"""The generated pgbouncer.ini beside the guide's: 400 clients at once, and the notifications that arrive.

``python -m bench.pooler``: about a minute.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._table import Table
from slotwise.demo.pgbouncer_server import installed_program
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, free_port, server_os_user
from tests.integration.pooled import (
    CLIENTS,
    SERVERS,
    Served,
    ask_for_passwords,
    delivered,
    serve,
    write_generated,
    write_guide,
)
from tests.integration.sick import pgbouncer
from tests.servers import binaries_for, create_odoo, newest_pgbouncer, pgbouncer_version

NOTIFICATIONS = 100
HEADS = ("pgbouncer.ini", "PgBouncer", "PostgreSQL", "answers", "errors", "server connections", "notifications heard")


def main() -> Table:
    """Measure and print."""
    rows: list[tuple[str, ...]] = []
    missed = False
    with PostgresServers() as servers:
        for program, version in ((Path(installed_program()), 15), (newest_pgbouncer(servers.directory), 18)):
            name = pgbouncer_version(program)
            with servers.start(binaries_for(version), {"max_connections": "60"}) as server:
                create_odoo(server)
                ask_for_passwords(server)
                for file, write in (("the guide's", write_guide), ("**slotwise fix**", write_generated)):
                    with _home(servers) as home:
                        ini, port = write(home, server)
                        with pgbouncer(program, ini):
                            served, heard = serve(port, server), _heard(port, server)
                    ours = write is write_generated
                    missed = missed or (ours and not _good(served, heard))
                    limit = f"{served.most_servers} of at most {SERVERS}" if ours else str(served.most_servers)
                    errors = str(served.asked - served.answered)
                    rows.append(
                        (file, name, str(version), f"{served.answered:,}", errors, limit, f"{heard} of {NOTIFICATIONS}")
                    )
    title = f"{CLIENTS} clients at once through PgBouncer, and live chat's notifications"
    print(f"{title}\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return Table(title, HEADS, tuple(rows), missed)


def _heard(port: int, server: PostgresServer) -> int:
    return delivered(port, NOTIFICATIONS)


def _good(served: Served, heard: int) -> bool:
    return served.answered == served.asked and served.most_servers <= SERVERS and heard == NOTIFICATIONS


@contextmanager
def _home(servers: PostgresServers) -> Iterator[Path]:
    path = servers.directory / f"pooler-{free_port()}"
    path.mkdir()
    user = server_os_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    try:
        yield path
    finally:
        shutil.rmtree(path)


if __name__ == "__main__":
    sys.exit(int(main().missed))
