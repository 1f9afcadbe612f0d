"""The contract slotwise.plan/1: every plan is valid by the published schema, and holds what it promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from slotwise.commands.plan import PlanRequest, plan
from slotwise.formats.plan_json import SCHEMA, plan_json

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "docs" / "schema" / "plan.json").read_text(encoding="utf-8"))
EVIDENCE = ROOT / "tests" / "evidence"

REQUESTS = {
    "flags": PlanRequest(changes={"workers": "8", "max_cron_threads": "2"}),
    "pgbouncer": PlanRequest(changes={"workers": "8", "databases": "20", "ram": "16GB", "cores": "4"}, pgbouncer=True),
    "what-if": PlanRequest(changes={"workers": "8"}, what_ifs=("workers=16", "version=19")),
    "replica": PlanRequest(changes={"workers": "8", "odoo_version": "19"}, replica="separate"),
    "unknown": PlanRequest(changes={"workers": "8", "managed": "scaleway:any"}),
    "does-not-fit": PlanRequest(changes={"workers": "200", "managed": "heroku:essential-0"}),
    "threaded": PlanRequest(changes={"workers": "0", "databases": "a,b"}),
    "snapshot": PlanRequest(snapshot=EVIDENCE / "18-prefork-1db-busy.json"),
    "pooled-snapshot": PlanRequest(snapshot=EVIDENCE / "18-pgbouncer-postgres-in-session.json"),
    "from-to": PlanRequest(
        old=EVIDENCE / "17-prefork-1db-busy.json", new=EVIDENCE / "18-prefork-1db-busy.json", rolling=True
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_plan_is_valid(name: str) -> None:
    document = json.loads(plan_json(plan(REQUESTS[name]), "0.1"))
    Draft202012Validator.check_schema(PUBLISHED)
    errors = [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(PUBLISHED).iter_errors(document)]
    assert errors == []
    assert document["schema"] == SCHEMA == PUBLISHED["properties"]["schema"]["const"]


def test_the_guides_example_as_json() -> None:
    document = json.loads(plan_json(plan(REQUESTS["flags"]), "0.1"))
    demand = document["demand"]
    assert (demand["guide"], demand["steady"], demand["typical"], demand["peak"], demand["ceiling"]) == (
        60, 14, 30, 108, 704,
    )  # fmt: skip
    for term in demand["terms"]:
        assert term["count"]["peak"] == term["per_process"]["peak"] * term["processes"]
        assert term["source"]
    assert sum(term["count"]["typical"] for term in demand["terms"]) == demand["typical"]
    assert document["supply"]["usable"] == 97
    assert document["verdict"] == "tight"
    assert document["headroom_ratio"] == pytest.approx(67 / 97)
    settings = {one["name"]: one for one in document["recommendation"]["settings"]}
    assert settings["db_maxconn"]["value"] == 8
    assert all(one["unit"] and one["why"] and one["where"] for one in settings.values())
    assert len(document["alternatives"]) >= 3


def test_old_and_new_of_different_versions() -> None:
    document = json.loads(plan_json(plan(REQUESTS["from-to"]), "0.1"))
    change = document["transitions"][0]
    assert {row["version"] for row in change["versions"]} == {18}
    assert any(moment["name"] == "old and new together" for moment in change["moments"])


def test_a_plan_without_numbers_is_unknown_and_not_zero() -> None:
    document = json.loads(plan_json(plan(REQUESTS["unknown"]), "0.1"))
    assert document["verdict"] == "unknown"
    assert document["supply"]["usable"] is None
    assert document["headroom_ratio"] is None
