"""One record in, one event out: cuts a record down to the words that its program wrote, and classifies those.

A statement, a mail's text or a URL that quotes ``too many clients`` is nobody's refusal: only the message counts, with
the details that explain it.
"""

from __future__ import annotations

import csv
import re
from typing import Any

import msgspec

from slotwise.snapshot.redaction import redact_text
from slotwise.walls.classify import classify
from slotwise.walls.events import LogEvent
from slotwise.walls.heads import Head, part_of
from slotwise.walls.json_lines import Torn, postgres_json
from slotwise.walls.kinds import Role, Sighting, Wall
from slotwise.walls.records import Line, whole
from slotwise.walls.timestamps import MOMENT, seconds_of

MAX_TEXT = 400
"""Characters of a record's telling line that an event keeps."""
_SQLSTATE = re.compile(r"(?P<state>[0-9A-Z]{5}): ")
_LOCATION = re.compile(r"(?P<routine>\w+), \w+\.c:\d+")
_STATEMENTS = ("statement: ", "execute ", "duration: ", "parse ", "bind ", "fastpath ", "AUDIT: ")
_ELSEWHERE = re.compile(r"could not (?:connect to|establish connection)|connection to server|dblink", re.IGNORECASE)
_OBJECT = re.compile(
    r"(?P<side>[CS])-0x[0-9a-f]+: (?P<database>[^/\s]+)/(?P<user>[^@\s]+)@(?P<peer>\S+) (?P<rest>.*)", re.DOTALL
)
_POOLER_ERROR = re.compile(r"[Pp]ooler [Ee]rror: (?P<why>.*)", re.DOTALL)
_CLOSING = re.compile(r"closing because: (?P<why>.*?)(?: \(age=\d+s?\))?$", re.DOTALL)
_ORDINARY_END = re.compile(r"client (?!connections exceeded)|server idle timeout|server lifetime over")
_BAD_QUERY = re.compile(r"\nERROR: (?P<why>.*)", re.DOTALL)
_CORE = (
    "odoo.sql_db",
    "odoo.service",
    "odoo.http",
    "odoo.modules",
    "odoo.registry",
    "odoo.addons.bus",
    "odoo.addons.base.models.ir_cron",
)
_QUIET = frozenset({"INFO", "DEBUG"})
_ACCESS = re.compile(r'"(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH) /')
"""A web server's access log quotes whatever somebody typed into an address."""
_UNKNOWN_NAMES = frozenset({"(nodb)", "(nouser)", "?", ""})


def judge(lines: list[Line]) -> LogEvent | None:
    """The event that a record tells, or None; ``file`` and ``line`` are left to the caller. Raises Torn for a record of
    PostgreSQL's csvlog that is cut off: judge_torn then reads what is there."""
    lines = whole(lines)
    first = lines[0]
    if first.form == "csv":
        return _csv("\n".join(line.inner for line in lines))
    if first.form == "json":
        return _json(first.inner)
    if first.head is not None:
        if first.head.layer == "postgres":
            return _postgres(lines, first.head)
        if first.head.layer == "pgbouncer":
            return _pgbouncer(lines, first.head)
        return _odoo(lines, first.head)
    return _bare(lines)


def judge_torn(lines: list[Line]) -> LogEvent | None:
    """What the rest of a broken record still says, by its words alone."""
    return _bare(lines)


def _postgres(lines: list[Line], head: Head) -> LogEvent | None:
    message, explained, routine = lines[0].inner[head.body :], True, None
    words = [message]
    for line in lines[1:]:
        part = part_of(line.inner)
        if part is not None:
            location = _LOCATION.search(line.inner, part[2])
            routine = location["routine"] if location else routine
            explained = part[1]
        if explained:
            words.append(line.inner[part[2] :] if part else line.inner)
    state = _SQLSTATE.match(message)
    if state is not None:
        words[0] = message[state.end() :]
    seen = _postgres_words("\n".join(words), routine, state["state"] if state else None)
    if seen is None:
        return None
    return _event(
        seen, words[0], lines[0], head.seconds, "postgres", user=head.user, database=head.database, pid=head.pid
    )


