"""What stands around a log line: the system journal, syslog, Docker, Kubernetes, compose. Pure text.

Formats: ``journalctl -o short``, ``short-iso``, ``short-full``, ``json`` (systemd.journal-fields(7)); RFC 3164 and
rsyslog's ISO times; Docker's json-file driver; the CRI log format of containerd and CRI-O; ``docker compose logs`` and
``docker logs -t``.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from slotwise.walls.timestamps import MOMENT, SYSLOG, seconds_of, syslog_seconds

_IDENT = r"(?P<host>[^\s:]+) (?P<ident>(?=[^\s:]*[A-Za-z])[\w@.\\/-]+)(?:\[(?P<pid>\d+)\])?: ?"
_CRI = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\S+) (?P<stream>stdout|stderr) (?P<tag>[FP](?::\S*)?) ")
_ISO = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ ]*) ")
_ISO_SYSLOG = re.compile(
    r"(?:[A-Z][a-z]{2} )?(?P<moment>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,5})?) "
    + _IDENT
)
_SYSLOG = re.compile(SYSLOG.pattern + " " + _IDENT)
_COMPOSE = re.compile(r"(?P<name>[\w.-]{1,63}) +\| ")
_POSTGRES_SYSLOG = re.compile(r"\[\d+-\d+\] ")
_JOURNAL_LAYERS = {"postgres": "postgres", "pgbouncer": "pgbouncer", "kernel": "kernel", "odoo": "odoo"}


class Wrapped(NamedTuple):
    """One line without its wrapping."""

    key: str
    """Who wrote it: continuation lines are looked for among lines with the same key."""
    seconds: float | None
    inner: str
    layer: str | None
    """Layer that the writer's name gives away, if it does."""
    pid: int | None


class Torn(Exception):
    """A line begins like JSON and is none: cut off, or written into by somebody else."""


def unwrap(line: str, reference: float) -> Wrapped | None:
    """The inner line and its writer, or None when nothing is wrapped around it.

    ``reference`` is a time shortly after the line was written, for formats without a year. Raises Torn for broken JSON.
    """
    first = line[:1]
    if first == "{":
        return _json(line)
    if first.isdigit() and line[10:11] == "T":
        return _cri(line) or _iso(line)
    if first.isupper():
        match = _SYSLOG.match(line)
        if match is not None:
            return _entry(match, syslog_seconds(match, reference), line)
        match = _ISO_SYSLOG.match(line)
        if match is not None:
            return _iso_entry(match, line)
    match = _COMPOSE.match(line)
    if match is not None:
        inner = line[match.end() :]
        deeper = unwrap(inner, reference) if inner[10:11] == "T" else None
        if deeper is not None:
            return deeper._replace(key=match["name"])
        return Wrapped(match["name"], None, inner, _layer(match["name"]), None)
    return None


def postgres_json(line: str) -> dict[str, Any] | None:
    """A PostgreSQL jsonlog record (15+, jsonlog.c), or None for other lines. Raises Torn for broken JSON."""
    if not line.startswith("{"):
        return None
    record = _loads(line)
    return record if "error_severity" in record and "timestamp" in record else None


def _loads(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Torn from error
    if not isinstance(record, dict):
        raise Torn
    return record


def _json(line: str) -> Wrapped | None:
    record = _loads(line)
    if "error_severity" in record:
        return None
    if "MESSAGE" in record:
        return _journal(record)
    inner = record.get("log", record.get("message", record.get("msg")))
    if not isinstance(inner, str):
        return None
    moment = MOMENT.match(str(record.get("time", record.get("timestamp", record.get("@timestamp", "")))))
    seconds = seconds_of(moment) if moment else None
    return Wrapped(str(record.get("stream", "")), seconds, inner.rstrip("\n"), None, None)


def _journal(record: dict[str, Any]) -> Wrapped:
    message = record["MESSAGE"]
    if isinstance(message, list):  # the journal writes text that is not UTF-8 as a list of bytes
        octets = bytes(byte for byte in message if isinstance(byte, int) and 0 <= byte < 256)
        message = octets.decode("utf-8", "replace")
    stamp = str(record.get("_SOURCE_REALTIME_TIMESTAMP") or record.get("__REALTIME_TIMESTAMP") or "")
    ident = str(record.get("SYSLOG_IDENTIFIER") or record.get("_COMM") or "")
    pid = str(record.get("_PID") or record.get("SYSLOG_PID") or "")
    return Wrapped(
        f"{ident}[{pid}]",
        int(stamp) / 1e6 if _is_number(stamp) else None,
        str(message),
        _layer(ident),
        int(pid) if _is_number(pid) else None,
    )


def _cri(line: str) -> Wrapped | None:
    match = _CRI.match(line)
    if match is None:
        return None
    moment = MOMENT.match(match["moment"])
    return Wrapped(match["stream"], seconds_of(moment) if moment else None, line[match.end() :], None, None)


def _iso(line: str) -> Wrapped | None:
    match = _ISO_SYSLOG.match(line)
    if match is not None:
        return _iso_entry(match, line)
    match = _ISO.match(line)
    if match is None:
        return None
    moment = MOMENT.match(match["moment"])
    return Wrapped("", seconds_of(moment) if moment else None, line[match.end() :], None, None)


def _iso_entry(match: re.Match[str], line: str) -> Wrapped:
    moment = MOMENT.match(match["moment"])
    return _entry(match, seconds_of(moment) if moment else None, line)


def _entry(match: re.Match[str], seconds: float | None, line: str) -> Wrapped:
    inner = line[match.end() :]
    number = _POSTGRES_SYSLOG.match(inner)
    if number is not None:
        inner = inner[number.end() :]
    pid = match["pid"]
    key = f"{match['ident']}[{pid or ''}]"
    return Wrapped(key, seconds, inner.replace("#011", "\t"), _layer(match["ident"]), int(pid) if pid else None)


def _layer(ident: str) -> str | None:
    for word, layer in _JOURNAL_LAYERS.items():
        if word in ident.lower():
            return layer
    return None


def _is_number(text: str) -> bool:
    """True for a run of ordinary digits of a sane length (a torn record may hold anything)."""
    return text.isascii() and text.isdigit() and len(text) <= 17
