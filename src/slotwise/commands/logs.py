"""The use case: read logs, tell their story, hand it to a face."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slotwise.collectors.log_files import Progress, read_logs
from slotwise.errors import ExitCode, OperatorError
from slotwise.walls.story import Story, tell

FORMATS = ("text", "json", "html")


def story_of(
    paths: Iterable[str],
    *,
    processes: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Story:
    """Read the logs and tell their story. Raises OperatorError for a log that is not there."""
    names = tuple(paths)
    return tell(read_logs(names, processes=processes, on_progress=on_progress), names)


def exit_code_of(story: Story) -> ExitCode:
    """FINDINGS when a connection was refused, UNKNOWN when nothing was read, else HEALTHY."""
    if story.nothing_read:
        return ExitCode.UNKNOWN
    return ExitCode.FINDINGS if story.refused else ExitCode.HEALTHY


def render(story: Story, form: str) -> str:
    """The story in one of FORMATS."""
    if form == "json":
        from slotwise.formats.logs_json import logs_json

        return logs_json(story, exit_code_of(story))
    if form == "text":
        from slotwise.formats.logs_text import logs_text

        return logs_text(story)
    raise OperatorError(f"no such format: {form}", f"choose one of {', '.join(FORMATS)}")
