"""Times as logs write them, to seconds since 1970 UTC. Pure: the reference time is an argument."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

ZONE_HOURS: dict[str, float] = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "WAT": 1,
    "CAT": 2, "SAST": 2, "EET": 2, "EEST": 3, "IDT": 3, "EAT": 3, "MSK": 3, "TRT": 3, "GST": 4, "PKT": 5, "IST": 5.5,
    "WIB": 7, "ICT": 7, "AWST": 8, "HKT": 8, "SGT": 8, "PHT": 8, "JST": 9, "KST": 9, "ACST": 9.5, "ACDT": 10.5,
    "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "BRT": -3, "BRST": -2, "ART": -3, "NDT": -2.5, "NST": -3.5,
    "ADT": -3, "AST": -4, "CLT": -4, "EDT": -4, "EST": -5, "COT": -5, "PET": -5, "CDT": -5, "CST": -6, "MDT": -6,
    "MST": -7, "PDT": -7, "PST": -8, "AKDT": -8, "AKST": -9, "HST": -10,
}  # fmt: skip
"""Zone abbreviations that PostgreSQL and PgBouncer print (%m, %t). Several are used by more than one country; a wrong
guess shows as a clock offset of whole hours between two logs, which is estimated and said."""

MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[ T](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    r"(?: ?(?P<zone>Z|[+-]\d\d(?::?\d\d)?|[A-Z]{3,5})\b(?![-\w/]))?"
)
"""A date and a time, the fraction and the zone where written."""
EPOCH = re.compile(r"(?<![\d.])(?P<whole>1\d{9})\.(?P<part>\d{3,6})(?!\d)")
"""Seconds since 1970 as PostgreSQL's %n prints them."""
SYSLOG = re.compile(r"(?P<month>[A-Z][a-z]{2}) (?P<day>[ \d]\d) (?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,6}))?")
"""The traditional syslog time: neither year nor zone."""
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: at for at, name in enumerate(_NAMES, 1)}


def seconds_of(match: re.Match[str]) -> float | None:
    """Seconds since 1970 UTC of a MOMENT match; a missing or unknown zone counts as UTC. None for an impossible date.

    Odoo sets ``TZ=UTC`` for its process (odoo/__init__.py 17-19), so its zoneless times are UTC.
    """
    base = _minute(match["date"], match["clock"][:5])
    if base is None:
        return None
    second = int(match["clock"][6:8])
    return base + second + _fraction(match["part"]) - 3600 * (zone_hours(match["zone"]) or 0.0)


def zone_hours(zone: str | None) -> float | None:
    """Hours east of Greenwich of ``CEST``, ``+03``, ``-0430``, ``Z``; None when there is none or it is not known."""
    if not zone:
        return None
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        hours = int(digits[:2]) + (int(digits[2:4]) / 60 if len(digits) >= 4 else 0)
        return -hours if zone[0] == "-" else hours
    return ZONE_HOURS.get(zone)


def epoch_of(match: re.Match[str]) -> float:
    """Seconds of an EPOCH match."""
    return int(match["whole"]) + _fraction(match["part"])


def syslog_seconds(match: re.Match[str], reference: float) -> float | None:
    """Seconds of a SYSLOG match, in the year that puts it nearest before ``reference`` (the file's time, say)."""
    year = (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=reference)).year
    month = _MONTHS.get(match["month"])
    if month is None:
        return None
    for candidate in (year, year - 1):
        base = _minute(f"{candidate:04d}-{month:02d}-{int(match['day']):02d}", match["clock"][:5])
        if base is not None and base <= reference + 86_400:
            return base + int(match["clock"][6:8]) + _fraction(match["part"])
    return None


def iso(seconds: float | None) -> str | None:
    """``2026-11-23T17:08:02.944Z``; None for None, and for a time that no calendar holds."""
    if seconds is None:
        return None
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        return None  # a torn record can claim any time
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _fraction(digits: str | None) -> float:
    return int(digits) / 10.0 ** len(digits) if digits else 0.0


@lru_cache(maxsize=4096)
def _minute(date: str, clock: str) -> float | None:
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}:00+00:00")
    except ValueError:
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()
