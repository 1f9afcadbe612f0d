"""Entry point. Answers ``--version`` before anything heavy is imported: start-up matters on a sick server."""

from __future__ import annotations

import atexit
import gc
import os
import sys

NEW_OBJECTS_PER_COLLECTION = 100_000
"""Modules, functions and records that a command makes live as long as it does: looking through them for cycles every
700 new objects (Python's default) is a tenth of doctor's time and finds nothing. Cycles are still found, later."""


def main() -> None:
    """Run the command line; never returns normally (raises SystemExit with the exit code)."""
    if sys.argv[1:] == ["--version"]:
        from slotwise import __version__

        print(f"slotwise {__version__}")
        raise SystemExit(0)
    if sys.argv[1:2] == ["scan"]:
        from slotwise.collectors.remembered_run import answer

        known = answer(sys.argv[1:])
        if known is not None:
            raise SystemExit(_print_known(*known))
    gc.set_threshold(NEW_OBJECTS_PER_COLLECTION)
    # The kernel takes the memory back when the process ends: a last search for cycles would take longer than judging.
    atexit.register(gc.freeze)
    if sys.argv[1:2] != ["scan"]:
        from slotwise.collectors.helper_process import start_early

        start_early(sys.argv[1:])
    from slotwise.cli.app import run

    raise SystemExit(run(sys.argv[1:]))


def _print_known(printed: bytes, exit_code: int) -> int:
    try:
        sys.stdout.buffer.write(printed)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) went away, which is no error; the interpreter would complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return exit_code


if __name__ == "__main__":
    main()
