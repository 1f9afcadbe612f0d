"""Whatever a file holds, the scan reports it or says that it could not: it never fails, hangs or runs anything."""

import ast
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotwise.leaks.scanning import scan_addon
from slotwise.leaks.source import LARGEST_FILE_BYTES, SourceFile
from slotwise.leaks.verdicts import AddonResult

LEAK = "import psycopg2\ndef f(dsn):\n    c = psycopg2.connect(dsn)\n    c.cursor().execute('SELECT 1')\n"


def scanned(data: bytes | str, name: str = "addon/models/code.py") -> AddonResult:
    encoded = data.encode() if isinstance(data, str) else data
    return scan_addon("addon", [SourceFile(name, "models.code", encoded)], "18.0")


def test_a_file_of_fifty_thousand_lines_is_scanned() -> None:
    filler = "".join(f"def f{n}(a):\n    b = a + {n}\n    return [b, a]\n\n\n" for n in range(10_000))
    result = scanned(filler + LEAK)
    assert result.lines > 50_000
    assert [leak.pattern_id for leak in result.leaks] == ["SW602"]


def test_a_line_of_a_million_columns_is_scanned() -> None:
    result = scanned(LEAK + "x = [" + "1, " * 80_000 + "'" + "x" * 800_000 + "']\n")
    assert [leak.pattern_id for leak in result.leaks] == ["SW602"]


