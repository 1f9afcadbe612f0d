from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.collectors.log_scanner import Scanner
from slotwise.walls.events import LogEvent

REFERENCE = 1_795_453_682.0  # 2026-11-23 17:08:02 UTC
FULL = "sorry, too many clients already"
ODOO_FULL = (
    "2026-11-23 17:08:02,944 12 WARNING prod odoo.http: Database or registry unusable, trying without \n"
    "Traceback (most recent call last):\n"
    '  File "/opt/odoo/odoo/sql_db.py", line 763, in db_connect\n'
    "    result = psycopg2.connect(\n"
    f'psycopg2.OperationalError: connection to server at "db", port 5432 failed: FATAL:  {FULL}\n'
    " \n"
)
PREFIXES = [
    "2026-11-23 17:08:02.944 UTC [577] odoo@prod ",
    "2026-11-23 17:08:02 UTC [577]: [1-1] user=odoo,db=prod,app=[unknown],client=127.0.0.1 ",
    "1795453682.944 577 odoo prod ",
    "<2026-11-23 18:08:02.944 CET odoo prod 10.0.0.2(5433)>",
    "2026-11-23 17:08:02 UTC:10.0.1.2(54321):odoo@prod:[577]:",
    "2026-11-23 12:38:02.944 -0430 [577] ",
    "",
    "odoo@prod ",
    "[577] ",
]
WRAPPERS: dict[str, Callable[[str], str]] = {
    "journal": lambda line: f"Nov 23 17:08:02 host postgres[577]: {line}",
    "journal iso": lambda line: f"2026-11-23T17:08:02+0000 host postgres[577]: {line}",
    "journal full": lambda line: f"Mon 2026-11-23 17:08:02 UTC host postgres[577]: {line}",
    "journal json": lambda line: json.dumps(
        {"__REALTIME_TIMESTAMP": "1795453682944000", "SYSLOG_IDENTIFIER": "postgres", "_PID": "577", "MESSAGE": line}
    ),
    "docker": lambda line: json.dumps(
        {"log": line + "\n", "stream": "stderr", "time": "2026-11-23T17:08:02.944123456Z"}
    ),
    "kubernetes": lambda line: f"2026-11-23T17:08:02.944123456Z stderr F {line}",
    "compose": lambda line: f"db-1  | {line}",
    "docker -t": lambda line: f"2026-11-23T17:08:02.944123456Z {line}",
}


def scan(data: bytes | str, chunk: int = 1 << 30) -> tuple[list[LogEvent], Scanner]:
    raw = data.encode() if isinstance(data, str) else data
    events: list[LogEvent] = []
    scanner = Scanner("x.log", REFERENCE + 5, events.append)
    for at in range(0, len(raw), chunk):
        scanner.feed(raw[at : at + chunk])
    scanner.feed(b"", final=True)
    return events, scanner


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_log_line_prefix(prefix: str) -> None:
    events, _ = scan(f"{prefix}FATAL:  {FULL}\n{prefix}LOG:  checkpoint starting: time\n" * 2)
    assert [event.wall.value for event in events] == ["pg_max_connections"] * 2
    if "17:08" in prefix or "1795" in prefix or "CET" in prefix or "-0430" in prefix:
        assert events[0].seconds == pytest.approx(REFERENCE, abs=1.0)
    else:
        assert events[0].seconds is None
    if "odoo" in prefix and "prod" in prefix and ("@" in prefix or "db=" in prefix):
        assert (events[0].user, events[0].database) == ("odoo", "prod")
    if "[577]" in prefix or " 577 " in prefix:
        assert events[0].pid == 577


@pytest.mark.parametrize("form", WRAPPERS)
def test_a_record_in_any_wrapping(form: str) -> None:
    wrap = WRAPPERS[form]
    lines = [f"FATAL:  {FULL}", *ODOO_FULL.splitlines(), "LOG:  checkpoint starting: time"]
    events, scanner = scan("\n".join(map(wrap, lines)) + "\n")
    assert [event.wall.value for event in events] == ["pg_max_connections"] * 2
    assert [event.layer for event in events] == ["postgres", "odoo"]
    assert events[1].logged_out
    if form != "compose":
        assert all(abs((event.seconds or 0) - REFERENCE) < 2 for event in events)
    assert not scanner.unread.reasons


