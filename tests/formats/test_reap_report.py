"""reap's voices: the published schema takes every kind of round, and the terminal says what happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from slotwise.errors import ExitCode
from slotwise.fixes.reaping import ReapPolicy, judge_round
from slotwise.formats.reap_report import ActLine, ReapReport, reap_json, reap_text
from slotwise.snapshot.evidence import Unavailable
from tests.build import FIRST_CRON, FIRST_HTTP, NOW, backend, host

PUBLISHED = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "reap.json").read_text(encoding="utf-8"))
SEEN = judge_round(
    host(
        [
            (FIRST_HTTP, backend(1, state="idle in transaction", idle_for=900, query="SELECT 1")),
            (FIRST_CRON, backend(2, "postgres", idle_for=900)),
        ]
    ),
    ReapPolicy(idle_in_transaction_seconds=600, idle_seconds=600),
)
assert not isinstance(SEEN, Unavailable)
REFUSED = ActLine(SEEN.condemned[0], (), "refused", "permission denied")
REPORTS = {
    "dry run": ReapReport(NOW, SEEN, None, None, None, ExitCode.FINDINGS),
    "acted": ReapReport(NOW, SEEN, (REFUSED,), "/var/log/slotwise/reap.jsonl", None, ExitCode.FINDINGS),
    "unable": ReapReport(NOW, SEEN, (), "/log", "the server is gone", ExitCode.UNKNOWN),
    "blind": ReapReport(NOW, Unavailable("pg_stat_activity", "refused", "do this"), None, None, None, ExitCode.UNKNOWN),
}
SAID = {
    "dry run": ["1 would be ended", "dry run", "1 spared", "listens for notifications"],
    "acted": ["1 condemned", "→ refused (permission denied); GRANT pg_signal_backend", "/var/log/slotwise/reap.jsonl"],
    "unable": ["not reached", "could not go on: the server is gone"],
    "blind": ["nothing was judged: pg_stat_activity: refused", "do: do this"],
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_round_is_valid_by_the_schema_and_says_what_happened(name: str) -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    document = json.loads(reap_json(REPORTS[name]))
    Draft202012Validator(PUBLISHED).validate(document)
    assert document["exit_code"] == int(REPORTS[name].exit_code)
    text = reap_text(REPORTS[name], width=160)
    assert [words for words in SAID[name] if words not in text] == []
