"""What the controller of a stand-in host and its processes say to each other: one line of JSON each.

Controller and master talk over the master's standard input and output; master and children over pipes. Each line has
the child's pid in front, ``4711 {...}``, so that the master passes it on without reading it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from slotwise.standin.flows import RequestOptions

StandinRole = Literal["master", "http_worker", "cron_worker", "gevent", "threaded", "shell", "queue_job"]


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Begin a request and hold it: ``kind`` is a name in flows.REQUESTS."""

    kind: str
    database: str
    options: RequestOptions


class BeginAction(msgspec.Struct, frozen=True, tag=True):
    """Begin a scheduled action and hold it."""

    database: str
    running: str | None


class End(msgspec.Struct, frozen=True, tag=True):
    """Let something that is held go on to its end."""

    held: int


class Poll(msgspec.Struct, frozen=True, tag=True):
    """Look for due jobs in every database."""


class OpenWebsocket(msgspec.Struct, frozen=True, tag=True):
    """A browser's websocket subscribes."""

    database: str


class BeginDelivery(msgspec.Struct, frozen=True, tag=True):
    """Hand a bus notification to every websocket of a database at once, and hold their cursors."""

    database: str


class Leak(msgspec.Struct, frozen=True, tag=True):
    """An addon forgets cursors and opens connections of its own."""

    database: str
    cursors: int
    raw: int


class LoadRegistry(msgspec.Struct, frozen=True, tag=True):
    """Load a database's registry."""

    database: str


class PutClockForward(msgspec.Struct, frozen=True, tag=True):
    """Let time pass for the process's pools."""

    seconds: float


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Say how you are."""


Command = Begin | BeginAction | End | Poll | OpenWebsocket | BeginDelivery | Leak | LoadRegistry | PutClockForward | Ask


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is: its pools, what it holds for whom, and how many notifications have reached it."""

    pool_used: int
    pool_count: int
    read_only_count: int
    held: int
    websockets: int
    notifications: dict[str, int]
    """By channel."""


class Order(msgspec.Struct, frozen=True):
    """A command with a number that its answer repeats."""

    number: int
    command: Command


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The effect of an order is there, or it has failed: ``error`` is the server's or the pool's own text."""

    number: int
    held: int | None = None
    """What ``End`` takes, if something is held now."""
    error: str | None = None
    error_kind: Literal["refused", "pool_full", "statement"] | None = None
    condition: Condition | None = None


class Alive(msgspec.Struct, frozen=True, tag=True):
    """A process is there and has done what its kind does at the start."""

    role: StandinRole


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A process could not start; ``error`` is the server's own text. Its parent starts another one."""

    role: StandinRole
    error: str


class Gone(msgspec.Struct, frozen=True, tag=True):
    """The master saw a child end."""

    status: int


Report = Answer | Alive | Failed | Gone


def to_line(pid: int, message: Order | Report) -> bytes:
    """The line for a message to or from the process ``pid``, without its end."""
    return b"%d %s" % (pid, msgspec.json.encode(message))


def split_line(line: bytes) -> tuple[int, bytes]:
    """The pid and the JSON text of a line."""
    pid, _, text = line.partition(b" ")
    return int(pid), text