def test_two_pods_that_write_into_one_stream_do_not_mix() -> None:
    wrapped = [
        WRAPPERS["docker"](line).replace("stderr", stream)
        for pair in zip(ODOO_FULL.splitlines(), ODOO_FULL.replace(" 12 ", " 13 ").splitlines(), strict=True)
        for stream, line in zip(("stderr", "stdout"), pair, strict=True)
    ]
    events, _ = scan("\n".join(wrapped) + "\n")
    assert sorted(event.pid or 0 for event in events) == [12, 13]


def test_a_traceback_is_one_event_with_its_head() -> None:
    events, _ = scan("2026-11-23 17:08:01,000 12 INFO prod werkzeug: GET / 200 \n" + ODOO_FULL)
    assert [(event.line, event.pid, event.database, event.process) for event in events] == [
        (2, 12, "prod", "http_worker"),
    ]


def test_words_in_statements_mails_and_addresses_are_nobodys_refusal() -> None:
    quoted = (
        f"2026-11-23 17:08:02.944 UTC [1] odoo@prod LOG:  statement: SELECT 'FATAL:  {FULL}'\n"
        f'2026-11-23 17:08:02.944 UTC [1] odoo@prod ERROR:  duplicate key value violates unique constraint "x"\n'
        f"2026-11-23 17:08:02.944 UTC [1] odoo@prod STATEMENT:  INSERT INTO mail VALUES ('FATAL:  {FULL}')\n"
        f"2026-11-23 17:08:02,944 12 INFO prod odoo.addons.mail.thread: routing 'FATAL:  {FULL}' \n"
        f'2026-11-23 17:08:02,944 12 INFO prod werkzeug: 1.2.3.4 "GET /?q=FATAL: {FULL} HTTP/1.1" 200 - \n'
        f"2026-11-23 17:08:02,944 12 ERROR prod odoo.sql_db: bad query: INSERT 'FATAL:  {FULL}'\n"
        "ERROR: deadlock detected\n"
    )
    events, _ = scan(quoted)
    assert [event.kind for event in events] == ["deadlock"]


def test_a_torn_csv_and_json_record_is_counted_and_still_read() -> None:
    csv = f'2026-11-23 17:08:02.944 UTC,"odoo","prod",577,"127.0.0.1:5",656,1,"startup",FATAL,53300,"{FULL}'
    events, scanner = scan(csv)
    assert scanner.unread.records == 1
    assert [event.wall.value for event in events] == ["pg_max_connections"]
    events, scanner = scan('{"timestamp":"2026-11-23 17:08:02.944 UTC","error_severity":"FATAL","message":"' + FULL)
    assert scanner.unread.records == 1
    assert [event.wall.value for event in events] == ["pg_max_connections"]


def test_other_encodings_and_zero_bytes_do_not_hide_a_refusal() -> None:
    line = "2026-11-23 17:08:02.944 UTC [577] odoo@prod FATAL:  désolé, trop de clients sont déjà connectés\n"
    for raw in (line.encode("latin-1"), line.encode("utf-8"), b"\0" * 4096 + line.encode("utf-8")):
        events, _ = scan(raw)
        assert [event.wall.value for event in events] == ["pg_max_connections"]


def test_a_line_without_end_is_counted_and_does_not_fill_the_memory() -> None:
    events, scanner = scan(b"x" * 5_000_000 + f"\nFATAL:  {FULL}\n".encode(), chunk=1 << 19)
    assert any("no line end" in reason for reason in scanner.unread.reasons)
    assert [event.wall.value for event in events] == ["pg_max_connections"]


