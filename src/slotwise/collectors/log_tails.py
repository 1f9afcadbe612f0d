"""Reads the ends of logs for refused connections: those that were named, and those that Odoo itself writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slotwise.collectors.host_files import read_tail
from slotwise.collectors.odoo_log_refusals import refusals_in_log
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.refusals import Refusal, Refusals

TAIL_BYTES = 256 << 10
"""How much of each log is read, in bytes: doctor is in a hurry; `slotwise logs` reads them whole."""


def collect_refusals(named: Sequence[str], found: Sequence[tuple[str, Path]]) -> Refusals | Unavailable:
    """The refusals at the ends of the logs. ``named`` are files that the operator gave, ``found`` names and places of
    the logs of the instances.

    Raises OperatorError where a named file cannot be read. Found files that cannot be read are left out; Unavailable
    where none is left.
    """
    refusals: list[Refusal] = []
    looked_in: list[str] = []
    gaps: list[Unavailable] = []
    places = [(name, Path(name), True) for name in named] + [(name, place, False) for name, place in found]
    for name, place, is_named in places:
        text = read_tail(place, name, TAIL_BYTES)
        if isinstance(text, Unavailable):
            if is_named:
                raise OperatorError(f"{name}: {text.reason}", text.remedy)
            gaps.append(text)
            continue
        looked_in.append(name)
        refusals += refusals_in_log(text, name)
    if not looked_in:
        return gaps[0] if gaps else Unavailable("logs", "no log was named and Odoo names none", "give --log FILE")
    return Refusals(tuple(refusals), tuple(looked_in), "the ends of logs")
