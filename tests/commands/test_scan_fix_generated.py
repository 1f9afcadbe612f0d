"""--fix on generated programs: what it writes parses, silences what it cured, and is stable."""

import ast
import re
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.commands.scan import ScanOptions, scan
from slotwise.commands.scan_fix import fix_files
from slotwise.leaks.report import ScanReport

NAMES = st.sampled_from(["a", "b", "conn"])
OPENERS = st.sampled_from(
    [
        "psycopg2.connect(d)",
        "psycopg2.connect(\n    d,\n    connect_timeout=3,\n)",
        "self.env.registry.cursor()",
        "Registry(d).cursor()",
        "odoo.sql_db.db_connect(d).cursor()",
        'psycopg2.connect(\'é\', """\nx\n""")',
    ]
)
COMMENTS = st.sampled_from(["", "", "", "  # why", "  # é ü"])
SESSION_SQL = st.sampled_from(
    [
        "'SET work_mem = 1'",
        '"set SESSION x TO y;"',
        '"""CREATE TEMP TABLE t (i int)"""',
        "r'CREATE TEMPORARY TABLE t (i int);  '",
    ]
)
SIMPLE = st.one_of(
    st.builds("{} = {}{}".format, NAMES, OPENERS, COMMENTS),
    st.builds("{} = {}{}".format, NAMES, OPENERS, COMMENTS),
    st.builds("{}.close(){}".format, NAMES, COMMENTS),
    st.builds("{}.close()".format, NAMES),
    st.builds("{}.{}()".format, NAMES, st.sampled_from(["commit", "rollback"])),
    st.builds('{}.execute("""\nSELECT 1\n  """)'.format, NAMES),
    st.builds("{}.execute(f'''\n{{d}}\n''', (\n    d,\n))".format, NAMES),
    st.builds("{}.execute({})".format, NAMES, SESSION_SQL),
    st.builds("with {} as {}:\n    {}.execute({})".format, OPENERS, NAMES, NAMES, SESSION_SQL),
    st.builds("c = {}.cursor()".format, NAMES),
    st.builds("{}.commit(); {}.close()".format, NAMES, NAMES),
    st.builds("{} = {}".format, NAMES, NAMES),
    st.builds("x = 1 + \\\n    len({})".format, NAMES),
    st.builds("return {}".format, NAMES),
    st.sampled_from(
        ["return d", "raise ValueError(d)", "pass", "continue", "yield d", "# only a comment\npass", "d += 1"]
    ),
    st.builds("f = lambda: {}.close()".format, NAMES),
    st.builds("del {}".format, NAMES),
)


def block(statements: list[str]) -> str:
    """The statements, indented where a line is layout and not inside a string."""
    lines = []
    for text in statements:
        inside = set[int]()
        try:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno != node.lineno:
                    inside.update(range(node.lineno + 1, (node.end_lineno or 0) + 1))
        except SyntaxError:  # a return, say, is no module; neither holds a string of several lines
            inside = set()
        lines += [line if n in inside else "    " + line for n, line in enumerate(text.split("\n"), 1)]
    return "\n".join(lines)


def compound(body: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blocks = st.lists(body, min_size=1, max_size=4).map(block)
    return st.one_of(
        st.builds("if d:\n{}\nelse:\n{}".format, blocks, blocks),
        st.builds("for x in d:\n{}".format, blocks),
        st.builds("try:\n{}\nexcept ValueError:\n{}".format, blocks, blocks),
        st.builds("try:\n{}\nfinally:\n{}".format, blocks, blocks),
        st.builds("with {} as {}:\n{}".format, OPENERS, NAMES, blocks),
        st.builds("with open(d) as h, {} as {}:\n{}".format, OPENERS, NAMES, blocks),
        st.builds("def g():\n{}\ng()".format, blocks),
    )


FUNCTIONS = st.lists(st.recursive(SIMPLE, compound, max_leaves=12), min_size=1, max_size=7).map(block)
HEADS = st.sampled_from(
    [
        "import odoo\nimport psycopg2\n",
        '"""Page."""\nfrom __future__ import annotations\n\nimport psycopg2, odoo\n',
        "# -*- coding: utf-8 -*-\nimport psycopg2\nimport odoo\nfrom contextlib import closing\n",
        "import odoo\nfrom contextlib import closing, suppress\nimport psycopg2\n",
        "import contextlib\nimport odoo, psycopg2\nclosing = 3\n",
        "try:\n    import psycopg2\nexcept ImportError:\n    pass\nimport odoo\n",
    ]
)
LAST = "from odoo.modules.registry import Registry\n\n\nclass M:\n  def f(self, d):\n"
PROGRAMS = st.tuples(HEADS, FUNCTIONS, st.sampled_from(["\n", "\r\n"]), st.booleans())


def source_of(head: str, function: str, line_end: str, ends_in_newline: bool) -> str | None:
    """The program, or None when it is none."""
    body = block([function])
    text = head + LAST + "\n".join(line[2:] if line.startswith("    ") else line for line in body.split("\n"))
    text += "\n" if ends_in_newline else ""
    try:
        compile(text, "code.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return text.replace("\n", line_end)


_MAY_BE_ADDED = re.compile(r"^set (?:session |local )?| ON COMMIT DROP", re.IGNORECASE)


def report(root: Path) -> ScanReport:
    return scan(ScanOptions(paths=(root,), base=root, cache=False, jobs=1))


def strings(text: str) -> Counter[str]:
    """The text constants of a program, without the two words that a cure may add: else it must never change any."""
    constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    texts = (value for value in constants if isinstance(value, str))
    return Counter(_MAY_BE_ADDED.sub("", text) for text in texts)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
def test_generated_programs_are_cured_or_left_alone(program: tuple[str, str, str, bool]) -> None:
    source = source_of(*program)
    if source is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        file = root / "code.py"
        file.write_bytes(source.encode())
        before = report(root)
        now = before
        for _ in range(30):
            offered = [judged for judged in now.active if judged.leak.edits]
            notes = fix_files(now, root)
            if not notes:
                break
            text = file.read_bytes().decode()
            compile(text, "code.py", "exec", dont_inherit=True)
            assert strings(text) == strings(source)
            assert ("\r\n" in text) == ("\r\n" in source)
            after = report(root)
            assert len(after.active) < len(now.active), (offered, after.active)
            now = after
        assert not notes
        assert not any(judged.leak.edits for judged in now.active), [j.leak for j in now.active if j.leak.edits]
        assert {judged.leak.pattern_id for judged in now.active} <= {judged.leak.pattern_id for judged in before.active}
