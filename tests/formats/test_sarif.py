"""SARIF against the published schema (sarif-2.1.0-rtm.5.json, as @microsoft/jest-sarif 1.0.0-beta.0 ships it, MIT)."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.formats import sarif
from slotwise.formats.sarif import SarifEdit, SarifNotice, SarifResult, SarifRule, SarifStep, sarif_bytes

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0-rtm.5.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
RULE = SarifRule("SW000", "an-example", "An example.", "## help", "error", "https://example.org/SW000", ("odoo",))


def log(*results: SarifResult, notices: tuple[SarifNotice, ...] = ()) -> Any:
    document = json.loads(sarif_bytes("0.1.0", (RULE,), results, notices))
    VALIDATOR.validate(document)
    return document["runs"][0]


def test_an_empty_run_is_valid_and_says_that_it_found_nothing() -> None:
    run = log()
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_every_field_of_a_full_result_is_written_and_valid() -> None:
    result = SarifResult(
        "SW000", "error", "it leaks", "my addon/models/a.py", 7, 3, 9, "cr = x()", "abcd", "inSource", "known",
        (SarifStep("my addon/models/a.py", 7, "opened"), SarifStep("my addon/models/a.py", 9, "returns")),
        (SarifEdit("my addon/models/a.py", 7, 8, "with x() as cr:\n"),),
    )  # fmt: skip
    run = log(result, notices=(SarifNotice("warning", "cannot read", "b.py"),))
    (written,) = run["results"]
    place = written["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "my%20addon/models/a.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7, "startColumn": 3, "endLine": 9, "snippet": {"text": "cr = x()"}}
    assert written["partialFingerprints"] == {"slotwise/v1": "abcd"}
    assert written["suppressions"] == [{"kind": "inSource", "justification": "known"}]
    flow = written["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in flow] == ["opened", "returns"]
    replaced = written["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replaced["deletedRegion"] == {"startLine": 7, "startColumn": 1, "endLine": 9, "endColumn": 1}
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "cannot read"


def test_a_file_outside_has_its_whole_address_and_no_base() -> None:
    (written,) = log(SarifResult("SW000", "note", "x", "/opt/my addons/a.py", 1))["results"]
    assert written["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///opt/my%20addons/a.py"}


def test_of_too_many_results_the_most_severe_are_written_and_the_rest_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    run = log(
        SarifResult("SW000", "note", "1"),
        SarifResult("SW000", "error", "2", suppressed="external"),
        SarifResult("SW000", "warning", "3"),
        SarifResult("SW000", "error", "4"),
        SarifResult("SW000", "note", "5"),
    )
    assert [r["message"]["text"] for r in run["results"]] == ["1", "3", "4"]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"] == "2 of 5 results are left out: these are the most severe"


def test_a_result_without_a_file_is_valid() -> None:
    assert "locations" not in log(SarifResult("SW000", "note", "the server refuses"))["results"][0]


def test_a_result_of_an_unknown_rule_is_refused() -> None:
    with pytest.raises(KeyError):
        sarif_bytes("0.1.0", (RULE,), (SarifResult("SW999", "note", "x"),))


@pytest.mark.parametrize(
    ("version", "semantic"), [("0.1.0", "0.1.0"), ("1.2", "1.2.0"), ("1.2.0.dev3", "1.2.0-pre"), ("2", "2.0.0")]
)
def test_the_version_is_semantic(version: str, semantic: str) -> None:
    driver = json.loads(sarif_bytes(version, (RULE,), ()))["runs"][0]["tool"]["driver"]
    assert driver["semanticVersion"] == semantic


def test_an_undecodable_file_name_is_percent_encoded_and_valid() -> None:
    result = SarifResult("SW000", "note", "caf\udce9.py is broken", "caf\udce9.py", 1)
    written = log(result)["results"][0]
    assert written["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "caf%E9.py"
    assert written["message"]["text"] == "caf?.py is broken"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.integers(1, 10**6),
)
def test_any_message_and_any_file_name_stay_valid(message: str, file: str, line: int) -> None:
    assert log(SarifResult("SW000", "warning", message, file, line))["results"][0]["message"]["text"] == message
