"""The scenario of a test over HTTP: who works in which Odoo, how often, and how."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

MARKER = "slotwise-load"
"""What the name of everything that a load test creates begins with."""


class People(Struct, frozen=True, kw_only=True):
    """Users of an Odoo over HTTP.

    ``url`` is the web client's. ``logins`` share the password; each user takes one. ``think_seconds`` is the mean pause
    between two requests of one user. ``rpc_ratio`` is the share of users that are programs calling RPC (``json`` or
    ``xml``), ``websocket_ratio`` the share of browsers with an open websocket; ``websocket_url`` where it is not beside
    the web client. ``writes``: they create records and post messages, named with MARKER and ``run``.
    """

    url: str
    databases: tuple[str, ...]
    logins: tuple[str, ...] = ("admin",)
    think_seconds: float = 5.0
    rpc_ratio: float = 0.1
    rpc: Literal["json", "xml"] = "json"
    websocket_ratio: float = 1.0
    websocket_url: str | None = None
    writes: bool = True
    timeout_seconds: float = 60.0
    run: str = "run"
    seed: int = 1

    @property
    def marker(self) -> str:
        """What the names of this test's records begin with."""
        return f"{MARKER} {self.run}"


def settings_of(people: People, password: str, channels: dict[str, int]) -> dict[str, Any]:
    """SETTINGS of the locustfile. ``channels``: the channel to post in, by database; none where Discuss is missing."""
    return {
        "url": people.url.rstrip("/"),
        "databases": list(people.databases),
        "logins": list(people.logins),
        "password": password,
        "marker": people.marker,
        "seed": people.seed,
        "think_seconds": people.think_seconds,
        "rpc_ratio": people.rpc_ratio,
        "rpc": people.rpc,
        "websocket_ratio": people.websocket_ratio,
        "websocket_url": people.websocket_url,
        "writes": people.writes,
        "posts": bool(channels),
        "channels": channels,
        "timeout_seconds": people.timeout_seconds,
    }
