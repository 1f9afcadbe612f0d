"""record: look again and again, and keep what was seen."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from slotwise.collectors.runner import Request
from slotwise.history.recorder import Recorder
from slotwise.history.sampler import Sampler
from slotwise.history.store import Store


def default_history() -> Path:
    """``/var/lib/slotwise/history.db`` for root and under systemd, else the user's state directory (XDG)."""
    service = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service) / "history.db"
    if os.geteuid() == 0:
        return Path("/var/lib/slotwise/history.db")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slotwise/history.db"


def record(request: Request, interval_seconds: float, history: Path | None, say: Callable[[str], None]) -> None:
    """Record until SIGTERM or ^C. Raises OperatorError where the request or the file is wrong from the start."""
    path = history or default_history()
    store = Store(path, say=say)
    try:
        with Sampler(request, interval_seconds) as sampler:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sampler.stop())
            said: tuple[str, ...] = ()
            for count, _ in enumerate(Recorder(sampler, store, say).observations()):
                if count == 0:
                    say(f"recording to {path} every {interval_seconds:g} s")
                if sampler.sentences != said:
                    said = sampler.sentences
                    for sentence in said:
                        say(sentence)
    finally:
        store.close()
