"""The cheap test lets nothing through that a pattern could report."""

import re

from hypothesis import given
from hypothesis import strategies as st

from slotwise.leaks.source import _SET, _SQL_TOKENS, _TOKENS, may_matter

# The plain reading of what the quick search must find.
SET = re.compile(rb"(?:^|[\"';\n]|\s|\\n)set\s+(?:session|role|time|[a-z_.]+\s*(?:=|to\s))")
PIECES = st.sampled_from(
    [b"set", b"SET", b" ", b"\n", b"\\n", b'"', b";", b"x", b"a.b", b"=", b"to ", b"role", b"time", b"\t", b"re"]
)
NOISE = st.one_of(st.binary(max_size=30), st.sampled_from([b"", b"cr", b"con", b"requ", b"sub", b"advis", b"pre"]))


@given(NOISE, st.sampled_from(_TOKENS + _SQL_TOKENS), NOISE, st.booleans())
def test_each_token_is_found_wherever_it_stands(before: bytes, token: bytes, after: bytes, loud: bool) -> None:
    assert may_matter(before + (token.upper() if loud and token in _SQL_TOKENS else token) + after)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_set_is_found_as_by_the_plain_reading(data: bytes) -> None:
    assert bool(_SET.search(data)) == bool(SET.search(data))


@given(st.binary(max_size=80))
def test_the_quick_answer_is_the_plain_one(data: bytes) -> None:
    lowered = data.lower()
    plain = any(token in data for token in _TOKENS) or any(token in lowered for token in _SQL_TOKENS)
    assert may_matter(data) == (plain or bool(b"set " in lowered and SET.search(lowered)))
