"""doctor: look (or read a saved snapshot), judge, and hand the diagnosis to a voice."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from slotwise.errors import ExitCode
from slotwise.findings import Severity
from slotwise.rules.diagnosis import Diagnosis, chosen, diagnose
from slotwise.snapshot.model import Snapshot

FORMATS = ("text", "json", "sarif", "junit")


class Judging(Struct, frozen=True):
    """How to judge: rules by id, slug or start of an id; the severity from which the exit code is 1.

    ``here`` says that the snapshot is of this host and of now, so that its addons can be read.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = "critical"
    here: bool = False


class Voice(Struct, frozen=True):
    """How to say it: format, and for text the terminal's width, colour and amount."""

    format: str = "text"
    colour: bool = False
    width: int = 100
    verbose: bool = False


def doctor(look: Callable[[], Snapshot], judging: Judging, voice: Voice) -> tuple[bytes, ExitCode]:
    """The output and the exit code. ``look`` provides the snapshot; rule names are checked before it is called."""
    chosen(judging.select, judging.ignore)
    diagnosis = diagnose(look(), judging.select, judging.ignore, Severity[judging.fail_on.upper()])
    if judging.here:
        from slotwise.commands.suspicion import with_suspicious_lines

        diagnosis = with_suspicious_lines(diagnosis)
    return said(diagnosis, voice), diagnosis.exit_code


def said(diagnosis: Diagnosis, voice: Voice) -> bytes:
    """The diagnosis in the chosen format."""
    if voice.format == "json":
        from slotwise.formats.doctor_json import doctor_json

        return doctor_json(diagnosis)
    if voice.format == "sarif":
        from slotwise.formats.doctor_reports import doctor_sarif

        return doctor_sarif(diagnosis)
    if voice.format == "junit":
        from slotwise.formats.doctor_reports import doctor_junit

        return doctor_junit(diagnosis)
    from slotwise.formats.doctor_text import doctor_text

    text = doctor_text(diagnosis, colour=voice.colour, width=voice.width, verbose=voice.verbose)
    return text.encode("utf-8", "replace")
