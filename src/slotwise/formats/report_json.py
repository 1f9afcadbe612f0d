"""``slotwise report --format json``: the public contract ``slotwise.report/1``. Times in epoch seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from slotwise.formats.logs_json import incident_document
from slotwise.review.account import Account

SCHEMA = "slotwise.report/1"


def report_json(account: Account, rule_ids: Mapping[str, str]) -> str:
    """The account as one JSON document. ``rule_ids``: slug of a rule to its id, for the causes of incidents."""
    document: dict[str, Any] = {"schema": SCHEMA, **msgspec.to_builtins(msgspec.structs.replace(account, logs=()))}
    document["seen_ratio"] = account.seen_ratio
    document["logs"] = [incident_document(incident, rule_ids) for incident in account.logs]
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