RECORDS = st.sampled_from(
    [
        *(f"{prefix}FATAL:  {FULL}\n" for prefix in PREFIXES[:3]),
        ODOO_FULL,
        "2026-11-23 17:08:02,944 12 INFO prod werkzeug: GET / 200 \n",
        "2026-11-23 17:08:02.944 UTC [1] LOG:  checkpoint starting: time\n",
        "2026-11-23 17:08:02.270 UTC [982] WARNING C-0x1: prod/odoo@unix(1):1 pooler error: query_wait_timeout\n",
        '2026-11-23 17:08:02.944 UTC,"odoo","prod",577,"::1:5",656,1,"startup",2026-11-23 17:08:02 UTC,,0,FATAL,'
        f'53300,"{FULL}",,,,,,,,,"","client backend",,0\n',
    ]
)


@given(st.lists(RECORDS, max_size=40), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_chunks_of_any_size_tell_the_same(records: list[str], chunk: int) -> None:
    data = "".join(records)
    whole, one = scan(data)
    pieces, other = scan(data, chunk)
    assert [(event.kind, event.line, event.text) for event in pieces] == [
        (event.kind, event.line, event.text) for event in whole
    ]
    assert one.lines == other.lines == data.count("\n")
    refusing = sum(FULL in record or "query_wait" in record for record in records)
    assert sum(event.refused for event in whole) == refusing


@given(st.binary(max_size=3000), st.integers(1, 700))
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_it(data: bytes, chunk: int) -> None:
    scan(data, chunk)


@given(st.lists(RECORDS, min_size=1, max_size=12), st.data())
@settings(max_examples=100, deadline=None)
def test_torn_logs_break_nothing_and_invent_nothing(records: list[str], data: st.DataObject) -> None:
    raw = bytearray("".join(records).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        length = data.draw(st.integers(0, 60))
        raw[at : at + length] = data.draw(st.binary(max_size=40))
        if not raw:
            return
    events, _ = scan(bytes(raw))
    assert {event.wall.value for event in events if event.refused} <= {"pg_max_connections", "pgb_query_wait"}


WRAPPED = st.tuples(st.sampled_from(sorted(WRAPPERS)), st.lists(RECORDS, min_size=1, max_size=6))


@given(WRAPPED, st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_wrapped_records_are_told_alike_in_chunks_of_any_size(wrapped: tuple[str, list[str]], chunk: int) -> None:
    form, records = wrapped
    data = "".join(WRAPPERS[form](line) + "\n" for line in "".join(records).splitlines())
    whole, _ = scan(data)
    pieces, _ = scan(data, chunk)
    assert [(event.kind, event.line) for event in pieces] == [(event.kind, event.line) for event in whole]
    refusing = sum(FULL in record or "query_wait" in record for record in records)
    assert sum(event.refused for event in whole) == refusing


@given(st.lists(st.integers(3, 60), min_size=1, max_size=8), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_a_line_that_the_container_cut_anywhere_is_one_line(cuts: list[int], chunk: int) -> None:
    text = f"2026-11-23 17:08:02.944 UTC [577] odoo@prod FATAL:  {FULL}"
    bounds = sorted({0, *cuts, len(text)} & set(range(len(text) + 1)))
    pieces = [text[start:end] for start, end in itertools.pairwise(bounds)]
    tags = ["P"] * (len(pieces) - 1) + ["F"]
    lines = (f"2026-11-23T17:08:02.944123456Z stderr {tag} {piece}\n" for tag, piece in zip(tags, pieces, strict=True))
    events, _ = scan("".join(lines), chunk)
    assert [event.wall.value for event in events] in (["pg_max_connections"], [])
    if not any(text.index("FATAL") < bound < len(text) for bound in bounds):
        assert events


NAMES = [
    *("record", "log", "message", "msg", "name", "level", "time"),
    *("pid", "exc_info", "error_severity", "log_time", "properties", "stream"),
]
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@given(OBJECTS)
@settings(max_examples=150, deadline=None)
def test_no_json_object_breaks_it(value: object) -> None:
    text = json.dumps(value)
    scan(text + "\n" + json.dumps({"log": "FATAL:  x\n", "record": value, "MESSAGE": value}) + "\n")
    events, _ = scan(json.dumps({"message": f"FATAL:  {FULL}", "extra": value}) + "\n")
    assert [event.wall.value for event in events] == ["pg_max_connections"]