def test_a_generated_file_is_said_to_be_too_big() -> None:
    result = scanned(LEAK + "x = 1\n" * (LARGEST_FILE_BYTES // 6))
    assert result.leaks == ()
    assert "MB" in result.not_judged[0].reason


def test_a_big_file_without_any_token_needs_no_judging() -> None:
    assert scanned("x = 1\n" * (LARGEST_FILE_BYTES // 3)).not_judged == ()


@pytest.mark.parametrize(
    "nest",
    [
        lambda n: "(" * n + "1" + ")" * n,
        lambda n: "[" * n + "]" * n,
        lambda n: "not " * n + "a",
        lambda n: "-" * n + "1",
        lambda n: "a" + ".b()" * n,
        lambda n: "a" + " + a" * n,
        lambda n: "a if b else " * n + "c",
        lambda n: "lambda: " * n + "0",
    ],
)
@pytest.mark.parametrize("depth", [50, 1_500, 20_000])
def test_deep_expressions_are_scanned_or_said_to_be_too_deep(nest: "object", depth: int) -> None:
    assert callable(nest)
    result = scanned(LEAK + "x = " + nest(depth) + "\n")
    assert result.not_judged or [leak.pattern_id for leak in result.leaks] == ["SW602"]


def test_deep_blocks_are_scanned_or_said_to_be_too_deep() -> None:
    for word in ("if a:", "while a:", "for a in b:", "with a:", "try:"):
        body = "".join(" " * n + word + "\n" for n in range(1, 95)) + " " * 95 + "pass\n"
        result = scanned(LEAK + "def g(a, b):\n" + body)
        assert result.not_judged or result.leaks


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"import psycopg2\npsycopg2.connect('\0')\n", "NUL"),
        (b"import psycopg2\npsycopg2.connect(\n", "cannot be parsed"),
        (b"import psycopg2\nprint 'connect(' % psycopg2.connect(\n", "cannot be parsed"),
        (b"\xff\xfeconnect(\x00", "NUL"),
    ],
)
def test_what_is_no_python_is_said(data: bytes, reason: str) -> None:
    (item,) = scanned(data).not_judged
    assert reason in item.reason


@pytest.mark.parametrize(
    "data",
    [
        ("# -*- coding: latin-1 -*-\n# caf\xe9\n" + LEAK).encode("latin-1"),
        ("# caf\xe9\n" + LEAK).encode("latin-1"),
        b"\xef\xbb\xbf" + LEAK.encode(),
        LEAK.replace("\n", "\r\n").encode(),
        LEAK.replace("\n", "\r").encode(),
        ("# coding: no-such-codec\n" + LEAK).encode(),
        LEAK.replace("def f", "def \u0444").encode(),
    ],
)
def test_encodings_and_line_ends(data: bytes) -> None:
    assert [leak.pattern_id for leak in scanned(data).leaks] == ["SW602"]


def test_a_function_with_too_many_paths_is_said_and_the_others_are_judged() -> None:
    """Each of its expressions can end in two states for each one before it, and each try doubles them again."""
    tangled = "def g(a, b, c):\n" + "".join(
        f"    x{n} = psycopg2.connect(a) if b.c{n} else (c.get({n}) or psycopg2.connect(b))\n"
        f"    try:\n        x{n}.execute(a)\n    except E:\n        x{n}.close()\n    finally:\n        b.use(x{n})\n"
        for n in range(60)
    )
    result = scanned(LEAK + tangled)
    assert [(leak.function, leak.pattern_id) for leak in result.leaks] == [("f", "SW602")]
    assert [item.reason for item in result.not_judged] == ["g has more paths than are worth following"]


def test_nothing_of_the_addon_is_run_or_imported() -> None:
    before = set(sys.modules)
    trap = "import this_module_would_fail\nraise SystemExit(1)\nopen('/nowhere').read()\n"
    scanned(trap + LEAK)
    assert not {name for name in set(sys.modules) - before if name.startswith("this_module")}


def test_newest_syntax() -> None:
    source = LEAK + (
        "def g[T](x: T) -> T:\n    type A = list[T]\n    return x\n"
        if sys.version_info >= (3, 12)
        else "def g(x):\n    try:\n        pass\n    except* ValueError:\n        pass\n"
        if sys.version_info >= (3, 11)
        else ""
    )
    assert [leak.pattern_id for leak in scanned(source).leaks] == ["SW602"]


# ------------------------------------------------------------------------------------------------ generated programs

OPENERS = st.sampled_from(
    ["psycopg2.connect(d)", "self.env.registry.cursor()", "Registry(d).cursor()", "open_it(d)", "self.env.cr", "None"]
)
SIMPLE = st.one_of(
    st.builds("{} = {}".format, st.sampled_from("abc"), OPENERS),
    st.builds("{} = {}".format, st.sampled_from("abc"), st.sampled_from("abc")),
    st.builds("{}.{}()".format, st.sampled_from("abc"), st.sampled_from(["close", "commit", "execute", "rollback"])),
    st.builds("self.x = {}".format, st.sampled_from("abc")),
    st.builds("use({}, key={})".format, st.sampled_from("abc"), st.sampled_from("abc")),
    st.builds("xs.append({})".format, st.sampled_from("abc")),
    st.builds("{0} = {0} or {1}".format, st.sampled_from("abc"), OPENERS),
    st.builds("{} = {} if d else {}".format, st.sampled_from("abc"), OPENERS, OPENERS),
    st.builds("a.execute({!r})".format, st.sampled_from(["LISTEN x", "SET a = 1", "CREATE TEMP TABLE t (i int)"])),
    st.sampled_from(["return a", "return", "raise ValueError", "break", "continue", "pass", "yield b", "del a"]),
    st.sampled_from(
        ["a, b = b, a", "global a", "time.sleep(3)", "requests.get(d)", "t = Thread(target=use, args=(a,))"]
    ),
    st.sampled_from(["f = lambda: a.close()", "stack.callback(b.close)", "[c.close() for c in xs]", "assert a"]),
)


def _block(statements: list[str]) -> str:
    return "\n".join("    " + line for text in statements or ["pass"] for line in text.split("\n"))


def _compound(body: "st.SearchStrategy[str]") -> "st.SearchStrategy[str]":
    blocks = st.lists(body, min_size=1, max_size=4).map(_block)
    tests = st.sampled_from(["a", "not b", "c is None", "d", "a and b", "a.closed", "x == 1", "a is not self.env.cr"])
    return st.one_of(
        st.builds("if {}:\n{}\nelse:\n{}".format, tests, blocks, blocks),
        st.builds("while {}:\n{}".format, tests, blocks),
        st.builds("for {} in xs:\n{}\nelse:\n{}".format, st.sampled_from("abc"), blocks, blocks),
        st.builds(
            "try:\n{}\nexcept {}:\n{}\nfinally:\n{}".format, blocks, st.sampled_from(["E", "Exception"]), blocks, blocks
        ),
        st.builds("try:\n{}\nexcept:\n{}\nelse:\n{}".format, blocks, blocks, blocks),
        st.builds("with {} as {}:\n{}".format, OPENERS, st.sampled_from("abc"), blocks),
        st.builds("with closing({}) as {}, {}:\n{}".format, OPENERS, st.sampled_from("abc"), OPENERS, blocks),
        st.builds("def g():\n{}\nuse(g)".format, blocks),
        st.builds(
            "match a:\n    case 1:\n{}\n    case _:\n        pass".format,
            blocks.map(lambda t: t.replace("    ", "        ")),
        ),
    )


PROGRAMS = st.lists(st.recursive(SIMPLE, _compound, max_leaves=25), min_size=1, max_size=8)
HEAD = (
    "import psycopg2, time, requests\nfrom contextlib import closing\nfrom threading import Thread\n"
    "from odoo import models\nfrom odoo.modules.registry import Registry\n"
    "def open_it(d):\n    return psycopg2.connect(d)\n"
    "class M(models.Model):\n  def f(self, d, xs, x, stack, use):\n"
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
def test_generated_functions_are_scanned(statements: list[str]) -> None:
    source = HEAD + "\n".join("  " + line for line in _block(statements).split("\n")) + "\n"
    try:
        ast.parse(source)
    except SyntaxError:
        return
    result = scanned(source)
    assert result.not_judged == ()
    for leak in result.leaks:
        assert leak.source_line == source.split("\n")[leak.line - 1].strip()


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.text("():='\"\n \\{}[]#\tadef.,cursor()connect()"), st.binary()))
def test_any_text_is_scanned_or_not_judged(data: str | bytes) -> None:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    result = scanned(b"psycopg2.connect(1)\n" + raw)
    assert result.files == 1
