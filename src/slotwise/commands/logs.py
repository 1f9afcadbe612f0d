"""The use case: read logs, tell their story, hand it to a face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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


def found_logs() -> tuple[str, ...]:
    """Logs of this host that exist: the usual places and the ``logfile`` of odoo.conf."""
    from slotwise.collectors.log_places import log_places

    return tuple(str(path) for path in log_places(Path("/")))


def rule_ids() -> dict[str, str]:
    """Slug to id of every rule in the catalogue: a cause names its rule only where there is one to explain."""
    from slotwise.rules.engine import catalogue

    return {rule.slug: rule.id for rule in catalogue()}


def render(story: Story, form: str) -> str:
    """The story in one of FORMATS."""
    rules = rule_ids() if story.incidents else {}
    if form == "json":
        from slotwise.formats.logs_json import logs_json

        return logs_json(story, rules, exit_code_of(story))
    if form == "text":
        from slotwise.formats.logs_text import logs_text

        return logs_text(story, rules)
    if form == "html":
        from slotwise import __version__
        from slotwise.formats.logs_html import logs_html

        return logs_html(story, rules, __version__)
    raise OperatorError(f"no such format: {form}", f"choose one of {', '.join(FORMATS)}")


def follow_logs(paths: Iterable[str], form: str, *, stopped: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """One line for each event about a limit on connections as it is written; JSON lines with ``json``.

    Raises OperatorError for standard input and directories: only files can be followed.
    """
    from slotwise.collectors.log_follow import follow
    from slotwise.formats.logs_text import event_line

    files = [Path(path) for path in paths]
    for file in files:
        if str(file) == "-" or file.is_dir():
            raise OperatorError(f"{file} cannot be followed", "name the log files: slotwise logs --follow FILE...")
    for event in follow(files, stopped=stopped):
        if event.echo or not (event.wall.refuses or event.role.value == "cause"):
            continue
        if form == "json":
            import json

            from slotwise.formats.logs_json import event_document

            yield json.dumps(event_document(event), ensure_ascii=False)
        else:
            yield event_line(event)
