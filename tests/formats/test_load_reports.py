from __future__ import annotations

from slotwise.formats.load_html import load_html
from slotwise.formats.load_text import compare_text, load_text
from slotwise.load.compare import compare
from tests.load.reports import report


def test_the_text_answers_the_questions() -> None:
    text = load_text(report(refused=9))
    assert "Knee: 9.8 users" in text and "95%" in text
    assert "PostgreSQL's usable slots" in text and "by http_worker" in text
    assert "of 37 usable" in text and "headroom" in text
    assert "knee: 11.0 users expected with 1 HTTP worker" in text
    assert "To move the wall: Raise max_connections" in text and "max_connections = 100" in text
    assert "PgBouncer:" in text and "Goal users=30: not met" in text
    assert "Wall: none was met." in load_text(report())


def test_what_was_not_seen_is_unknown() -> None:
    text = load_text(report(gap="not allowed"))
    assert "unknown (not allowed)" in text and "  0 " not in text.split("users  ")[1].split("held by")[0]


def test_the_page_has_its_plots_and_escapes_names() -> None:
    page = load_html(report(refused=9), "0")
    assert page.count("<svg viewBox") == 4
    assert "<server>" not in page and "&lt;server&gt;" in page and "a&lt;b" in page
    assert "knee: 9.8" in page and "usable slots: 37" in page and "default-src 'none'" in page


def test_a_comparison_in_words() -> None:
    text = compare_text(compare(report(), report(slow=2.0), ("a.json", "b.json")))
    assert "A: a.json" in text and "worse" in text and "wall" in text
