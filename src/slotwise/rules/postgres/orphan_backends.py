"""SW211 orphan-backends."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Change, EndSession, Finding, Fix, SetServerSetting, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite, cite_setting
from slotwise.snapshot.effective_setting import LOGIN_SOURCES
from slotwise.snapshot.holders import short_statement
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.postgres import Server, Setting, Settings
from slotwise.snapshot.processes import Processes, Sockets

RACE_SECONDS = 1.0
"""A session that young may just have ended between two readings."""
IDLE_SECONDS = 60.0
CHECK_INTERVAL = "client_connection_check_interval"
CHECK_MS = "10000"
CHECK_SINCE = 14


@rule("SW211", Severity.WARNING)
def orphan_backends(
    sessions: Sessions,
    processes: Processes,
    sockets: Sockets,
    clock: Clock,
    settings: Settings | None,
    server: Server | None,
) -> Iterator[Finding]:
    """A backend works or sits there for a client that no longer exists.

    **Why it matters.** When Odoo's master kills a worker at limit_time_real, the worker's statement goes on in the
    server, with its slot and locks, until it wants to send a result. After a crash or a restart a host can be full of
    them while the new workers find no slot.

    **Evidence.** The client's end of the connection should be on this host, by address and port or by the peer of the
    Unix-domain socket, and no process has it. An idle session is reported only after a minute: a client that left
    properly ends its session at once.

    **Fix.** End the sessions. client_connection_check_interval (PostgreSQL 14 and later) makes a running statement
    notice within seconds that its client is gone.

    **When to ignore it.** When the client is a container of this host whose network could not be seen.
    """
    lost = [h for h in sessions.held if h.owner.certainty == "orphan" and _is_real(h, clock)]
    if not lost:
        return
    working = [h for h in lost if h.backend.state != "idle"]
    first = max(working or lost, key=lambda h: clock.age_seconds(h.backend.state_change) or 0.0)
    age = clock.age_seconds(first.backend.state_change)
    since = f" for {age:.0f} s" if age is not None else ""
    count = f"{len(lost)} backends have lost their client" if len(lost) > 1 else "1 backend has lost its client"
    yield Finding(
        f"{count}: pid {first.backend.pid} is {first.backend.state} on {first.backend.database or '?'}{since},"
        f" statement: {short_statement(first.backend.query)}",
        (
            cite("backends without a client", len(lost), sockets.source),
            cite("of these at work or in a transaction", len(working), sessions.source),
            cite(f"client of pid {first.backend.pid}", first.owner.how, sockets.source),
            *(cite_setting(s) for s in _settings(settings)),
        ),
        _fix(lost, settings, server),
        severity=Severity.WARNING if working else Severity.INFO,
    )


def _is_real(held: Held, clock: Clock) -> bool:
    backend = held.backend
    if backend.state in (None, "disabled"):
        return False
    age = clock.age_seconds(backend.state_change)
    if backend.state == "idle":
        return age is not None and age >= IDLE_SECONDS
    return age is None or age >= RACE_SECONDS


def _settings(settings: Settings | None) -> tuple[Setting, ...]:
    found = settings.find(CHECK_INTERVAL) if settings is not None else None
    return (found,) if found is not None else ()


def _fix(lost: list[Held], settings: Settings | None, server: Server | None) -> Fix:
    changes: list[Change] = []
    interval = settings.find(CHECK_INTERVAL) if settings is not None else None
    if interval is not None and interval.value == "0" and interval.source not in LOGIN_SOURCES:
        changes.append(SetServerSetting(CHECK_INTERVAL, CHECK_MS, False))
    changes += [EndSession(h.backend.pid, h.backend.backend_start, "its client is gone") for h in lost]
    old = server is not None and server.major < CHECK_SINCE
    later = "; PostgreSQL before 14 cannot notice it by itself" if old else ""
    return Fix(
        f"end {'it' if len(lost) == 1 else 'them'}{later}",
        tuple(changes),
        "a transaction that they have open is rolled back; nobody could have committed it any more",
    )
