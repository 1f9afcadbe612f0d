"""``slotwise logs`` for the terminal: incidents first, then what only looks like one, then what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slotwise.walls.answers import ANSWERS
from slotwise.walls.events import LogEvent
from slotwise.walls.incidents import Incident
from slotwise.walls.kinds import Wall
from slotwise.walls.story import Story
from slotwise.walls.timestamps import iso

WALL_WORDS: dict[Wall, str] = {
    Wall.PG_MAX_CONNECTIONS: "PostgreSQL: every slot taken (max_connections)",
    Wall.PG_PROCESS_TABLE: "PostgreSQL: table of processes full",
    Wall.PG_RESERVED: "PostgreSQL: only reserved slots left",
    Wall.PG_ROLE_LIMIT: "PostgreSQL: CONNECTION LIMIT of a role",
    Wall.PG_DB_LIMIT: "PostgreSQL: CONNECTION LIMIT of a database",
    Wall.ODOO_POOL: "Odoo: own pool of a process full (db_maxconn)",
    Wall.PGB_MAX_CLIENT_CONN: "PgBouncer: max_client_conn",
    Wall.PGB_QUERY_WAIT: "PgBouncer: no server connection in time (query_wait_timeout)",
    Wall.PGB_SERVER_LOGIN: "PgBouncer: cannot log in to the server",
    Wall.FD_LIMIT: "host: no file descriptors left",
    Wall.MEMORY: "host: no memory or process left",
    Wall.NETWORK: "connection lost or never made",
    Wall.OTHER: "no limit on connections",
}
_BEFORE = 6
_LOOKALIKES = 8


def logs_text(story: Story, rule_ids: Mapping[str, str]) -> str:
    """The story for a reader; ends with a line end. ``rule_ids``: slug of a rule to its id, for rules that exist."""
    lines: list[str] = []
    for number, incident in enumerate(story.incidents, 1):
        lines += _incident(number, incident, rule_ids)
    lines += _without_time(story)
    lines += _lookalikes(story)
    lines += _clocks(story)
    lines += _unread(story)
    lines.append(_closing(story))
    return "\n".join(lines) + "\n"


def event_line(event: LogEvent) -> str:
    """One event on one line, for a log that is followed."""
    who = f"{event.user or '?'}@{event.database or '?'}"
    name = WALL_WORDS[event.wall] if event.wall.refuses else event.kind.replace("_", " ")
    return f"{_clock(event.seconds)} {name}: {who} {event.text[:160]} ({Path(event.file).name}:{event.line})"


def _incident(number: int, incident: Incident, rule_ids: Mapping[str, str]) -> list[str]:
    cause = incident.reasoned.cause
    victim = incident.first_victim
    seconds = incident.end_seconds - incident.start_seconds
    who = " ".join(
        part
        for part in (
            f"{victim.user or '?'}@{victim.database or '?'}",
            victim.process or "",
            f"pid {victim.pid}" if victim.pid else "",
            f"({victim.layer} log)",
        )
        if part
    )
    lines = [
        f"{number}. {WALL_WORDS[incident.wall]}",
        f"   from    {_clock(incident.start_seconds)} to {_clock(incident.end_seconds)} ({_span(seconds)}), "
        f"peak {_clock(incident.peak_seconds)[11:]}",
        f"   refused {incident.refused} connections{_ranking(incident)}",
        f"   first   {_clock(victim.seconds)} {who}",
        f"           {victim.text[:160]}",
        f"   cause   {cause.title} ({incident.reasoned.confidence})",
        *(f"           - {reason}" for reason in incident.reasoned.because),
        f"   remedy  {cause.remedy}",
    ]
    if cause.avoid:
        lines.append(f"   avoid   {cause.avoid}")
    if cause.rule and cause.rule in rule_ids:
        lines.append(f"   rule    {cause.rule} (slotwise explain {rule_ids[cause.rule]})")
    lines += [f"   seen    {saw}" for saw in incident.users_saw]
    # The same job started forty times is one line: the last time of each text.
    latest = {event.text: event for event in incident.before}
    for event in list(latest.values())[-_BEFORE:]:
        lines.append(f"   before  {_clock(event.seconds)[11:]} {event.layer}: {event.text[:110]}")
    others = {name: count for name, count in incident.walls.items() if name != incident.wall.value}
    if others:
        lines.append("   also    " + ", ".join(f"{name} {count}" for name, count in sorted(others.items())))
    return [*lines, ""]


def _ranking(incident: Incident) -> str:
    parts = [f"{name} {count}" for name, count in list(incident.by_database.items())[:4]]
    return f": {', '.join(parts)}" if parts else ""


def _without_time(story: Story) -> list[str]:
    """Refusals in records that carry no time: they cannot be put into an incident, and are no less true."""
    if not story.tally.untimed:
        return []
    counts: dict[Wall, int] = {}
    for event in story.tally.events:
        if event.seconds is None and event.wall.refuses:
            counts[event.wall] = counts.get(event.wall, 0) + 1
    return [
        *(f"{WALL_WORDS[wall]}: {count} in lines without a time" for wall, count in counts.items()),
        *([""] if counts else []),
    ]


def _lookalikes(story: Story) -> list[str]:
    kinds = [(count, kind) for kind, count in story.tally.kinds.items() if kind in ANSWERS]
    if not kinds:
        return []
    lines = ["Not a limit on connections:"]
    for count, kind in sorted(kinds, reverse=True)[:_LOOKALIKES]:
        answer = ANSWERS[kind]
        lines.append(f"  {count:>7} {kind.replace('_', ' ')}: {answer.what}")
        lines.append(f"          do: {answer.do}")
    if len(kinds) > _LOOKALIKES:
        lines.append(f"          and {len(kinds) - _LOOKALIKES} more kinds (--format json lists them)")
    return [*lines, ""]


def _clocks(story: Story) -> list[str]:
    lines = []
    for clock in story.clocks:
        if clock.seconds is None:
            lines.append(f"Clocks: {clock.layer} beside {clock.against}: not known, too few common refusals")
        elif abs(clock.seconds) >= 1:
            lines.append(
                f"Clocks: {clock.layer} is {clock.seconds:+.1f} s beside {clock.against} "
                f"({clock.pairs} common refusals); the times above are {clock.against}'s"
            )
    return [*lines, ""] if lines else []


def _unread(story: Story) -> list[str]:
    unread = story.tally.unread
    if not unread.reasons:
        return []
    lines = [f"Not read: {unread.records} records, {unread.bytes} bytes"]
    lines += [f"  {count:>7} {reason}" for reason, count in sorted(unread.reasons.items(), key=lambda item: -item[1])]
    return [*lines, ""]


def _closing(story: Story) -> str:
    tally = story.tally
    read = f"{tally.lines:,} lines, {tally.bytes / 1e6:,.1f} MB read"
    if story.nothing_read:
        return "Nothing was read: this says nothing about the connections."
    if story.refused:
        walls = {name: count for name, count in tally.walls.items() if Wall(name).refuses}
        return (
            f"{len(story.incidents)} incident(s), {sum(walls.values()):,} lines about a limit on connections; {read}."
        )
    return f"No limit on connections was met; {read}."


def _clock(seconds: float | None) -> str:
    text = iso(seconds)
    return text.replace("T", " ")[:-5] if text else "?" * 19


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
