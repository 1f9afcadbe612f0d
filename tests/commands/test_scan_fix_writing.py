"""--fix writes whole files or nothing, and keeps what is not its business: rights, encoding, line ends."""

import errno
import os
from pathlib import Path

import pytest

from slotwise.apply import files
from slotwise.commands.scan import ScanOptions, scan
from slotwise.commands.scan_fix import fix_files, said
from slotwise.commands.scan_request import Outcome, ScanRequest, run
from slotwise.leaks.report import ScanReport

LEAK = "import psycopg2\n\n\ndef f(dsn):\n    conn = psycopg2.connect(dsn)\n    g(conn)\n"
CURED = (
    "from contextlib import closing\nimport psycopg2\n\n\ndef f(dsn):\n"
    "    with closing(psycopg2.connect(dsn)) as conn:\n        g(conn)\n"
)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code.py"
    path.write_text(LEAK)
    return path


def report(root: Path) -> ScanReport:
    return scan(ScanOptions(paths=(root,), base=root, cache=False, jobs=1))


def fixed() -> Outcome:
    return run(ScanRequest(paths=(".",), cache=False, jobs=1, fix=True))


def only(code: Path) -> None:
    assert [path.name for path in code.parent.iterdir()] == ["code.py"]


def test_the_whole_diff_is_shown(code: Path) -> None:
    outcome = fixed()
    assert code.read_text() == CURED
    assert outcome.notes[0] == "code.py: cured SW602"
    assert "-    conn = psycopg2.connect(dsn)" in outcome.notes
    assert "+    with closing(psycopg2.connect(dsn)) as conn:" in outcome.notes
    assert outcome.exit_code == 0
    only(code)


def test_rights_and_a_link_stay(code: Path) -> None:
    code.chmod(0o754)
    link = code.parent / "link.py"
    link.symlink_to(code)
    run(ScanRequest(paths=("link.py",), cache=False, jobs=1, fix=True))
    assert link.is_symlink()
    assert code.read_text() == CURED
    assert code.stat().st_mode & 0o7777 == 0o754


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_stay(code: Path, end: str) -> None:
    code.write_bytes(LEAK.replace("\n", end).encode())
    fixed()
    assert code.read_bytes() == CURED.replace("\n", end).encode()


def test_mixed_line_ends_stay_where_they_were(code: Path) -> None:
    code.write_bytes(LEAK.replace("\n", "\r\n").encode() + b'\nx = """a\nb\r\nc"""')
    fixed()
    assert code.read_bytes() == CURED.replace("\n", "\r\n").encode() + b'\nx = """a\nb\r\nc"""'


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15", "utf-8"])
def test_the_declared_encoding_stays(code: Path, encoding: str) -> None:
    head = f"# -*- coding: {encoding} -*-\n"
    code.write_bytes((head + LEAK.replace("g(conn)", "g(conn, 'é')")).encode(encoding))
    fixed()
    assert code.read_bytes() == (head + CURED.replace("g(conn)", "g(conn, 'é')")).encode(encoding)


def test_what_is_not_in_its_declared_encoding_is_left_alone(code: Path) -> None:
    data = LEAK.replace("g(conn)", "g(conn, 'é')").encode("latin-1")
    code.write_bytes(data)
    fixed()
    assert code.read_bytes() == data


def test_a_read_only_file_is_left_alone_and_said(code: Path) -> None:
    code.chmod(0o444)
    outcome = fixed()
    assert outcome.notes == ("code.py: not written: it is read-only",)
    assert (code.read_text(), outcome.exit_code) == (LEAK, 1)


def test_a_full_disk_leaves_the_old_file(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "write", full)
    outcome = fixed()
    assert "No space left on device" in outcome.notes[0]
    assert code.read_text() == LEAK
    only(code)


def test_an_interrupt_leaves_the_old_file_and_nothing_beside_it(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fixed()
    assert code.read_text() == LEAK
    only(code)


def test_a_file_that_changed_since_the_scan_is_left_alone(code: Path) -> None:
    found = report(code.parent)
    code.write_text("\n" + LEAK)
    assert fix_files(found, code.parent) == []
    assert code.read_text() == "\n" + LEAK


def test_several_rounds_are_told_as_one_diff(code: Path) -> None:
    code.write_text(LEAK + "    other = psycopg2.connect(dsn)\n    g(other)\n")
    first = fix_files(report(code.parent), code.parent)
    second = fix_files(report(code.parent), code.parent)
    assert (len(first), len(second)) == (1, 1)
    lines = said([*first, *second])
    assert lines[0] == "code.py: cured SW602"
    assert sum(line.startswith("--- ") for line in lines) == 1
    assert "+            g(other)" in lines


SESSION = {
    'cr.execute("SET statement_timeout = 5")': 'cr.execute("SET LOCAL statement_timeout = 5")',
    "cr.execute('set session work_mem to 1')": "cr.execute('SET LOCAL work_mem to 1')",
    'cr.execute("""\n            SET TIME ZONE \'UTC\'\n        """)': (
        'cr.execute("""\n            SET LOCAL TIME ZONE \'UTC\'\n        """)'
    ),
    'cr.execute("SET x = \\"a\\x41\\"")': 'cr.execute("SET LOCAL x = \\"a\\x41\\"")',
    'cr.execute("CREATE TEMP TABLE t (id int)")': 'cr.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")',
    'cr.execute(r"CREATE TEMPORARY TABLE t (id int);  ")': (
        'cr.execute(r"CREATE TEMPORARY TABLE t (id int) ON COMMIT DROP;  ")'
    ),
}
BLOCK = """class M:
    def f(self):
        with self.env.registry.cursor() as cr:
            {}
            cr.fetchall()
"""


@pytest.mark.parametrize("before", SESSION)
def test_a_setting_or_table_of_a_transaction_that_is_seen_whole_is_cured(code: Path, before: str) -> None:
    code.write_text(BLOCK.format(before))
    assert fixed().exit_code == 0
    assert code.read_text() == BLOCK.format(SESSION[before])


NOT_SEEN = {
    "it commits in between": 'cr.execute("SET x = 5"); cr.commit()',
    "it may be committed elsewhere": 'cr.execute("SET x = 5"); g(cr)',
    "an environment may commit it": 'cr.execute("SET x = 5"); self.env(cr=cr)["x"].search([])',
    "its SQL ends the transaction": 'cr.execute("SET x = 5"); cr.execute("COMMIT")',
    "its SQL is not known": 'cr.execute("SET x = 5"); cr.execute(self.query)',
    "two statements in one": 'cr.execute("SET x = 5; SELECT 1")',
    "another role for the session": 'cr.execute("SET SESSION AUTHORIZATION y")',
    "a table from a query": 'cr.execute("CREATE TEMP TABLE t AS (SELECT 1)")',
    "the request's cursor": 'self.env.cr.execute("SET x = 5")',
    "an f-string": 'cr.execute(f"SET x = {self.id}")',
    "the block yields": 'cr.execute("SET x = 5"); yield 1',
}


@pytest.mark.parametrize("why", NOT_SEEN)
def test_where_it_could_be_noticed_nothing_is_changed(code: Path, why: str) -> None:
    source = BLOCK.format(NOT_SEEN[why])
    code.write_text(source)
    before = report(code.parent)
    fixed()
    assert code.read_text() == source
    assert any(judged.leak.pattern_id in ("SW704", "SW706") for judged in before.active)
