from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.capacity.slots import Slots
from slotwise.forecast.saturation import Forecast
from slotwise.snapshot.evidence import Unavailable
from slotwise.tui.head import bar, coming_words, forecast_words, slots_line, sparkline
from slotwise.tui.listing import GROUPINGS, Column, Listing, Row, arranged, findings, groups, pools, transactions
from slotwise.tui.table import column_widths, line_of
from tests.build import NOW, host
from tests.tui.watched import incident, watched

VALUES = st.one_of(st.none(), st.text(max_size=8), st.integers(-9, 9), st.floats(0, 9))


def test_each_grouping_counts_every_session_once() -> None:
    seen = watched(incident())
    for by in GROUPINGS:
        assert sum(int(row.values[1] or 0) for row in groups(seen, by).rows) == len(seen.sessions) == 93


def test_a_gap_is_said_and_not_an_empty_list() -> None:
    blind = structs.replace(host(), activity=Unavailable("pg_stat_activity", "refused", "-"))
    blind = structs.replace(blind, pgbouncers=Unavailable("PgBouncer admin console", "no answer", "-"))
    seen = watched(blind)
    assert "refused" in groups(seen, "role").empty and "refused" in transactions(seen).empty
    assert "no answer" in pools(seen).empty
    assert "not known" in slots_line(seen, 80).plain
    quiet = structs.replace(seen, findings=())
    assert "could not judge" in findings(quiet).empty


@given(st.lists(st.tuples(VALUES, VALUES), max_size=30), st.booleans(), st.integers(0, 1))
def test_sorting_loses_nothing_and_puts_what_is_not_known_last(
    values: list[tuple[object, object]], descending: bool, column: int
) -> None:
    rows = tuple(Row(n, v) for n, v in enumerate(values))  # type: ignore[arg-type]
    shown = arranged(Listing("x", (Column("a", 3), Column("b", 3)), rows, "none"), "", column, descending).rows
    assert sorted(r.key for r in shown) == sorted(r.key for r in rows)  # type: ignore[type-var]
    gaps = [r.values[column] is None for r in shown]
    assert gaps == sorted(gaps)
    numbers = [r.values[column] for r in shown if isinstance(r.values[column], (int, float))]
    assert numbers == sorted(numbers, reverse=descending)  # type: ignore[type-var]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 4)), min_size=1, max_size=9), st.integers(0, 200), st.text()
)
def test_a_line_is_never_wider_than_the_table(shape: list[tuple[int, int]], width: int, word: str) -> None:
    columns = tuple(Column(str(n), least, share) for n, (least, share) in enumerate(shape))
    widths = column_widths(columns, width)
    line = line_of(columns, widths, tuple(word for _ in columns))
    assert len(line) <= width and line.isprintable()


@given(st.integers(0, 12_000), st.integers(1, 10_000), st.integers(0, 50), st.integers(10, 300))
def test_the_bar_is_as_wide_as_it_should_be_and_shows_a_first_slot(
    used: int, most: int, reserved: int, width: int
) -> None:
    drawn = bar(Slots(most, reserved, most - reserved, used, used, None, "x"), width)
    assert len(drawn) == width
    assert (used > 0) == bool(set(drawn) & {"█", "┃"})


def test_the_sparkline_leaves_gaps_open_and_measures_against_the_limit() -> None:
    points = [(0.0, 0.0), (1.0, None), (2.0, 50.0), (3.0, 100.0)]
    assert sparkline(points, 100, 10) == "▁ ▅█"
    assert sparkline(points, 100, 2) == "▅█"


def test_the_forecast_in_words() -> None:
    growing = Forecast("growing", "provisional", "less than a day", 50, 5.0, 7200.0)
    assert "+5.0/h: last slot at" in forecast_words(growing, NOW) and "provisional" in forecast_words(growing, NOW)
    assert forecast_words(Forecast("no trend", "confirmed", "quiet"), NOW) == "forecast: no trend, quiet"
    assert forecast_words(None, NOW) == "no forecast yet"


def test_when_no_slot_is_left_nothing_is_forecast_about_the_last_one() -> None:
    growing = Forecast("growing", "provisional", "grows", slope_per_hour=5.0, eta_seconds=60.0)
    seen = structs.replace(watched(incident()), forecast=growing)
    assert seen.slots is not None and coming_words(seen).startswith("+5.0/h: last slot at")
    full = structs.replace(seen.slots, used_at_least=seen.slots.usable, used=seen.slots.usable)
    assert coming_words(structs.replace(seen, slots=full)) == "the last slot is gone"
