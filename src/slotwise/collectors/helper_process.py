"""The helper process that connects: started before anything heavy is imported, so that two imports run side by side.

The database driver takes longer to import than doctor takes to judge. On a host with a second core the helper imports
it while this process imports rules and looks at /proc. Only what this file needs is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slotwise.collectors.isolation import Workshop

_LIVE_COMMANDS = frozenset({"doctor", "snapshot"})
_NO_CONNECTION = ("--snapshot", "--offline", "--help", "-h")
_early: list[Workshop] = []


def start_early(arguments: Sequence[str]) -> None:
    """Start the helper where the command line will need one. One that is not taken ends with this process."""
    if not arguments or arguments[0] not in _LIVE_COMMANDS or any(a.startswith(_NO_CONNECTION) for a in arguments[1:]):
        return
    _early.append(_start())


def workshop() -> Workshop:
    """The helper that was started early, or a new one. Use it as a context manager."""
    return _early.pop() if _early else _start()


def _start() -> Workshop:
    # Here, because every command passes by this file and few of them look at a live server.
    from slotwise.collectors.isolation import Workshop

    return Workshop(_perform, _prepare)


def _perform(message: bytes, tell: Callable[[bytes], None]) -> None:
    from slotwise.collectors.attempts import perform

    perform(message, tell)


def _prepare() -> None:
    import slotwise.collectors.attempts  # noqa: F401 each job is a fork: what is imported here, none imports again
    from slotwise.collectors.pg_session import prepare

    prepare()
