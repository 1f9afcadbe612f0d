"""The value of a parameter that a session of one role on one database gets, by PostgreSQL's precedence.

default < configuration file < command line < ALTER ROLE ALL < ALTER DATABASE < ALTER ROLE < ALTER ROLE IN DATABASE
(src/include/utils/guc.h, GucSource; src/backend/utils/init/postinit.c, process_settings; 12 to 18).
"""

from __future__ import annotations

import re

from msgspec import Struct

from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.postgres import Overrides, Setting, Settings

LOGIN_SOURCES = frozenset({"client", "user", "database", "database user"})
"""pg_settings.source of a value that only slotwise's own login gets: it says nothing about other sessions."""
SESSION_SOURCES = frozenset({"session", "interactive"})
"""slotwise set the parameter for its own session; the value kept is what its login started with (reset_val)."""

_UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0, "": 1.0}
_DURATION = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*$")


class Effective(Struct, frozen=True):
    """A duration in milliseconds and the place that decides it. ``role`` and ``database`` name an override's own."""

    milliseconds: float
    text: str
    source: str
    server_wide: bool
    role: str | None = None
    database: str | None = None


def milliseconds(text: str, unit: str | None = "ms") -> float | None:
    """A duration as PostgreSQL writes it (``5min``, ``300``): a bare number is in ``unit``. None where it is none."""
    match = _DURATION.match(text.strip().strip("'"))
    if match is None:
        return None
    number, suffix = match.groups()
    return float(number) * _UNIT_MS.get(suffix or unit or "ms", 1.0)


def server_wide(settings: Settings, name: str, overrides: Overrides | None = None) -> Setting | None:
    """The setting as every session starts with it; None where this version has none.

    Raises MissingEvidence where only the value of slotwise's own login is known: set by its client, its role or its
    database, or possibly so, because one of the ``overrides`` may reach it.
    """
    setting = settings.find(name)
    if setting is None:
        return None
    reached = any(o.name == name for o in overrides.overrides) if overrides is not None else False
    if setting.source in LOGIN_SOURCES or (setting.source in SESSION_SOURCES and reached):
        reason = f"only the value of slotwise's own login is known (source {setting.source})"
        remedy = "run slotwise as a role without settings of its own"
        raise MissingEvidence(Unavailable(f"setting {name}", reason, remedy))
    return setting


def effective_duration(
    settings: Settings, overrides: Overrides, name: str, role: str | None, database: str | None
) -> Effective | None:
    """What a session of ``role`` on ``database`` gets; None where this version has no such parameter.

    Raises MissingEvidence where the deciding value cannot be read as a duration or is not known.
    """
    ranked = [
        o for o in overrides.overrides if o.name == name and o.role in (None, role) and o.database in (None, database)
    ]
    if ranked:
        best = max(ranked, key=lambda o: 2 * (o.role is not None) + (o.database is not None))
        value = milliseconds(best.value)
        if value is None:
            raise MissingEvidence(_unreadable(name, best.value))
        return Effective(value, best.value, override_words(best.role, best.database), False, best.role, best.database)
    others = Overrides(tuple(o for o in overrides.overrides if role is None or o.role != role))
    setting = server_wide(settings, name, others)
    if setting is None:
        return None
    value = milliseconds(setting.value, setting.unit)
    if value is None:
        raise MissingEvidence(_unreadable(name, setting.value))
    return Effective(value, f"{setting.value} {setting.unit or 'ms'}", f"{setting.read_from}, {setting.source}", True)


def override_words(role: str | None, database: str | None) -> str:
    """The statement that set an override, in words."""
    if role is None:
        return f"ALTER DATABASE {database} SET" if database else "ALTER ROLE ALL SET"
    return f"ALTER ROLE {role} IN DATABASE {database} SET" if database else f"ALTER ROLE {role} SET"


def _unreadable(name: str, value: str) -> Unavailable:
    return Unavailable(f"setting {name}", f"{value!r} is no duration", "check the value")
