"""Odoo's log, in its own format (odoo/netsvc.py 17.0:180, 18.0:244, 19.0:232), for what its readers look for."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path


class OdooLog:
    """Appends lines to the host's log file. Each line is one write, so that processes do not mix theirs."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def line(self, level: str, database: str | None, logger: str, message: str) -> None:
        """``2026-01-31 12:00:00,000 4711 INFO prod odoo.sql_db: Connection to the database failed``."""
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        text = f"{stamp} {os.getpid()} {level} {database or '?'} {logger}: {message} \n"
        with self._file.open("a", encoding="utf-8") as file:
            file.write(text)

    def connection_refused(self) -> None:
        """What the pool says first, at level INFO (odoo/sql_db.py 18.0:725-727)."""
        self.line("INFO", None, "odoo.sql_db", "Connection to the database failed")

    def request_failed(self, version: int, error: str) -> None:
        """What becomes of a request that got no connection.

        17.0 says nothing more (odoo/http.py 1742-1758); 18.0 and 19.0 log the error's text and log the user out
        (18.0:2374-2377, 19.0:2803-2806).
        """
        if version >= 18:
            self._traceback(
                "WARNING", "Database or registry unusable, trying without", "psycopg2.OperationalError", error
            )

    def pool_full(self, error: str) -> None:
        """A pool without a free connection is an ordinary failure of the request: status 500, the traceback logged."""
        self._traceback("ERROR", "Exception during request handling.", "psycopg2.pool.PoolError", error)

    def _traceback(self, level: str, message: str, kind: str, error: str) -> None:
        frames = 'Traceback (most recent call last):\n  File "odoo/sql_db.py", in borrow\n'
        self.line(level, None, "odoo.http", f"{message} \n{frames}{kind}: {error}\n")
