"""The Markdown form: tables that render, and no way out of a cell."""

from __future__ import annotations

from pathlib import Path

from slotwise.commands.plan import PlanRequest, plan
from slotwise.formats.plan_markdown import plan_markdown

EVIDENCE = Path(__file__).parents[1] / "evidence"


def test_every_table_has_as_many_cells_in_each_row() -> None:
    request = PlanRequest(
        changes={"workers": "8", "databases": "20", "ram": "16GB"}, what_ifs=("workers=16",), pgbouncer=True
    )
    columns = 0
    for line in plan_markdown(plan(request)).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        cells = line.replace("\\|", "").count("|")
        assert columns in (0, cells), line
        columns = cells


def test_it_says_what_a_change_request_needs() -> None:
    old, new = EVIDENCE / "17-prefork-1db-busy.json", EVIDENCE / "18-prefork-1db-busy.json"
    text = plan_markdown(plan(PlanRequest(old=old, new=new)))
    for words in ("**Verdict:**", "### Change:", "Restart:", "Risk:", "### Alternatives", "## From old to new"):
        assert words in text


def test_names_cannot_break_the_page() -> None:
    text = plan_markdown(plan(PlanRequest(changes={"workers": "2", "databases": "a|b,<script>"})))
    assert "<script>" not in text
    assert "a|b" not in text.replace("a\\|b", "")
