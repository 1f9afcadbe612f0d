"""SW218 connections-refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slotwise.capacity.relief import Spare, spare_sessions
from slotwise.capacity.slots import Slots, is_saturated
from slotwise.capacity.wall_words import WALLS, WallWords
from slotwise.findings import Change, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import short_statement
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.postgres import Roles
from slotwise.snapshot.processes import Postmaster, ServerProcesses
from slotwise.snapshot.refusals import Refusal, Refusals

FRESH_SECONDS = 3600.0
OLD_SECONDS = 86400.0
ATTEMPT = "connection attempt"


@rule("SW218", Severity.CRITICAL)
def connections_refused(
    refusals: Refusals,
    clock: Clock,
    sessions: Sessions | None,
    slots: Slots | None,
    roles: Roles | None,
    server_processes: ServerProcesses | None,
) -> Iterator[Finding]:
    """Connections were refused: this is the wall that was hit.

    **Why it matters.** Several limits can refuse a connection, with opposite remedies. Raising max_connections against
    a full odoo_pool changes nothing; raising db_maxconn against a full server makes it worse.

    **Evidence.** The words of the refusal that slotwise itself met or found in the logs, the wall that they name, how
    often and when last. Within the last hour it is critical, within a day a warning, older than that a note. A lost
    connection by itself names no wall and is not reported here.

    **Fix.** For a full server: end one session that nobody uses, get in, then mend the cause that the other findings
    name. For any other wall: what is written there, and nothing else.

    **When to ignore it.** When the refusals are old and their cause is known.
    """
    by_wall: dict[str, list[Refusal]] = {}
    for refusal in refusals.refusals:
        if refusal.wall in WALLS:
            by_wall.setdefault(refusal.wall, []).append(refusal)
    for wall, seen in by_wall.items():
        yield _finding(WALLS[wall], seen, clock, sessions, slots, roles, server_processes)


def _finding(
    words: WallWords,
    seen: list[Refusal],
    clock: Clock,
    sessions: Sessions | None,
    slots: Slots | None,
    roles: Roles | None,
    server_processes: ServerProcesses | None,
) -> Finding:
    last = max(seen, key=lambda r: (r.source.startswith(ATTEMPT), r.last_at or 0.0))
    count = sum(r.count for r in seen)
    age = 0.0 if last.source.startswith(ATTEMPT) else clock.age_seconds(last.last_at)
    over = _is_over(words, sessions, slots, roles, seen)
    severity = _severity(age, over)
    times = "once" if count == 1 else f"{count} times"
    when = "" if age is None else ", just now" if age < 60 else f", last {_span(age)} ago"
    now = "; at this moment there is room again" if over else ""
    return Finding(
        f"{words.name}: {words.meaning} (refused {times}{when}: {short_statement(last.text, 120)}){now}",
        tuple(
            cite(f"refused ({short_statement(r.text, 60)})", r.count, r.source)
            for r in sorted(seen, key=lambda r: -r.count)[:3]
        ),
        _fix(words, seen, clock, sessions, over, server_processes),
        subject=words.name,
        severity=severity,
    )


def _severity(age: float | None, over: bool) -> Severity:
    if age is None:
        return Severity.WARNING
    if age >= OLD_SECONDS:
        return Severity.INFO
    return Severity.WARNING if over or age >= FRESH_SECONDS else Severity.CRITICAL


def _span(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * OLD_SECONDS else f"{seconds / OLD_SECONDS:.0f} days"


def _is_over(
    words: WallWords, sessions: Sessions | None, slots: Slots | None, roles: Roles | None, seen: list[Refusal]
) -> bool:
    """Whether the limit that refused has room again, as far as this snapshot shows; False where nobody can tell."""
    if words.relief == "any":
        if slots is None or sessions is None:
            return False
        try:
            return not is_saturated(slots, sessions)
        except MissingEvidence:
            return False
    if words.relief == "role" and sessions is not None and roles is not None:
        named = [roles.find(r.user) for r in seen if r.user]
        limits = [(role, sum(1 for h in sessions.held if h.backend.user == role.name)) for role in named if role]
        return bool(limits) and all(role.connection_limit < 0 or n < role.connection_limit for role, n in limits)
    return False


def _fix(
    words: WallWords,
    seen: list[Refusal],
    clock: Clock,
    sessions: Sessions | None,
    over: bool,
    server_processes: ServerProcesses | None,
) -> Fix:
    way_in = words.way_in.format(**_way(server_processes))
    steps: list[Change] = []
    first = None if over or sessions is None else _first(words, seen, sessions, clock)
    if not over:
        steps.append(Manual(f"to get in: {way_in}"))
    if first is not None:
        steps.append(first.change)
    steps.append(Manual(words.cure))
    if first is not None:
        pid, since = first.held.backend.pid, first.idle_seconds
        idle = f", idle for {since:.0f} s" if since is not None else ""
        summary = f"end pid {pid} first ({first.why}{idle}), then {words.cure}"
    else:
        summary = words.cure
    return Fix(summary, tuple(steps), words.never)


def _first(words: WallWords, seen: list[Refusal], sessions: Sessions, clock: Clock) -> Spare | None:
    """The session to end first: among those that count towards the limit that refused."""
    users, databases = {r.user for r in seen}, {r.database for r in seen}
    among: dict[str, Callable[[Held], bool]] = {
        "any": lambda held: True,
        "role": lambda held: held.backend.user in users,
        "database": lambda held: held.backend.database in databases,
    }
    chosen = among.get(words.relief)
    return next(iter(spare_sessions(sessions, clock.taken_at, chosen)), None) if chosen is not None else None


def _way(server_processes: ServerProcesses | None) -> dict[str, str]:
    """Socket directory and port of the server, or the usual ones of Debian where they are not known."""
    server: Postmaster | None = None
    if server_processes is not None and server_processes.chosen is not None:
        server = next((p for p in server_processes.postmasters if p.pid == server_processes.chosen), None)
    directory = server.socket_directories[0] if server and server.socket_directories else "/var/run/postgresql"
    return {"socket": directory, "port": str(server.port) if server and server.port else "5432"}
