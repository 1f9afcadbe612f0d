"""The files of one addon as bytes, and the cheap test that tells which of them are worth parsing."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

#: Larger files are not parsed: ``ast`` needs about 100 bytes of memory for one byte of source, and Python that big is
#: generated. They are reported as not analysed when they hold a token.
LARGEST_FILE_BYTES = 3_000_000

# A file without any of these bytes cannot open, hand out, hold or break a connection in a way that a pattern reports.
# The first group is searched as it stands, the second (SQL keywords) in the lower-cased text.
_TOKENS = (
    b"cursor(",
    b"connect(",
    b"connect,",
    b"connect\n",
    b"Connection(",
    b"create_engine",
    b"create_async_engine",
    b"ConnectionPool",
    b"create_pool",
    b"getconn",
    b".acquire(",
    b"raw_connection",
    b"sessionmaker",
    b"sqlalchemy.orm",
    b"sql_db",
    b"cr.commit(",
    b"cr.rollback(",
    b"cr.close(",
    b"env.cr as ",
    b"sleep(",
    b"requests",
    b"urlopen",
    b"httpx",
    b"smtplib",
    b"ftplib",
    b"imaplib",
    b"poplib",
    b"http.client",
    b"xmlrpc.client",
    b"ServerProxy",
    b"paramiko",
    b"create_connection",
    b"subprocess",
    b"os.system",
    b"Thread(",
    b".submit(",
)
_SQL_TOKENS = (
    b"listen ",
    b"unlisten",
    b"advisory_",
    b"prepare ",
    b"deallocate",
    b"with hold",
    b"withhold",
    b"temp ",
    b"temporary ",
    b"set_config",
    b"pg_backend_pid",
)
# What must stand before it is asked behind the literal, so that the search may look for the literal first.
_SET = re.compile(rb"set(?:(?<=[\"';\s]set)|(?<=\\nset)|(?<=\Aset))\s+(?:session|role|time|[a-z_.]+\s*(?:=|to\s))")
_SET_TEXT = re.compile(_SET.pattern.decode())

_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class SourceFile(msgspec.Struct, frozen=True):
    """One Python file: ``path`` as the findings will name it, ``module`` dotted inside the addon, ``data`` as read.

    ``module`` is "" for the addon's ``__init__.py`` and ``models.partner`` for ``models/partner.py``.
    """

    path: str
    module: str
    data: bytes


def count_lines(files: Iterable[SourceFile]) -> int:
    """How many lines the files have together."""
    return sum(file.data.count(b"\n") + 1 for file in files)


def may_matter(data: bytes) -> bool:
    """False when no pattern can find anything in ``data``; true says nothing."""
    plain, sql = _automatons()
    if plain.find_matches_as_indexes(data):
        return True
    lowered = data.lower()
    return bool(sql.find_matches_as_indexes(lowered)) or bool(b"set " in lowered and _SET.search(lowered))


@lru_cache(maxsize=1)
def _automatons() -> tuple[BytesAhoCorasick, BytesAhoCorasick]:
    """All tokens of a group in one pass over the bytes, however many they are."""
    from ahocorasick_rs import BytesAhoCorasick, Implementation

    return (
        BytesAhoCorasick(_TOKENS, implementation=Implementation.DFA),
        BytesAhoCorasick(_SQL_TOKENS, implementation=Implementation.DFA),
    )


class Tokens:
    """The tokens that a file holds, to ask quickly which of its functions hold one of them."""

    def __init__(self, text: str) -> None:
        lowered = text.lower()
        self._plain = [token.decode() for token in _TOKENS if token.decode() in text]
        self._sql = [token.decode() for token in _SQL_TOKENS if token.decode() in lowered]
        self._sets = "set " in lowered

    def may_matter(self, text: str) -> bool:
        """As :func:`may_matter`, for a part of the file."""
        if any(token in text for token in self._plain):
            return True
        if not self._sql and not self._sets:
            return False
        lowered = text.lower()
        if any(token in lowered for token in self._sql):
            return True
        return self._sets and "set " in lowered and bool(_SET_TEXT.search(lowered))


def text_of(data: bytes) -> str:
    """``data`` as text by its own declaration (PEP 263), UTF-8 without one, and Latin-1 where that fails.

    Latin-1 decodes anything: columns may then be off in that one file, but its findings are not lost.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    for line in data.split(b"\n", 2)[:2]:
        found = _CODING.match(line)
        if found:
            try:
                return data.decode(found[1].decode("ascii"))
            except (LookupError, UnicodeDecodeError):
                break
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse(text: str) -> ast.Module | str:
    """The syntax tree of ``text``, or one line that says why there is none. Never executes anything."""
    if "\0" in text:
        return "holds NUL bytes, which Python source cannot"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an addon's doubtful escapes are not this command's business
            return ast.parse(text.replace("\r\n", "\n").replace("\r", "\n"))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (RecursionError, MemoryError):
        return "is nested too deeply for Python's own parser"
    except ValueError as error:
        return str(error)
