"""The cheap test lets nothing through that a pattern could report."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.leaks.scanning import scan_addon
from slotwise.leaks.source import _SQL_TOKENS, _TOKENS, SENDING_WORDS, SourceFile, Tokens, may_matter
from slotwise.leaks.sql_text import _EXECUTING

# The plain reading of what the quick search must find: a word at the beginning of a text or of a statement.
START = rb"(?:[\"';/]|--[^\n]*?(?:\n|\\n)|\A)(?:\s|\\n|\\t)*"
PLACED = re.compile(
    START
    + rb"(?:(?:un)?listen\s|prepare\s|deallocate\s|set\s+(?:session|role|time|[a-z_.]+\s*(?:=|to\s)))"
    + rb"|(?:create|local|global|into)\s+temp(?:orary)?\s"
)
PIECES = st.sampled_from(
    [*b"set SET role time a.b re listen un prepare create temp temporary -- */ =".split(), b" ", b"\n", b"\\n", b"\t"]
) | st.sampled_from([b'"', b"'", b";", b"to ", b"into ", b"update x ", b"cr.execute("])
NOISE = st.one_of(st.binary(max_size=30), st.sampled_from([b"", b"cr", b"con", b"requ", b"sub", b"advis", b"pre"]))


@given(NOISE, st.sampled_from(_TOKENS + _SQL_TOKENS), NOISE, st.booleans())
def test_each_token_is_found_wherever_it_stands(before: bytes, token: bytes, after: bytes, loud: bool) -> None:
    if token in _SQL_TOKENS:
        before = (b"cr.execute(" if loud else b"cr.copy_expert(") + before
    assert may_matter(before + (token.upper() if loud and token in _SQL_TOKENS else token) + after)


def plain(data: bytes) -> bool:
    lowered = data.lower()
    if any(token in data for token in _TOKENS):
        return True
    if not re.search(rb"exec|fetch|copy_expert", data):
        return False
    return any(token in lowered for token in _SQL_TOKENS) or bool(PLACED.search(lowered))


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_a_statement_is_found_as_by_the_plain_reading(data: bytes) -> None:
    assert may_matter(data) == plain(data)


@given(st.binary(max_size=80))
def test_the_quick_answer_is_the_plain_one(data: bytes) -> None:
    assert may_matter(data) == plain(data)


@pytest.mark.parametrize(
    "text",
    [
        'cr.execute("UNLISTEN *")',
        'cr.execute(f"listen {channel}")',
        'cr.execute("""\n        -- for us alone\n        SET work_mem = 1""")',
        'cr.execute("BEGIN;\\nSET ROLE x")',
        'cr.execute("create  temporary\ttable x ()")',
        "cr.execute('/* now */ prepare x as select 1')",
        "requests",
    ],
)
def test_what_must_be_parsed(text: str) -> None:
    assert may_matter(text.encode()) == (text != "requests")
    assert Tokens(text).may_matter(text)


@pytest.mark.parametrize(
    "text",
    [
        'cr.execute("""UPDATE x\n   SET name = 1""")',
        'cr.execute(f"UPDATE {table} SET name = %s")',
        "# set the time to zero, prepare the temp file",
        "def _prepare (self, leave_requests): withholding_tax = 1",
        'def values(self):\n    """Prepare the values."""',
        '@mute_logger("odoo.sql_db")\ndef test_it(self): pass',
    ],
)
def test_what_need_not_be_parsed(text: str) -> None:
    assert not may_matter(text.encode())


def test_every_call_that_sends_sql_has_a_word_that_is_looked_for() -> None:
    assert all(any(word in name for word in SENDING_WORDS) for name in _EXECUTING)


@pytest.mark.parametrize("method", sorted(_EXECUTING))
def test_each_way_to_send_a_statement_is_heard(method: str) -> None:
    text = f"def f(c):\n    c.{method}('LISTEN orders')\n"
    found = scan_addon("addon", [SourceFile("a.py", "a", text.encode())], "18.0")
    assert [(leak.pattern_id, leak.line) for leak in found.leaks] == [("SW701", 2)]


@given(st.lists(PIECES | st.just(b"\n"), max_size=14).map(b"".join), st.integers(0, 4), st.integers(0, 4))
def test_what_matters_in_some_lines_is_seen_by_who_knows_the_file(data: bytes, first: int, count: int) -> None:
    text = data.decode()
    part = "\n".join(text.split("\n")[first : first + count])
    assert Tokens(text).may_matter(part) or not may_matter(part.encode())
