"""One JSON object a line: PostgreSQL's own, the journal's, and what loggers and log shippers make. Pure text.

Formats: jsonlog of PostgreSQL 15+ (jsonlog.c); ``journalctl -o json`` (systemd.journal-fields(7)); Docker's json-file
driver; CloudNativePG's ``record`` (instance and pooler logs); Google Cloud's and Azure's exports; Python loggers
(python-json-logger, structlog, Elastic's common schema) as Odoo deployments use them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from slotwise.walls.heads import Head
from slotwise.walls.timestamps import MOMENT, seconds_of

_NESTS = ("record", "properties", "jsonPayload", "fields", "data")
_TEXTS = ("log", "message", "msg", "event", "textPayload", "line", "body", "MESSAGE")
_TRACES = ("exc_info", "exc_text", "exception", "stack_trace", "traceback", "stack", "error.stack", "error.message")
_TIMES = ("time", "timestamp", "@timestamp", "asctime", "ts", "datetime", "date", "record.timestamp")
_POSTGRES = {
    "timestamp": ("timestamp", "log_time"),
    "user": ("user", "user_name"),
    "dbname": ("dbname", "database_name"),
    "pid": ("pid", "process_id"),
    "state_code": ("state_code", "sql_state_code"),
    "message": ("message",),
    "detail": ("detail",),
    "hint": ("hint",),
    "func_name": ("func_name",),
    "location": ("location",),
}
_LEVELS = {"WARN": "WARNING", "ERR": "ERROR", "CRIT": "CRITICAL", "ALERT": "CRITICAL"}


class Torn(Exception):
    """A line begins like JSON and is none: cut off, or written into by somebody else."""


class Spoken(NamedTuple):
    """What an object says: its text, and what it knows about it beside the text."""

    text: str
    """May hold several lines (a traceback)."""
    seconds: float | None
    stream: str
    partial: bool
    """Docker cut the line: the next one of this stream goes on."""
    head: Head | None
    """Where the object names what a log line would say before its message."""


@lru_cache(maxsize=4)
def record_of(line: str) -> dict[str, Any]:
    """The object of a line. Raises Torn when it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Torn from error
    if not isinstance(record, dict):
        raise Torn
    return record


def postgres_json(line: str) -> dict[str, Any] | None:
    """A record of PostgreSQL, under the names of jsonlog.c, its own or CloudNativePG's; None for other lines.

    Raises Torn for broken JSON.
    """
    if not line.startswith("{"):
        return None
    record = record_of(line)
    inner = record.get("record")
    if isinstance(inner, dict):
        record = inner
    if "error_severity" not in record or not ("timestamp" in record or "log_time" in record):
        return None
    return {name: next((record[key] for key in keys if key in record), None) for name, keys in _POSTGRES.items()}


def spoken(record: dict[str, Any]) -> Spoken | None:
    """What an object of any other program says; None when no text is found in it."""
    flat = _flat(record)
    text = _first(flat, _TEXTS)
    trace = _first(flat, _TRACES)
    if text is None and trace is None:
        return None
    seconds = _seconds(flat)
    partial = "log" in record and "stream" in record and text is not None and not text.endswith("\n")
    told = "\n".join(part.rstrip("\n") if not partial else part for part in (text, trace) if part)
    return Spoken(told, seconds, _stream(record), partial, _head(flat, seconds))


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Fields by name, those one level down as ``outer.inner`` and, of the usual nests, by their own names too."""
    flat = {key: value for key, value in record.items() if not isinstance(value, dict)}
    for key, value in record.items():
        if not isinstance(value, dict):
            continue
        for name, deeper in value.items():
            if isinstance(deeper, dict):
                continue
            flat[f"{key}.{name}"] = deeper
            if key in _NESTS:
                # What lies deeper is the program's own; around it stands the shipper's.
                flat[name] = deeper
    return flat


def _first(flat: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((flat[name] for name in names if isinstance(flat.get(name), str) and flat[name]), None)


def _stream(record: dict[str, Any]) -> str:
    return "/".join(str(record[key]) for key in ("logging_pod", "pod", "container", "stream") if key in record)


def _seconds(flat: dict[str, Any]) -> float | None:
    for name in _TIMES:
        value = flat.get(name)
        if isinstance(value, str):
            moment = MOMENT.match(value)
            if moment is not None:
                return seconds_of(moment)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and 1e9 <= value < 1e14:
            return value / 1000 if value > 1e11 else float(value)
    return None


def _head(flat: dict[str, Any], seconds: float | None) -> Head | None:
    """The head that Odoo or PgBouncer would have written, when the object names logger and severity."""
    logger = _first(flat, ("logger", "name", "log.logger", "logger_name"))
    level = _first(flat, ("levelname", "level", "log.level", "severity"))
    if logger is None or level is None:
        return None
    level = _LEVELS.get(level.upper(), level.upper())
    pid = next((_number(flat[name]) for name in ("pid", "process", "process.pid") if name in flat), None)
    if logger.split(".", 1)[0] in ("odoo", "openerp", "werkzeug", "longpolling"):
        database = _first(flat, ("dbname", "db", "database"))
        return Head("odoo", seconds, level, pid, None, None if database in ("?", "None") else database, logger, 0)
    if logger == "pgbouncer":
        return Head("pgbouncer", seconds, level, pid, None, None, None, 0)
    return None


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
