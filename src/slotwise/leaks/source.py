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
# The first group is searched as it stands, the second (SQL keywords) in the lower-cased text. ``sql_db`` before a quote
# is the name of a logger: an import, or a use of what was imported, has one of the others behind it.
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
    *(b"sql_db" + follows for follows in (b".", b",", b" ", b"\t", b"\n", b"\r", b")", b";", b"#", b"\\")),
    b"cr.commit(",
    b"cr.rollback(",
    b"cr.close(",
    b"env.cr as ",
    b"sleep(",
    b"import requests",
    b"from requests",
    b", requests",
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
    b"withhold=",
    b"withhold =",
)
_SQL_TOKENS = (
    b"advisory_",
    b"with hold",
    b"set_config",
    b"pg_backend_pid",
)
#: SQL is judged where a call of its own file sends it (sql_text): a file or function without any of these sends none.
SENDING_WORDS = ("exec", "fetch", "copy_expert")
_SENDING = tuple(word.encode() for word in SENDING_WORDS)
# Words of prose and of names too, so that what stands before them counts: the beginning of a text or of a statement, or
# another word. The first column is looked for first, since that is quick.
_AT_START = rb"(?:[\"';/]|--[^\n]*?(?:\n|\\n)|\A)(?:\s|\\n|\\t)*\Z"
_PLACED = tuple(
    (needle, re.compile(needle + follows), re.compile(before))
    for needle, follows, before in (
        (b"listen", rb"\s", _AT_START[:-2] + rb"(?:un)?\Z"),
        (b"prepare", rb"\s", _AT_START),
        (b"deallocate", rb"\s", _AT_START),
        (b"set", rb"\s+(?:session|role|time|[a-z_.]+\s*(?:=|to\s))", _AT_START),
        (b"temp", rb"\s", rb"(?:create|local|global|into)\s+\Z"),
        (b"temporary", rb"\s", rb"(?:create|local|global|into)\s+\Z"),
    )
)
# What ``\s`` matches in bytes; every placed word is followed by one.
_SPACES = (b" ", b"\t", b"\n", b"\r", b"\f", b"\v")
# How far before a word the beginning of its statement is looked for.
_BEFORE_BYTES = 300

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
    lowered = data.lower()
    coarse, plain, sql = _automatons()
    if not coarse.find_matches_as_indexes(lowered):  # as good as every file ends here
        return False
    if plain.find_matches_as_indexes(data):
        return True
    if not any(word in data for word in _SENDING):
        return False
    return bool(sql.find_matches_as_indexes(lowered)) or _speaks_sql(lowered)


def _speaks_sql(lowered: bytes) -> bool:
    """Whether one of the placed words stands where a statement has it."""
    for needle, pattern, before in _PLACED:
        if needle in lowered:
            for found in pattern.finditer(lowered):
                start = found.start()
                if before.search(lowered, max(0, start - _BEFORE_BYTES), start):
                    return True
    return False


@lru_cache(maxsize=1)
def _automatons() -> tuple[BytesAhoCorasick, BytesAhoCorasick, BytesAhoCorasick]:
    """All tokens of a group in one pass over the bytes, however many they are; the first has those of every group.

    What matches one of the others, or a placed word, matches the first in lower case too.
    """
    from ahocorasick_rs import BytesAhoCorasick, Implementation

    placed = [needle + space for needle, _, _ in _PLACED for space in _SPACES]
    coarse = sorted({*(token.lower() for token in _TOKENS), *_SQL_TOKENS, *placed})
    return (
        BytesAhoCorasick(coarse, implementation=Implementation.DFA),
        BytesAhoCorasick(_TOKENS, implementation=Implementation.DFA),
        BytesAhoCorasick(_SQL_TOKENS, implementation=Implementation.DFA),
    )


class Tokens:
    """The tokens that a file holds, to ask quickly which of its functions hold one of them."""

    def __init__(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        lowered = text.lower().encode("utf-8", "surrogatepass")
        _, plain, sql = _automatons()
        self._plain = [_TOKENS[i].decode() for i in {i for i, _, _ in plain.find_matches_as_indexes(data, True)}]
        if "requests" in text:
            self._plain.append("requests")
        self._sql = [_SQL_TOKENS[i].decode() for i in {i for i, _, _ in sql.find_matches_as_indexes(lowered, True)}]
        # Where a word stands cannot be asked of the whole: what begins a text may begin a part of the file alone.
        self._placed = any(needle in lowered and pattern.search(lowered) for needle, pattern, _ in _PLACED)

    def may_matter(self, text: str) -> bool:
        """As :func:`may_matter`, for some lines of the file."""
        if any(token in text for token in self._plain):
            return True
        if not self._sql and not self._placed:
            return False
        lowered = text.lower()
        return any(token in lowered for token in self._sql) or (
            self._placed and _speaks_sql(lowered.encode("utf-8", "surrogatepass"))
        )


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
