"""A load report in its formats, to stdout or a file, and read back for a comparison."""

from __future__ import annotations

from pathlib import Path

import msgspec

from slotwise import __version__
from slotwise.errors import ExitCode, OperatorError
from slotwise.load.compare import Comparison, compare
from slotwise.load.report import SCHEMA, LoadReport

FORMATS = ("text", "json", "html")


def render(report: LoadReport, form: str, *, colour: bool = False, width: int = 100) -> str:
    """The report in one of FORMATS."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"
    if form == "html":
        from slotwise.formats.load_html import load_html

        return load_html(report, __version__)
    from slotwise.formats.load_text import load_text

    return load_text(report, colour=colour, width=width)


def write(text: str, output: Path) -> None:
    """Write a report to a file. Raises OperatorError when it cannot be written."""
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{output}: {error.strerror or error}", "give a file that can be written") from error


def writable(output: Path) -> None:
    """Raises OperatorError before the test where its report could not be written after it."""
    if not output.parent.is_dir():
        raise OperatorError(f"{output.parent} is no directory", "give --output a file in a directory that exists")


def exit_code(report: LoadReport) -> ExitCode:
    """130 when interrupted, 1 when a wall was met, something leaks or the goal was missed, 3 when nothing was
    measured."""
    if report.stop.reason == "interrupted":
        return ExitCode.INTERRUPTED
    if not report.healthy:
        return ExitCode.FINDINGS
    return ExitCode.HEALTHY if any(step.completed for step in report.steps) else ExitCode.UNKNOWN


def read_report(path: Path) -> LoadReport:
    """A report that was written with ``--format json``. Raises OperatorError for anything else."""
    remedy = "give a file that `slotwise load ... --format json` wrote"
    try:
        report = msgspec.json.decode(path.read_bytes(), type=LoadReport)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}", remedy) from error
    except msgspec.DecodeError as error:
        raise OperatorError(f"{path} is no load report: {error}", remedy) from error
    if report.schema != SCHEMA:
        raise OperatorError(f"{path} has schema {report.schema}, not {SCHEMA}", remedy)
    return report


def compare_files(a: Path, b: Path) -> Comparison:
    """Run B beside run A. Raises OperatorError where one is no report."""
    return compare(read_report(a), read_report(b), (str(a), str(b)))


def render_comparison(comparison: Comparison, form: str) -> str:
    """As text or JSON."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode() + "\n"
    from slotwise.formats.load_text import compare_text

    return compare_text(comparison)