def _postgres_words(text: str, routine: str | None, sqlstate: str | None) -> Sighting | None:
    """Classify PostgreSQL's own message: words further in are somebody's statement or a relayed answer."""
    if text.startswith(_STATEMENTS):
        slow = classify("LOG:  " + text.split("\n", 1)[0][:60]) if text.startswith("duration: ") else None
        return slow if slow is not None and slow.kind == "slow_statement" else None
    seen = classify(text, routine=routine, sqlstate=sqlstate)
    if seen is None:
        return None
    if seen.wall.refuses and seen.wall.value.startswith("pg_") and seen.start > 2 and not _ELSEWHERE.search(text):
        return None
    return seen


def _csv(text: str) -> LogEvent | None:
    """One csvlog record (csvlog.c: 23 columns in 12, 26 in 14-18). Raises Torn when columns are missing."""
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), strict=False))
    except csv.Error as error:
        raise Torn from error
    if not rows or len(rows[0]) < 15:
        raise Torn
    row = rows[0]
    location = _LOCATION.search(row[21]) if len(row) > 21 else None
    return _structured(
        {
            "timestamp": row[0],
            "user": row[1],
            "dbname": row[2],
            "pid": row[3],
            "state_code": row[12],
            "message": row[13],
            "detail": row[14],
            "hint": row[15] if len(row) > 15 else "",
            "func_name": location["routine"] if location else None,
        }
    )


def _json(text: str) -> LogEvent | None:
    record = postgres_json(text)
    return _structured(record) if record else None


def _structured(record: dict[str, Any]) -> LogEvent | None:
    message = str(record.get("message") or "")
    words = "\n".join(str(part) for part in (message, record.get("detail"), record.get("hint")) if part)
    location = _LOCATION.search(str(record.get("location") or ""))
    routine = record.get("func_name") or (location["routine"] if location else None)
    seen = _postgres_words(words, routine, record.get("state_code"))
    if seen is None:
        return None
    moment = MOMENT.match(str(record.get("timestamp", "")))
    pid = str(record.get("pid") or "")
    return _made(
        seen,
        message,
        seconds_of(moment) if moment else None,
        "postgres",
        user=record.get("user") or None,
        database=record.get("dbname") or None,
        pid=int(pid) if pid.isdecimal() and len(pid) < 10 else None,
    )


def _pgbouncer(lines: list[Line], head: Head) -> LogEvent | None:
    message = "\n".join([lines[0].inner[head.body :], *(line.inner for line in lines[1:])])
    user = database = None
    echo = False
    owner = _OBJECT.match(message)
    if owner is not None:
        user, database, message = owner["user"], owner["database"], owner["rest"]
    why = _POOLER_ERROR.match(message)
    closing = None if why else _CLOSING.match(message)
    if why is not None:
        seen = classify(why["why"])
    elif closing is not None:
        if _ORDINARY_END.match(closing["why"]):
            return None
        seen = classify(f"closing because: {closing['why']}")
        echo = seen is not None and owner is not None and owner["side"] == "C"
    else:
        seen = classify(message)
    if seen is None:
        return None
    return _event(
        seen,
        message,
        lines[0],
        head.seconds,
        "pgbouncer",
        user=None if user in _UNKNOWN_NAMES else user,
        database=None if database in _UNKNOWN_NAMES else database,
        pid=head.pid,
        echo=echo,
    )


