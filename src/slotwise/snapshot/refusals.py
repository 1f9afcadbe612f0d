"""The walls that were met: by slotwise itself when it connected, and in the logs that it was given."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import Part


class Refusal(Struct, frozen=True):
    """One kind of refusal. ``wall`` is the name that slotwise.walls gives it; ``text`` the server's own words,
    redacted.

    ``count`` is how often it was seen (1 for a connection attempt of slotwise's own); ``last_at`` epoch seconds
    where known.
    """

    wall: str
    text: str
    source: str
    count: int = 1
    last_at: float | None = None
    user: str | None = None
    database: str | None = None


class Refusals(Part, frozen=True):
    """Every refusal that was seen; empty means that someone looked and saw none. ``looked_in`` names where."""

    refusals: tuple[Refusal, ...]
    looked_in: tuple[str, ...]
    source: str = "connection attempts and logs"
