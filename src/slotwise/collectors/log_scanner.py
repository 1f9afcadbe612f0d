"""Turns the bytes of one log into events: finds telling lines, takes the whole record around each, has it judged.

Works on a stream of chunks, so that memory does not depend on the size of the log. Whatever cannot be read is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from slotwise.walls.events import LogEvent, Unread
from slotwise.walls.json_lines import Torn
from slotwise.walls.judge import judge, judge_torn
from slotwise.walls.prefilter import CONTEXT, candidates
from slotwise.walls.records import Grouping, Line, parse_line

MAX_LINE_BYTES = 65_536
"""A longer line is read up to here; the rest is counted as unread."""
MAX_BACK_LINES = 400
MAX_RECORD_LINES = 500
"""A record (a traceback, a statement) is not followed further than this."""
MAX_CARRY_BYTES = 1 << 20
"""Without a line end for longer than this it is no log; the bytes are counted as unread."""
_PLAIN_HEAD = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]?\d* [^:\n]{0,80}?(?:LOG|FATAL|ERROR|WARNING|INFO|DEBUG)(?::  | )\S"
)
"""The usual heads, told from their bytes: saves parsing the line that follows a record."""
_LOOK_BACK_BYTES = 65_536
_LOOK_BACK_EVENTS = 30
_QUIET_SECONDS = 60.0
_STRANGERS = 60


class _Found(NamedTuple):
    start: int
    end: int
    line: Line


class Scanner:
    """Reads one log in order. ``sink`` gets every event, with ``line`` counted from ``first_line``."""

    def __init__(self, file: str, reference: float, sink: Callable[[LogEvent], None], first_line: int = 1) -> None:
        self.unread = Unread()
        self.lines = 0
        self._file = file
        self._reference = reference
        self._sink = sink
        self._first_line = first_line
        self._rest = b""
        self._last_refusal: float | None = None

    def feed(self, data: bytes, final: bool = False) -> None:
        """Take the next bytes. With ``final`` everything is judged; before, the last record waits for its end."""
        data = self._rest + data if self._rest else data
        cut = len(data) if final else self._last_boundary(data)
        self._rest = data[cut:]
        if len(self._rest) > MAX_CARRY_BYTES:
            self._count("no line end for 1 MiB", len(self._rest))
            self._rest = b""
        if cut:
            self._process(data[:cut] if cut < len(data) else data)

    def settle(self) -> None:
        """Judge the whole lines that are still held: nothing more came for a while. An unfinished line stays."""
        cut = self._rest.rfind(b"\n") + 1
        held, self._rest = self._rest[:cut], self._rest[cut:]
        if held:
            self._process(held)

    def _last_boundary(self, data: bytes) -> int:
        """Start of the last record in ``data``: what follows may go on in the next chunk."""
        end = data.rfind(b"\n") + 1
        headless: set[str | None] = set()
        for _ in range(MAX_BACK_LINES):
            if end <= 0:
                return 0
            start = data.rfind(b"\n", 0, end - 1) + 1
            if start == end:
                return end
            if data[start : start + 1] not in (b" ", b"\t", b"\n"):
                line = parse_line(
                    data[start:end].rstrip(b"\r\n")[:MAX_LINE_BYTES].decode("utf-8", "replace"), self._reference
                )
                if line.form != "more":
                    headless.discard(line.key)
                    if not headless:
                        return start
                elif line.wrapped is not None:
                    headless.add(line.key)
            end = start
        return data.rfind(b"\n") + 1

    def _process(self, data: bytes) -> None:
        counted = 0
        line_number = self._first_line + self.lines
        done: set[int] = set()
        done_until = -1
        for at in candidates(data):
            start = data.rfind(b"\n", 0, at) + 1
            if at < done_until or start in done:
                continue
            record = self._record_around(data, start)
            first = record[0].start
            if record[0].line.key is None:
                done_until = max(done_until, record[-1].end)
            else:
                done.update(found.start for found in record)
            line_number += data.count(b"\n", counted, first) if first > counted else -data.count(b"\n", first, counted)
            counted = first
            event = self._judge(record, line_number)
            if event is not None:
                self._emit(event, data, first)
        self.lines = line_number - self._first_line + data.count(b"\n", counted)

    def _record_around(self, data: bytes, start: int) -> list[_Found]:
        """The record that the line at ``start`` belongs to: back to its head, then on to its end."""
        here = self._line_at(data, start)
        origin = here
        if here.line.form == "more":
            origin = self._head_before(data, here) or here
        while True:
            record = self._forward(data, origin)
            last = record[-1]
            if start < last.end or last.end >= len(data) or any(found.start == start for found in record):
                if not any(found.start == start for found in record):
                    return self._forward(data, here)
                return record
            following = self._line_at(data, last.end)
            if following.start > start:
                return self._forward(data, here)
            origin = following

    def _head_before(self, data: bytes, here: _Found) -> _Found | None:
        """The nearest line above, of the same writer, that begins a record."""
        end = here.start
        for _ in range(MAX_BACK_LINES):
            if end <= 0:
                return None
            found = self._line_at(data, data.rfind(b"\n", 0, end - 1) + 1)
            if found.line.form != "more" and found.line.key == here.line.key:
                return found
            end = found.start
        return None

    def _forward(self, data: bytes, origin: _Found) -> list[_Found]:
        record = [origin]
        grouping = Grouping(origin.line)
        at = origin.end
        strangers = 0
        plain = origin.line.form == "head" and origin.line.key is None
        while at < len(data) and len(record) < MAX_RECORD_LINES and strangers < _STRANGERS:
            if plain and _PLAIN_HEAD.match(data, at):
                break
            found = self._line_at(data, at)
            at = found.end
            if found.line.key != origin.line.key and found.line.inner:
                if origin.line.key is None and found.line.form != "more":
                    break
                strangers += 1
                continue
            if not grouping.takes(found.line):
                break
            record.append(found)
        return record

    def _line_at(self, data: bytes, start: int) -> _Found:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end + 1
        return _Found(
            start, end, parse_line(self._text(data[start : min(end, start + MAX_LINE_BYTES)]), self._reference)
        )

    def _text(self, raw: bytes) -> str:
        raw = raw.rstrip(b"\r\n")
        if b"\0" in raw:
            raw = raw.replace(b"\0", b"")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    def _judge(self, record: list[_Found], line_number: int) -> LogEvent | None:
        lines = [found.line for found in record]
        size = sum(found.end - found.start for found in record)
        if any(found.end - found.start > MAX_LINE_BYTES for found in record):
            self._count("line longer than 64 KiB, read up to there", size - MAX_LINE_BYTES)
        torn = lines[0].torn
        event = None
        if not torn:
            try:
                event = judge(lines)
            except Torn:
                torn = True
        if torn:
            event = judge_torn(lines)
            self._count("record cut off or written into", size)
        if event is None:
            head = lines[0].head
            if head is not None and head.level == "?":
                self._count("letters replaced by question marks (the server's LC_CTYPE is C)", size)
            return None
        return _placed(event, self._file, line_number)

    def _emit(self, event: LogEvent, data: bytes, start: int) -> None:
        if event.seconds is not None and (event.refused or event.kind == "odoo_connect_failed"):
            last = self._last_refusal
            if last is None or abs(event.seconds - last) > _QUIET_SECONDS:
                self._look_back(data, start, event.line)
            self._last_refusal = event.seconds
        self._sink(event)

    def _look_back(self, data: bytes, start: int, line_number: int) -> None:
        """Tell what went on just before the first refusal: jobs started, workers recycled, pools that grew."""
        begin = max(0, start - _LOOK_BACK_BYTES)
        matches = list(CONTEXT.finditer(data, begin, start))[-_LOOK_BACK_EVENTS:]
        for match in matches:
            found = self._line_at(data, data.rfind(b"\n", 0, match.start()) + 1)
            if found.line.form == "more":
                continue
            context = judge([found.line])
            if context is not None and not context.refused and context.role.value in ("context", "precursor"):
                number = line_number - data.count(b"\n", found.start, start)
                if not _found_by_search(data[found.start : found.end]):
                    self._sink(_placed(context, self._file, number))

    def _count(self, reason: str, size: int) -> None:
        self.unread = self.unread.plus(Unread(size, 1, {reason: 1}))


def _placed(event: LogEvent, file: str, line: int) -> LogEvent:
    return msgspec.structs.replace(event, file=file, line=line)


def _found_by_search(line: bytes) -> bool:
    """True when the ordinary search finds this line as well: it must not be told twice."""
    return bool(candidates(line))