def _odoo(lines: list[Line], head: Head) -> LogEvent | None:
    logger = head.logger or ""
    if logger == "werkzeug":
        return None
    first = lines[0].inner[head.body :].rstrip()
    traceback = any(line.inner.startswith("Traceback") for line in lines[1:])
    if head.level in _QUIET and not traceback and logger != "odoo" and not logger.startswith(_CORE):
        return None
    text = "\n".join([first, *(line.inner for line in lines[1:] if _speaks(line.inner))])
    if first.startswith("bad query: "):
        error = _BAD_QUERY.search(text)
        text = error["why"] if error else ""
        seen = classify(text)
    else:
        seen = classify(text) if len(lines) == 1 else _of_block(text, first)
    if seen is None:
        return None
    return _event(
        seen,
        text,
        lines[0],
        head.seconds,
        "odoo",
        database=head.database,
        pid=head.pid,
        process=_process(lines, logger),
        logged_out=first.startswith("Database or registry unusable"),
    )


def _of_block(text: str, first: str) -> Sighting | None:
    """A block's error decides; its first line does when the error says nothing, or only that something was lost."""
    error = text[len(first) :]
    seen, alone = classify(error), classify(first)
    if seen is not None and (alone is None or seen.wall is not Wall.NETWORK or alone.role is not Role.REFUSAL):
        return msgspec.structs.replace(seen, start=seen.start + len(first))
    return alone or classify(text)


def _speaks(line: str) -> bool:
    """Frames of a traceback quote source code; only what stands at the margin, or is tab-indented, is a message."""
    return not line.startswith("  ")


def _process(lines: list[Line], logger: str) -> str | None:
    if logger.endswith("ir_cron"):
        return "cron_worker"
    if logger.startswith("odoo.addons.bus") or "websocket" in logger:
        return "gevent_worker"
    if logger == "odoo.http":
        return "http_worker"
    for line in lines[1:]:
        if "/bus/websocket.py" in line.inner:
            return "gevent_worker"
        if "/ir_cron.py" in line.inner or "process_work" in line.inner:
            return "cron_worker"
    return None


def _bare(lines: list[Line]) -> LogEvent | None:
    """A record of no known format: a client's output, a kernel line, a traceback on stderr."""
    first = lines[0]
    texts = [line.inner for line in lines]
    if _ACCESS.search(texts[0]):
        return None
    text = "\n".join(texts)
    if any(part.startswith("Traceback") for part in texts):
        text = "\n".join(part for part in texts if _speaks(part))
    seen = classify(text)
    if seen is None:
        return None
    layer = first.wrapped.layer if first.wrapped and first.wrapped.layer else _layer_of(text)
    moment = MOMENT.search(first.inner[:80])
    return _event(seen, text, first, seconds_of(moment) if moment else None, layer, process=_process(lines, ""))


def _layer_of(text: str) -> str:
    if "Killed process" in text or "oom" in text:
        return "kernel"
    if "psycopg" in text or "Traceback" in text or "odoo" in text.lower():
        return "odoo"
    if "onnection to server" in text or "OperationalError" in text:
        return "client"
    return "unknown"


def _event(seen: Sighting, text: str, first: Line, seconds: float | None, layer: str, **known: Any) -> LogEvent:
    wrapped = first.wrapped
    if wrapped is not None:
        seconds = wrapped.seconds if seconds is None else seconds
        known["pid"] = known.get("pid") or wrapped.pid
    return _made(seen, text, seconds, layer, **known)


def _made(seen: Sighting, text: str, seconds: float | None, layer: str, **known: Any) -> LogEvent:
    start = text.rfind("\n", 0, min(seen.start, len(text))) + 1
    telling = text[start:].split("\n", 1)[0].strip()
    return LogEvent(
        seconds=seconds,
        layer=layer,
        wall=seen.wall,
        kind=seen.kind,
        role=seen.role,
        text=_clean(telling[:MAX_TEXT]),
        name=seen.name,
        language=seen.language,
        **known,
    )


def _clean(text: str) -> str:
    """The text without passwords (Odoo logs the DSN of a leaked connection)."""
    return redact_text(text) if "=" in text or "://" in text else text
