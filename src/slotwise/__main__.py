"""Entry point. Answers ``--version`` before anything heavy is imported: start-up matters on a sick server."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; never returns normally (raises SystemExit with the exit code)."""
    if sys.argv[1:] == ["--version"]:
        from slotwise import __version__

        print(f"slotwise {__version__}")
        raise SystemExit(0)
    from slotwise.collectors.helper_process import start_early

    start_early(sys.argv[1:])
    from slotwise.cli.app import run

    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
