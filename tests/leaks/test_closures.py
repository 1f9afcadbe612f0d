"""What a nested function does with the connections of the function around it, and what gives an attribute back."""

import ast

import pytest

from slotwise.leaks.closures import closes_attribute, nested


def function(text: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    found = ast.parse(text).body[0]
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef))
    return found


@pytest.mark.parametrize(
    ("text", "releases", "entered"),
    [
        ("def g():\n    a.close()\n", {"a"}, set()),
        ("def g():\n    a = connect()\n    a.close()\n", set(), set()),
        ("def g(a):\n    a.close()\n", set(), set()),
        ("def g(*a, **b):\n    a.close()\n    b.close()\n", set(), set()),
        ("def g():\n    nonlocal a\n    a.close()\n    a = None\n", {"a"}, set()),
        ("def g():\n    with a:\n        pass\n", set(), {"a"}),
        ("def g():\n    with connect() as a, a:\n        pass\n", set(), set()),
        ("def g():\n    def h():\n        self.conn.close()\n    h()\n", {"self.conn"}, set()),
        ("def g():\n    def h():\n        a = 1\n    a.close()\n", {"a"}, set()),
        ("async def g():\n    for a in b:\n        await a.close()\n", set(), set()),
        ("def g():\n    pool.putconn(a)\n", {"a"}, set()),
    ],
)
def test_a_name_of_its_own_is_not_the_outer_one(text: str, releases: set[str], entered: set[str]) -> None:
    found = nested(function(text))
    assert (found.releases, found.entered) == (releases, entered)


def test_a_with_gives_back_only_what_a_with_closes() -> None:
    found = nested(function("def g():\n    with a:\n        b.close()\n"))
    assert found.gives_back("a", with_releases=True)
    assert not found.gives_back("a", with_releases=False)
    assert found.gives_back("b", with_releases=False)


@pytest.mark.parametrize(
    ("text", "by_with", "closes"),
    [
        ("def close(self):\n    self._cnx.close()\n", False, True),
        ("def close(self):\n    cnx = self._cnx\n    cnx.close()\n", False, True),
        ("def read(self):\n    cur = self._cnx.cursor()\n    cur.close()\n", False, False),
        ("def read(self):\n    with self._cnx.cursor() as cur:\n        cur.close()\n", True, False),
        ("def read(self):\n    with self._cnx:\n        pass\n", True, True),
        ("def read(self):\n    with self._cnx:\n        pass\n", False, False),
    ],
)
def test_closing_a_cursor_or_leaving_a_transaction_does_not_close_the_connection(
    text: str, by_with: bool, closes: bool
) -> None:
    assert closes_attribute(list(ast.walk(function(text))), "_cnx", "self", by_with=by_with) is closes
