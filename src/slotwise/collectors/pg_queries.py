"""The statements of a collection: one file each in ``queries/``, asked in one transaction.

A line of a query that ends in ``-- since N`` is for servers whose server_version_num is N or higher, and is left out
for others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

CATALOGS = ("roles", "databases", "overrides")
"""Small and slow to change."""

BATCH = ("settings", "identity", *CATALOGS, "activity")
"""The queries of the first transaction."""

BRIEF = ("identity", "activity")
"""What a held connection asks in every round."""

_QUERIES = Path(__file__).with_name("queries")
_SINCE = re.compile(r"--\s*since\s+(\d+)\s*$")
_COMMENT = re.compile(r"\s*--.*$")


@lru_cache(maxsize=32)
def _text(name: str) -> str:
    return (_QUERIES / f"{name}.sql").read_text("utf-8")


def read_all() -> None:
    """Read every query's file now: a process that changes its user may not be able to later."""
    for file in _QUERIES.glob("*.sql"):
        _text(file.stem)


@lru_cache(maxsize=32)
def query(name: str, version_num: int) -> str:
    """The statement in ``queries/<name>.sql`` as a server of ``version_num`` (150004) understands it, in one line."""
    lines: list[str] = []
    for line in _text(name).splitlines():
        since = _SINCE.search(line)
        if since is None or version_num >= int(since.group(1)):
            lines.append(_COMMENT.sub("", line).strip())
    return " ".join(line for line in lines if line)


def batch(version_num: int, timeout_milliseconds: int, names: tuple[str, ...] = BATCH) -> tuple[str, ...]:
    """Messages that one read-only transaction answers, so that through a transaction pool it is one server session that
    does and nothing of it stays behind. The transaction is still open after the last.

    Settings come first: they are read before this session changes its own. Then one row with who answers and, each as
    one JSON column, the small catalogs: every message more is a wake-up more of the server. Sessions come last. The
    timeouts are its own and end with it; they are not sent when connecting, because a PgBouncer in between refuses
    them (``unsupported startup parameter``).
    """
    own = (
        f"SET LOCAL statement_timeout = {timeout_milliseconds}",
        f"SET LOCAL lock_timeout = {max(1, timeout_milliseconds // 2)}",
        "SET LOCAL timezone = 'UTC'",
        "SET LOCAL datestyle = 'ISO'",
    )
    columns = [
        f"(SELECT coalesce(json_agg(one), '[]') FROM ({query(name, version_num)}) AS one) AS {name}"
        for name in CATALOGS
        if name in names
    ]
    identity = ", ".join((query("identity", version_num), *columns))
    activity = query("activity", version_num)
    if "settings" not in names:
        return "; ".join(("BEGIN READ ONLY", *own, identity)), activity
    return f"BEGIN READ ONLY; {query('settings', version_num)}", "; ".join((*own, identity)), activity


def second_batch(
    version_num: int, timeout_milliseconds: int, *, files_too: bool, waiting: tuple[int, ...]
) -> tuple[str, ...]:
    """What only some collections need, in a transaction of its own. ``waiting`` are pids that wait for a lock."""
    asked: list[str] = []
    if files_too:
        asked.append(query("file_settings", version_num))
    if waiting:
        pids = ",".join(str(int(pid)) for pid in waiting)
        asked.append(query("blocking", version_num).replace("{pids}", pids))
    first, *rest = asked
    return f"BEGIN READ ONLY; SET LOCAL statement_timeout = {timeout_milliseconds}; {first}", *rest
