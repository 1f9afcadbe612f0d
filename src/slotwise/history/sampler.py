"""Looks again and again over one held connection, and goes on whatever happens to the server."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue

from msgspec import structs

from slotwise import __version__
from slotwise.collectors.held_connections import HeldConnections
from slotwise.collectors.remembered_host import RememberedHost
from slotwise.collectors.runner import Request, collect, host_of
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import Snapshot

_PARTS = ("server", "activity", "titles", "settings", "roles", "databases", "overrides", "locks", "pgbouncers")


_LEAST_SECONDS = 2.0
"""A round may take this long however short the interval is: on a busy host looking at the processes alone can take
longer than half a second, and a connection that is never waited for is never made."""


class Sampler:
    """Yields a Snapshot every ``interval_seconds``. A context manager; use it from one thread, ``stop`` from any.

    The connection is made in the first round and held, so that a server that fills up later does not shut slotwise out.
    A round that takes too long is given up at 80 % of the interval, but not before two seconds, and the next one begins
    on time: rounds are left out and never crowd.
    """

    def __init__(self, request: Request, interval_seconds: float, *, clock: Callable[[], float] = time.time) -> None:
        limit = min(request.timeout_seconds, max(_LEAST_SECONDS, 0.8 * interval_seconds))
        self._request = request
        self._later = structs.replace(request, timeout_seconds=limit)
        self._interval = interval_seconds
        self._clock = clock
        self._connections = HeldConnections()
        self._host = RememberedHost(lambda earlier: host_of(self._request, earlier))
        self._stopped = False
        # Not an Event: setting one in a signal handler waits for ever where the signal came while it was waited for.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._looked = False
        self.sentences: tuple[str, ...] = ()
        """What discovery found in the last round, for people."""

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self) -> Snapshot:
        """One round now.

        Raises OperatorError in the first round where the request is wrong; later, what was right before has gone for a
        while (Odoo is stopped, a file is being written), and the snapshot says so.
        """
        self._connections.begin_round()
        try:
            snapshot, discovery = collect(self._request, clock=self._clock, shop=self._connections, host=self._host)
        except OperatorError as error:
            if not self._looked:
                raise
            return self._blind(error)
        except OSError as error:
            # Too many open files, most likely: it passes, and looking must go on when it has.
            told = OperatorError(f"this host cannot be looked at: {error.strerror or error}", "raise `ulimit -n`")
            if not self._looked:
                raise told from error
            return self._blind(told)
        self._looked = True
        self._request = self._later
        self.sentences = discovery.sentences
        return snapshot

    def __iter__(self) -> Iterator[Snapshot]:
        """Rounds until ``stop``: the first at once, then one at each interval of the monotonic clock."""
        began = time.monotonic()
        number = 0
        while not self._stopped:
            yield self.look()
            number = max(number + 1, int((time.monotonic() - began) // self._interval))
            with suppress(Empty):
                self._wake.get(timeout=max(0.0, began + number * self._interval - time.monotonic()))

    def stop(self) -> None:
        """End the iteration after the round that runs. From any thread or signal handler."""
        self._stopped = True
        self._wake.put(None)

    def close(self) -> None:
        """Let go of the connections."""
        self.stop()
        self._connections.close()

    def _blind(self, error: OperatorError) -> Snapshot:
        gaps = {part: Unavailable(part, error.problem, error.remedy) for part in _PARTS}
        report = SourceReport("discovery", "failed", 0.0, error.problem, error.remedy)
        return Snapshot(
            taken_at=self._clock(),
            host=platform.node(),
            slotwise_version=__version__,
            sources=(report,),
            **gaps,  # type: ignore[arg-type]
        )
