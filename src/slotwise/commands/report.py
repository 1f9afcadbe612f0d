"""report: what happened to the connection slots in a period, from the history that ``record`` and ``serve`` keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.forecast.saturation import Forecast, forecast
from slotwise.history.reading import Reader
from slotwise.history.sample import series_of
from slotwise.review.account import Account
from slotwise.review.assemble import Material, account_of
from slotwise.snapshot.round import Round
from slotwise.walls.incidents import Incident

if TYPE_CHECKING:
    from slotwise.formats.report_words import Wording

FORMATS = ("html", "markdown", "json", "text")
USUAL_SECONDS = 86400.0
PAST_SECONDS = 9 * 86400.0
"""What the forecast and the comparison of changes look back: a week to compare with, and a little more."""
MOST_ROUNDS = 3_000
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class ReportRequest(Struct, frozen=True, kw_only=True):
    """What the operator asked for. ``since``, ``until`` and ``changes`` are texts as they were given; ``now`` is epoch
    seconds."""

    history: Path
    since: str | None = None
    until: str | None = None
    changes: Sequence[str] = ()
    logs: Sequence[str] = ()
    zone: str = "UTC"
    now: float


def report(request: ReportRequest) -> Account:
    """The account of the period. Raises OperatorError for a history that cannot be read, a time that is none, a period
    with nothing in it."""
    zone = zone_of(request.zone)
    reader = Reader(request.history)
    try:
        newest = reader.newest()
        if newest is None:
            raise OperatorError(f"the history {request.history} is empty", "let `slotwise record` run for a while")
        until = _moment(request.until, "--to", zone, newest.at) if request.until else newest.at + 1.0
        since = _moment(request.since, "--from", zone, until) if request.since else until - USUAL_SECONDS
        if since >= until:
            raise OperatorError("the period ends before it begins", "give --from before --to")
        rounds = reader.best(since, until, MOST_ROUNDS)
        if not any(r.at + r.seconds > since for r in rounds):
            raise OperatorError(
                f"{request.history} has nothing from this period",
                f"give --from and --to; its newest round: {datetime.fromtimestamp(newest.at, zone):%Y-%m-%d %H:%M}",
            )
        if request.since is None and rounds[0].at > since:
            since = rounds[0].at
        past = reader.best(until - PAST_SECONDS, since, MOST_ROUNDS) if since > until - PAST_SECONDS else []
        changes = tuple(_moment(text, "--change-at", zone, until) for text in request.changes)
        for at, text in zip(changes, request.changes, strict=True):
            if not since < at < until:
                raise OperatorError(f"--change-at {text} is not within the period", "choose --from and --to around it")
        material = Material(
            since=since,
            until=until,
            made_at=request.now,
            history=str(request.history),
            rounds=rounds,
            past=past,
            peak=_sharpest_peak(reader, rounds),
            configured=reader.configurations(until),
            changes_at=changes,
            forecast=_forecast(rounds, past),
            log_files=tuple(request.logs),
            logs=_incidents(request.logs),
        )
    finally:
        reader.close()
    return account_of(material)


def render(account: Account, form: str, zone: str, title: str) -> str:
    """The account in one of FORMATS. Raises OperatorError for another."""
    from slotwise.formats.report_words import Wording
    from slotwise.rules.engine import catalogue

    rules = catalogue()
    if form == "json":
        from slotwise.formats.report_json import report_json

        return report_json(account, {rule.slug: rule.id for rule in rules})
    wording = Wording(zone_of(zone), {rule.id: rule.title for rule in rules})
    if form == "html":
        from slotwise import __version__
        from slotwise.formats.report_html import report_html

        return report_html(account, wording, title, __version__)
    from slotwise.formats.report_plain import report_markdown, report_text

    plain: dict[str, Callable[[Account, Wording, str], str]] = {"markdown": report_markdown, "text": report_text}
    if form not in plain:
        raise OperatorError(f"no such format: {form}", f"choose one of {', '.join(FORMATS)}")
    return plain[form](account, wording, title)


def zone_of(name: str) -> tzinfo:
    """The time zone. Raises OperatorError for a name that is none."""
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OperatorError(f"no time zone is called {name}", "give a name such as Europe/Brussels") from error


def _moment(text: str, option: str, zone: tzinfo, end: float) -> float:
    """A time as operators write it: ISO with or without zone, or ``24h``, ``7d``, which count back from the end."""
    for unit, seconds in sorted(_UNITS.items(), key=lambda item: -len(item[0])):
        number = text.removesuffix(unit).strip().lstrip("-")
        if text.endswith(unit) and number.replace(".", "", 1).isdigit():
            return end - float(number) * seconds
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        remedy = f"write {option} '2026-11-23 08:00', with +01:00 for another zone, or 24h to count back from the end"
        raise OperatorError(f"{option} {text!r} is no time", remedy) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _sharpest_peak(reader: Reader, rounds: Sequence[Round]) -> Round | None:
    """The round of the peak; where a sum holds it, the look itself where that is still kept."""
    known = [r for r in rounds if r.used is not None]
    peak = max(known, key=lambda r: r.used or 0, default=None)
    if peak is None or not peak.seconds:
        return peak
    looks = [r for r in reader.rounds(peak.at, peak.at + peak.seconds) if r.used is not None]
    sharp = max(looks, key=lambda r: r.used or 0, default=None)
    return sharp if sharp is not None and sharp.used == peak.used else peak


def _forecast(rounds: Sequence[Round], past: Sequence[Round]) -> Forecast | None:
    usable = next((r.usable for r in reversed(rounds) if r.usable is not None), None)
    return forecast(series_of([*past, *rounds]), usable) if usable is not None else None


def _incidents(logs: Sequence[str]) -> tuple[Incident, ...]:
    if not logs:
        return ()
    from slotwise.commands.logs import story_of

    return story_of(logs).incidents
