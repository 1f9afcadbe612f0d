"""Every sick start of tests/integration/sick.py on every version of PostgreSQL and PgBouncer.

A cell is cured when fix --apply was followed by a verify without a broken need and a doctor without a warning. Starts
that have a PgBouncer run behind that version from the beginning; the others get one put in between afterwards (fix
--pooler), and verify and doctor judge again through it. ``python -m bench.fix``: about ten minutes.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench._table import Table
from slotwise.demo.pgbouncer_server import PgBouncerServer, installed_program
from slotwise.demo.postgres_server import PostgresServers
from slotwise.errors import OperatorError
from slotwise.standin.host import StandinHost
from slotwise.standin.settings import StandinSettings
from tests.integration.sick import STARTS, Patient, Start, sick
from tests.servers import MAJOR_VERSIONS, binaries_for, newest_pgbouncer, pgbouncer_version


def main() -> Table:
    """Run all and print."""
    cells: dict[tuple[str, int, str], str] = {}
    with PostgresServers() as servers:
        programs = {
            pgbouncer_version(one): one for one in (Path(installed_program()), newest_pgbouncer(servers.directory))
        }
        for start in STARTS.values():
            for version in MAJOR_VERSIONS:
                for pooler, program in programs.items():
                    words = _cell(servers, start, version, program)
                    cells[start.name, version, pooler] = words
                    print(f"{start.name}, PostgreSQL {version}, PgBouncer {pooler}: {words}", flush=True)
    columns = [(version, pooler) for version in MAJOR_VERSIONS for pooler in programs]
    rows = tuple((name, *(cells[name, v, p] for v, p in columns)) for name in STARTS)
    cured = sum(words == "cured" for words in cells.values())
    title = f"Sick starts cured: fix, apply, verify, doctor: {cured} of {len(cells)}"
    heads = ("start", *(f"PG {v}, PgBouncer {p}" for v, p in columns))
    print(f"{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return Table(title, heads, rows, cured < len(cells))


def _cell(servers: PostgresServers, start: Start, version: int, program: Path) -> str:
    """``cured``, or the first thing that is not as it should be."""
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        server = running.enter_context(servers.start(binaries_for(version), start.settings))

        def pgbouncer(*given: Any, **named: Any) -> PgBouncerServer:
            return running.enter_context(PgBouncerServer(servers.directory, *given, **named))

        def standin(**settings: Any) -> StandinHost:
            home = Path(made) / "odoo"
            home.mkdir()
            return running.enter_context(StandinHost(StandinSettings(**settings), home))

        try:
            patient = sick(start, server, Path(made) / "state", standin, pgbouncer, program)
            return _cured(patient, start, program)
        except (AssertionError, OperatorError) as error:
            return " ".join(str(error).split())[:300] or "failed"


def _cured(patient: Patient, start: Start, program: Path) -> str:
    if start.rule not in patient.found():
        return f"{start.rule} does not speak at first"
    _, said = patient.fix("--apply", "--yes")
    if "applied: change" not in said:
        return said.strip().splitlines()[-1]
    patient.restart_odoo()
    wrong = _wrong(patient, start)
    if wrong or patient.pooler is not None:
        return wrong or "cured"
    with patient.pooler_put_in_between(program):
        return _wrong(patient, start) or "cured"


def _wrong(patient: Patient, start: Start) -> str:
    broken = patient.broken()
    if broken:
        return f"verify: {broken}"
    left = {rule: words for rule, words in patient.found().items() if rule not in start.left}
    return f"doctor: {left}" if left else ""


if __name__ == "__main__":
    sys.exit(int(main().missed))
