"""What each page of the screen lists: columns and rows of plain values, sorted and filtered, before any of it is
drawn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from msgspec import Struct

from slotwise.commands.watch import PoolLine, Said, Session, Watched
from slotwise.findings import Severity
from slotwise.formats.terminal import duration

Value = str | int | float | None
Key = str | int


class Column(Struct, frozen=True):
    """A column: its heading, its least width, its share of what is left over, and how a value is written."""

    name: str
    width: int
    share: int = 0
    right: bool = False
    words: Callable[[Value], str] = lambda value: "-" if value is None else str(value)


class Row(Struct, frozen=True, gc=False):
    """One row: a key that stays the same from look to look, and its values. ``urgent`` draws attention to it."""

    key: Key
    values: tuple[Value, ...]
    urgent: bool = False


class Listing(Struct, frozen=True):
    """A page: what it is called, its columns, its rows, and words for when there are none."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str


def _seconds(value: Value) -> str:
    return "-" if not isinstance(value, (int, float)) else duration(float(value))


GROUPINGS: dict[str, Callable[[Session], Value]] = {
    "role": attrgetter("role"),
    "process": attrgetter("holder"),
    "database": attrgetter("database"),
    "user": attrgetter("user"),
    "application": attrgetter("application"),
    "state": attrgetter("state"),
}
"""What sessions can be grouped by. ``user`` is the PostgreSQL role, ``role`` the part of Odoo that holds them."""

UNSEEN = "not visible"
LONG_TRANSACTION_SECONDS = 300.0


def group_name(session: Session, by: str) -> str:
    """The group that a session belongs to."""
    value = GROUPINGS[by](session)
    return UNSEEN if value is None else str(value) or "(empty)"


def groups(watched: Watched, by: str) -> Listing:
    """Sessions counted by ``by``, with their states and the oldest transaction."""
    found: dict[str, list[Session]] = defaultdict(list)
    for session in watched.sessions:
        found[group_name(session, by)].append(session)
    columns = (
        Column(by, 18, 1),
        Column("slots", 6, right=True),
        Column("active", 6, right=True),
        Column("idle", 5, right=True),
        Column("in trans.", 9, right=True),
        Column("waits", 5, right=True),
        Column("oldest", 7, right=True, words=_seconds),
        Column("states", 8, 3),
    )
    return Listing(f"slots by {by}", columns, tuple(_group(n, s) for n, s in found.items()), empty_words(watched))


def _group(name: str, members: list[Session]) -> Row:
    states = Counter(s.state for s in members)
    in_transaction = sum(n for state, n in states.items() if state.startswith("idle in transaction"))
    idle = sum(n for state, n in states.items() if state.startswith("idle")) - in_transaction
    oldest = max((s.transaction_seconds for s in members if s.transaction_seconds is not None), default=None)
    waits = sum(1 for s in members if s.waits_for)
    words = ", ".join(f"{n} {state}" for state, n in states.most_common())
    values = (name, len(members), states["active"], idle, in_transaction, waits, oldest, words)
    return Row(name, values, waits > 0)


_SESSION_COLUMNS = (
    Column("pid", 7, right=True),
    Column("holder", 16, 2),
    Column("database", 9, 1),
    Column("state", 12, 1),
    Column("transact", 9, right=True, words=_seconds),
    Column("waits for", 9),
    Column("statement", 12, 6),
    Column("user", 8, 1),
)
"""On a narrow terminal columns go from the right."""


def all_sessions(watched: Watched, chosen: Iterable[Session] | None = None) -> Listing:
    """One row a session: ``chosen``, or every one."""
    rows = tuple(_session(s) for s in (watched.sessions if chosen is None else chosen))
    return Listing("sessions", _SESSION_COLUMNS, rows, empty_words(watched))


def transactions(watched: Watched) -> Listing:
    """Open transactions, with what they run or ran last and who blocks them; the oldest first unless sorted."""
    rows = tuple(_session(s) for s in watched.sessions if s.transaction_seconds is not None)
    unseen = sum(1 for s in watched.sessions if s.state in (UNSEEN, "disabled"))
    if watched.replayed is not None:
        return Listing("open transactions", _SESSION_COLUMNS, rows, "a history keeps counts, and no transactions")
    empty = f"transactions of {unseen} sessions are not visible" if unseen else "no transaction is open"
    return Listing("open transactions", _SESSION_COLUMNS, rows, empty if watched.sessions else empty_words(watched))


