"""The command group: finds its commands by file name, so that a new command is a new file and nothing else.

A file ``cli/<name>_command.py`` holds one ``click.Command`` called ``command``. Modules import only click at their top;
everything heavier is imported inside the function, because ``slotwise --help`` must stay quick on a sick server.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import click

import slotwise.cli
from slotwise import __version__
from slotwise.errors import ExitCode, OperatorError

_SUFFIX = "_command"


class CommandFiles(click.Group):
    """A click group whose sub-commands are the ``*_command.py`` files of this package, loaded when named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        import pkgutil

        modules = pkgutil.iter_modules(slotwise.cli.__path__)
        names = (m.name for m in modules if m.name.endswith(_SUFFIX))
        return sorted(name.removesuffix(_SUFFIX).replace("_", "-") for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called ``cmd_name``, or None when there is no such file."""
        # The file itself is asked for: listing the folder takes pkgutil, a tenth of a command's start-up.
        if not cmd_name.replace("-", "").isalnum():
            return None
        name = f"slotwise.cli.{cmd_name.replace('-', '_')}{_SUFFIX}"
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            return None
        command = module.command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=CommandFiles,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, message="slotwise %(version)s")
def root() -> None:
    """How many PostgreSQL connection slots Odoo needs, who holds them now, and what to change."""


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code (slotwise.errors.ExitCode). Never raises."""
    try:
        whole_line = tuple(arguments)
        result = root.main(args=arguments, prog_name="slotwise", standalone_mode=False, obj=whole_line)
        return int(result) if isinstance(result, int) else ExitCode.HEALTHY
    except OperatorError as error:
        return _two_lines(error.problem, error.remedy)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "slotwise"
        return _two_lines(error.format_message(), f"`{where} --help` lists what it takes")
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        return _two_lines(error.format_message(), "`slotwise --help` lists the commands")
    except BrokenPipeError:
        # The reader (head, less) went away: not an error of ours. Keep the interpreter from complaining at exit.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 lives until exit
        return ExitCode.HEALTHY
    except Exception:  # the one top handler: a bug is told apart from every other end
        return _report_bug()


def _two_lines(problem: str, remedy: str) -> int:
    """Print an operator's mistake as two lines on stderr."""
    click.echo(f"error: {' '.join(problem.split())}", err=True)
    click.echo(f"  do: {' '.join(remedy.split())}", err=True)
    return ExitCode.USAGE


def _report_bug() -> int:
    """Print a traceback without values of local variables, with versions, for a bug report."""
    import platform
    import traceback

    click.echo(traceback.format_exc(), err=True)
    click.echo(
        f"this is a bug in slotwise {__version__} (Python {platform.python_version()}, {platform.platform()})", err=True
    )
    click.echo("  do: please report it with the lines above; they hold no passwords", err=True)
    return ExitCode.BUG
