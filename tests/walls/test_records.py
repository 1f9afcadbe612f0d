from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.walls.heads import head_of, part_of
from slotwise.walls.json_lines import Torn
from slotwise.walls.judge import judge, judge_torn
from slotwise.walls.records import Grouping, parse_line
from slotwise.walls.timestamps import EPOCH, MOMENT, SYSLOG, epoch_of, iso, seconds_of, syslog_seconds, zone_hours

NOON = 1_795_435_200.0  # 2026-11-23 12:00:00 UTC
lines = st.one_of(
    st.text(max_size=120),
    st.from_regex(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3} .{0,60}", fullmatch=True),
    st.from_regex(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d host [a-z]+\[\d{1,9}\]: .{0,60}", fullmatch=True),
    st.from_regex(r"(FATAL|LOG|ERROR|ВАЖНО|\?\?\?\?):  .{0,60}", fullmatch=True),
    st.dictionaries(st.sampled_from(["log", "time", "MESSAGE", "_PID", "error_severity", "timestamp"]), st.text()).map(
        json.dumps
    ),
    st.lists(st.sampled_from(['{"log":', '"', ",", "}", "\\", "\0", "[", "]"]), max_size=12).map("".join),
)


@given(lines, lines)
def test_no_line_breaks_any_parser(first: str, second: str) -> None:
    parsed = [parse_line(text.split("\n")[0], NOON) for text in (first, second)]
    Grouping(parsed[0]).takes(parsed[1])
    for text in (first, second):
        head_of(text)
        part_of(text)
    try:
        judge(parsed)
    except Torn:
        judge_torn(parsed)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23 12:00:00", NOON),
        ("2026-11-23 12:00:00.250 UTC", NOON + 0.25),
        ("2026-11-23 12:00:00,250 77 INFO", NOON + 0.25),
        ("2026-11-23 13:00:00 CET", NOON),
        ("2026-11-23 15:00:00.000 +03", NOON),
        ("2026-11-23 07:30:00 -0430", NOON),
        ("2026-11-23T12:00:00.123456789Z", NOON + 0.123456789),
        ("2026-11-23T17:30:00+05:30", NOON),
    ],
)
def test_times_of_all_programs(text: str, seconds: float) -> None:
    match = MOMENT.match(text)
    assert match is not None
    assert seconds_of(match) == pytest.approx(seconds)


def test_epoch_and_syslog_times() -> None:
    epoch = EPOCH.search(f"{NOON:.3f} [1]")
    assert epoch is not None
    assert epoch_of(epoch) == NOON
    syslog = SYSLOG.match("Nov 23 12:00:00 host x: y")
    assert syslog is not None
    assert syslog_seconds(syslog, NOON + 60) == NOON
    december = SYSLOG.match("Dec 31 23:59:59 host x: y")
    assert december is not None
    # Read in November, a December line is last year's.
    assert iso(syslog_seconds(december, NOON)) == "2025-12-31T23:59:59.000Z"


def test_impossible_dates_have_no_time() -> None:
    match = MOMENT.match("2026-02-31 12:00:00 UTC")
    assert match is not None
    assert seconds_of(match) is None


def test_a_zone_that_is_not_known_is_not_guessed() -> None:
    assert zone_hours("XYZT") is None
    assert zone_hours(None) is None


def test_absurd_numbers_in_torn_records_are_no_times() -> None:
    torn = json.dumps(
        {"__REALTIME_TIMESTAMP": "9" * 30, "_PID": "²", "MESSAGE": "FATAL:  sorry, too many clients already"}
    )
    event = judge([parse_line(torn, NOON)])
    assert event is not None
    assert (event.seconds, event.pid) == (None, None)
    assert iso(1e17) is None
