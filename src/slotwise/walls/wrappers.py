"""What stands around a log line: the system journal, syslog, Docker, Kubernetes, compose. Pure text.

Formats: ``journalctl -o short``, ``short-iso``, ``short-full``, ``short-monotonic``, ``short-unix``, ``json``
(systemd.journal-fields(7)); RFC 3164, RFC 5424 and rsyslog's ISO times; Docker's json-file driver; the CRI log format
of containerd and CRI-O; ``docker compose logs``, ``docker service logs``, ``docker logs -t``; ``kubectl logs --prefix``
and stern. What JSON says is read by ``json_lines``.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from slotwise.walls.heads import Head
from slotwise.walls.json_lines import record_of, spoken
from slotwise.walls.timestamps import MOMENT, SYSLOG, seconds_of, syslog_seconds

_IDENT = r"(?P<host>[^\s:]+) (?P<ident>(?=[^\s:]*[A-Za-z])[\w@.\\/-]+)(?:\[(?P<pid>\d+)\])?: ?"
_CRI = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\S+) (?P<stream>stdout|stderr) (?P<tag>[FP](?::\S*)?) ")
_ISO = re.compile(r"(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ ]*) ")
_ISO_SYSLOG = re.compile(
    r"(?:[A-Z][a-z]{2} )?(?P<moment>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,5})?) "
    + _IDENT
)
_SYSLOG = re.compile(SYSLOG.pattern + " " + _IDENT)
_SYSLOG_ODOO = re.compile(SYSLOG.pattern + r" (?P<host>\S+) (?=Odoo Server \d)")
"""Odoo's own ``syslog`` option names no program (odoo/netsvc.py)."""
_COUNTED = re.compile(
    r"(?:\[ *(?P<since_start>\d{1,9}\.\d{3,6})\]|(?P<epoch>1\d{9}\.\d{3,6})) (?=[\w.-]+ )(?!\S+ [A-Z]+:)" + _IDENT
)
_PRIORITY = re.compile(r"<\d{1,3}>(?P<five>1 (?=\d{4}-))?")
_RFC5424 = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\dT\S+) (?P<host>\S+) (?P<ident>\S+) (?P<pid>\d+|-) \S+ (?:-|\[.*?\]) (?:\ufeff)?"
)
_COMPOSE = re.compile(r"(?P<name>[\w.@-]{1,127}) +\| ")
_POD = re.compile(
    r"\[pod/(?P<name>[\w.-]+/[\w.-]+)\] |"
    r"(?P<stern>[a-z][a-z0-9-]*-(?:[a-z0-9]{4,10}-[a-z0-9]{5}|\d{1,3}) [a-z][a-z0-9-]*) "
)
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
    partial: bool = False
    """The line was cut by the wrapper and goes on in its writer's next one."""
    head: Head | None = None
    """What the wrapper itself knows of severity, logger, database (JSON loggers)."""


def unwrap(line: str, reference: float) -> Wrapped | None:
    """The inner line and its writer, or None when nothing is wrapped around it.

    ``reference`` is a time shortly after the line was written, for formats without a year. Raises Torn for broken JSON.
    """
    first = line[:1]
    if first == "{":
        return _json(line)
    if first == "\x1e":  # journalctl -o json-seq
        return _json(line[1:])
    if first.isdigit() and line[10:11] == "T":
        return _cri(line) or _iso(line)
    if first == "<":
        return _with_priority(line, reference)
    if first.isupper():
        match = _SYSLOG.match(line)
        if match is not None:
            return _entry(match, syslog_seconds(match, reference), line)
        match = _SYSLOG_ODOO.match(line)
        if match is not None:
            inner = line[match.end() :].replace("#012", "\n")
            return Wrapped(match["host"], syslog_seconds(match, reference), inner, "odoo", None)
        match = _ISO_SYSLOG.match(line)
        if match is not None:
            return _iso_entry(match, line)
    match = _COUNTED.match(line) if first == "[" or first == "1" else None
    if match is not None:
        return _entry(match, float(match["epoch"]) if match["epoch"] else None, line)
    match = _COMPOSE.match(line)
    if match is not None:
        return _named(match["name"], line[match.end() :], reference)
    match = _POD.match(line) if first == "[" or first.islower() else None
    if match is not None:
        return _named(match["name"] or match["stern"], line[match.end() :], reference)
    return None


def _named(name: str, inner: str, reference: float) -> Wrapped:
    """A container's name, and perhaps a time, before its line."""
    deeper = unwrap(inner, reference) if inner[10:11] == "T" else None
    if deeper is not None:
        return deeper._replace(key=name)
    return Wrapped(name, None, inner, _layer(name), None)


def _with_priority(line: str, reference: float) -> Wrapped | None:
    """Syslog as it goes over the wire: ``<30>`` before RFC 3164, ``<30>1`` before RFC 5424."""
    priority = _PRIORITY.match(line)
    if priority is None:
        return None
    rest = line[priority.end() :]
    if not priority["five"]:
        return unwrap(rest, reference)
    match = _RFC5424.match(rest)
    if match is None:
        return None
    moment = MOMENT.match(match["moment"])
    pid = match["pid"]
    inner = rest[match.end() :]
    return Wrapped(
        f"{match['ident']}[{pid}]",
        seconds_of(moment) if moment else None,
        inner,
        _layer(match["ident"]),
        int(pid) if _is_number(pid) else None,
    )


def _json(line: str) -> Wrapped | None:
    record = record_of(line)
    if "error_severity" in record:
        return None
    if "MESSAGE" in record:
        return _journal(record)
    said = spoken(record)
    if said is None:
        return None
    layer = said.head.layer if said.head else None
    pid = said.head.pid if said.head else None
    return Wrapped(said.stream, said.seconds, said.text, layer, pid, said.partial, said.head)


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
    seconds = seconds_of(moment) if moment else None
    return Wrapped(match["stream"], seconds, line[match.end() :], None, None, match["tag"].startswith("P"))


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
    inner = inner.replace("#011", "\t").replace("#012", "\n")
    return Wrapped(key, seconds, inner, _layer(match["ident"]), int(pid) if pid else None)


def _layer(ident: str) -> str | None:
    for word, layer in _JOURNAL_LAYERS.items():
        if word in ident.lower():
            return layer
    return None


def _is_number(text: str) -> bool:
    """True for a run of ordinary digits of a sane length (a torn record may hold anything)."""
    return text.isascii() and text.isdigit() and len(text) <= 17
