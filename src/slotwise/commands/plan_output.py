"""Gives a plan the form that was asked for and puts it where it was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

from slotwise import __version__
from slotwise.capacity.report import PlanReport
from slotwise.errors import OperatorError


def render(report: PlanReport, form: str, details: bool) -> str:
    """The report as ``text``, ``json``, ``markdown`` or ``html``."""
    if form == "json":
        from slotwise.formats.plan_json import plan_json

        return plan_json(report, __version__)
    if form == "html":
        from slotwise.formats.plan_html import plan_html

        return plan_html(report, __version__)
    if form == "markdown":
        from slotwise.formats.plan_markdown import plan_markdown

        return plan_markdown(report)
    from slotwise.formats.plan_text import plan_text

    return plan_text(report, details)


def write(content: str, output: Path | None) -> None:
    """To stdout, or to the file ``output``. Raises OperatorError when it cannot be written."""
    if output is None:
        sys.stdout.write(content)
        return
    try:
        output.write_text(content, encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"--output {output}: {error.strerror or error}", "name a file that can be written"
        ) from error
