"""Writes docs/cli.md from the commands' own help; ``--check`` exits 1 when the file is stale."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slotwise.cli.app import root

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# Command line

Generated from `slotwise COMMAND --help` by tools/cli_pages.py.

Exit codes of every command: 0 healthy, 1 findings at or above `--fail-on`, 2 wrong usage, 3 something could not be
judged,
70 a bug in slotwise, 130 interrupted. The result is on standard output, everything else on standard error.
"""


def page() -> str:
    """The whole page."""
    context = click.Context(root, info_name="slotwise", max_content_width=100, terminal_width=100)
    blocks = [HEAD]
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        blocks.append(_block(command, context, name, "##"))
        if isinstance(command, click.Group):
            inner = click.Context(command, parent=context, info_name=name, max_content_width=100, terminal_width=100)
            for sub in command.list_commands(inner):
                found = command.get_command(inner, sub)
                assert found is not None
                blocks.append(_block(found, inner, sub, "###"))
    return "\n".join(blocks)


def _block(command: click.Command, parent: click.Context, name: str, level: str) -> str:
    context = click.Context(command, parent=parent, info_name=name, max_content_width=100, terminal_width=100)
    title = f"{level} {context.command_path}"
    return f"{title}\n\n```text\n{command.get_help(context)}\n```\n"


def main() -> int:
    """Write the page, or with ``--check`` compare it."""
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print(f"{PAGE.name} is stale: run `make docs`", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
