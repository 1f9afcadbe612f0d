"""Reads the titles of PostgreSQL's processes: every session, without a connection.

`postgres: [cluster_name: ]USER DATABASE HOST(PORT) STATE` (src/backend/utils/misc/ps_status.c and
src/backend/tcop/backend_startup.c, postmaster.c before 17; seen on 12 to 18). Names may hold spaces, so a title is read
from its right end. With update_process_title off the fixed part stays and the state never changes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from slotwise.snapshot.postgres import CLIENT_BACKEND, Backend

_PREFIX = "postgres:"
_HOST = re.compile(r" (?P<host>\[local\]|(?P<addr>[0-9A-Za-z_.:%-]+)\((?P<port>\d{1,5})\))(?= |$)")
_STATE = re.compile(
    r"^(?:idle(?: in transaction(?: \(aborted\))?)?|initializing|authentication|startup|<FASTPATH>|notify interrupt"
    r"|[A-Z][A-Z ]*)?$"
)
_WALSENDER_STATE = re.compile(r"^(?:streaming|catchup|backup|startup|stopping|[A-Z_]+)\b")
_WAITING = re.compile(r" ?\bwaiting(?P<sync> for \S+)?$")
_BACKGROUND = (
    ("autovacuum worker", "autovacuum worker"),
    ("autovacuum launcher", "autovacuum launcher"),
    ("background writer", "background writer"),
    ("checkpointer", "checkpointer"),
    ("walwriter", "walwriter"),
    ("walreceiver", "walreceiver"),
    ("walsummarizer", "walsummarizer"),
    ("logical replication", "logical replication worker"),
    ("parallel worker", "parallel worker"),
    ("logger", "logger"),
    ("archiver", "archiver"),
    ("startup", "startup"),
    ("stats collector", "stats collector"),
    ("io worker", "io worker"),
    ("slotsync worker", "slotsync worker"),
    ("bgworker:", "background worker"),
)


class Title(Struct, frozen=True):
    """What a title says. ``backend_type`` is as pg_stat_activity names it, None for a kind that is not known here.

    ``port`` is -1 for a Unix-domain socket, as in pg_stat_activity. ``state`` is the title's own word.
    """

    backend_type: str | None
    user: str | None = None
    database: str | None = None
    host: str | None = None
    port: int | None = None
    state: str | None = None
    waits_for_lock: bool = False


@lru_cache(maxsize=1024)
def parse_title(title: str, cluster_name: str | None = None, databases: frozenset[str] = frozenset()) -> Title | None:
    """What the title of a PostgreSQL child says; None where it is none (empty: the process is being born or dying).

    ``cluster_name`` is the setting where it is known; ``databases`` are known names, which tell where the user ends
    and the database begins when both hold spaces.
    """
    text = title.strip()
    if not text.startswith(_PREFIX):
        return None
    body = text[len(_PREFIX) :].strip()
    if cluster_name and body.startswith(f"{cluster_name}: "):
        body = body[len(cluster_name) + 2 :]
    anchor = _session_anchor(body)
    if anchor is None:
        unnamed = body.split(": ", 1)[1] if ": " in body and not cluster_name else body
        return Title(_background(body) or _background(unnamed))
    who = body[: anchor.start()].strip()
    if not cluster_name and ": " in who:
        who = who.split(": ", 1)[1]
    if who.startswith("walsender "):
        return Title("walsender", who.split()[1] if len(who.split()) > 1 else None)
    user, database = _user_and_database(who, databases)
    state = body[anchor.end() :].strip()
    waiting = _WAITING.search(state)
    if waiting:
        state = state[: waiting.start()]
    port = int(anchor["port"]) if anchor["port"] else -1
    waits = waiting is not None and not waiting["sync"]
    return Title(CLIENT_BACKEND, user, database, anchor["addr"], port, state or None, waits)


def _session_anchor(body: str) -> re.Match[str] | None:
    """Where HOST(PORT) stands: the rightmost place after which a state follows, else the rightmost one."""
    anchors = list(_HOST.finditer(body))
    for anchor in reversed(anchors):
        state = body[anchor.end() :].strip()
        if _STATE.match(_WAITING.sub("", state)) or _WALSENDER_STATE.match(state):
            return anchor
    return anchors[-1] if anchors else None


def _user_and_database(who: str, databases: frozenset[str]) -> tuple[str | None, str | None]:
    for at, character in enumerate(who):
        if character == " " and who[at + 1 :] in databases:
            return who[:at], who[at + 1 :]
    user, _, database = who.rpartition(" ")
    return user or None, database or None


def _background(body: str) -> str | None:
    return next((kind for start, kind in _BACKGROUND if body.startswith(start)), None)


def backend_of_title(pid: int, title: Title, started_at: float | None = None) -> Backend | None:
    """The session that a title shows; None for a background process. ``started_at`` is the process's start (epoch
    seconds).

    A command tag (``SELECT``) means that a statement runs: its state is ``active``, as pg_stat_activity calls it.
    """
    if title.backend_type != CLIENT_BACKEND:
        return None
    return Backend(
        pid=pid,
        backend_type=CLIENT_BACKEND,
        database=title.database,
        user=title.user,
        client_addr=title.host,
        client_port=title.port,
        backend_start=started_at,
        state=_state(title.state),
        wait_event_type="Lock" if title.waits_for_lock else None,
        seen_in="process title",
    )


def _state(shown: str | None) -> str | None:
    if shown is None or shown.startswith("idle") or shown in ("authentication", "initializing", "startup"):
        return shown
    return "fastpath function call" if shown == "<FASTPATH>" else "active"