def _session(s: Session) -> Row:
    waits = ", ".join("prepared" if pid == 0 else str(pid) for pid in s.waits_for) or None
    values = (
        s.pid if s.pid > 0 else None,
        s.holder,
        s.database,
        s.state,
        s.transaction_seconds,
        waits,
        s.statement,
        s.user,
    )
    old = s.transaction_seconds is not None and s.transaction_seconds >= LONG_TRANSACTION_SECONDS
    return Row(s.pid, values, bool(s.waits_for) or old)


def pools(watched: Watched) -> Listing:
    """PgBouncer's pools with who waits in them."""
    columns = (
        Column("pool", 14, 2),
        Column("user", 8, 1),
        Column("mode", 11),
        Column("clients", 7, right=True),
        Column("waiting", 7, right=True),
        Column("servers", 7, right=True),
        Column("idle", 5, right=True),
        Column("maxwait", 8, right=True, words=_seconds),
        Column("pgbouncer", 10, 1),
    )
    rows = tuple(_pool(p) for p in watched.pools)
    return Listing("PgBouncer pools", columns, rows, watched.pools_gap or "no PgBouncer is in use")


def _pool(p: PoolLine) -> Row:
    values = (
        p.database,
        p.user,
        p.mode,
        p.clients,
        p.waiting,
        p.servers_active,
        p.servers_idle,
        p.maxwait_seconds,
        p.pgbouncer,
    )
    return Row(f"{p.pgbouncer} {p.database} {p.user}", values, p.waiting > 0)


def findings(watched: Watched) -> Listing:
    """What the rules say of this look."""
    columns = (
        Column("severity", 8, words=_severity),
        Column("rule", 5),
        Column("what is wrong", 20, 3),
        Column("what to do", 16, 2),
    )
    rows = tuple(
        Row(number, (s.severity, s.id, s.message, s.remedy), s.severity >= Severity.CRITICAL)
        for number, s in enumerate(watched.findings)
    )
    if watched.judged_at is None:
        empty = "nothing was judged yet"
    elif watched.unknown:
        empty = f"no finding; {len(watched.unknown)} rules could not judge: {', '.join(watched.unknown)}"
    else:
        empty = "no finding"
    return Listing("findings", columns, rows, empty)


def _severity(value: Value) -> str:
    return Severity(int(value)).word if isinstance(value, (int, float)) else "-"


def empty_words(watched: Watched) -> str:
    """Why no session is listed."""
    return f"sessions are not known: {watched.gap}" if watched.gap else "no session"


def drilled(sessions: Iterable[Session], by: str, name: str) -> list[Session]:
    """The sessions of one group."""
    return [s for s in sessions if group_name(s, by) == name]


def arranged(listing: Listing, filter_text: str, sort_column: int, descending: bool) -> Listing:
    """The listing with the rows that hold ``filter_text`` (any case, any column), sorted; what is not known comes
    last either way."""
    rows: Sequence[Row] = listing.rows
    wanted = filter_text.casefold().strip()
    if wanted:
        rows = [r for r in rows if any(wanted in str(v).casefold() for v in r.values if v is not None)]
    known = [r for r in rows if r.values[sort_column] is not None]
    gaps = [r for r in rows if r.values[sort_column] is None]
    if all(isinstance(r.values[sort_column], (int, float)) for r in known):
        # Ten thousand keys less to make at every refresh.
        known.sort(key=lambda r: r.values[sort_column] or 0, reverse=descending)
    else:
        known.sort(key=lambda r: _order(r.values[sort_column]), reverse=descending)
    empty = f"nothing matches {filter_text.strip()!r}" if wanted and listing.rows else listing.empty
    return Listing(listing.title, listing.columns, (*known, *gaps), empty)


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return 0, float(value), ""
    return 1, 0.0, str(value).casefold()


def said_words(said: Said) -> str:
    """A finding in one line."""
    return f"{Severity(said.severity).word} {said.id}: {said.message}"
