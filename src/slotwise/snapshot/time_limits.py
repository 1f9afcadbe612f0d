"""How long a request or a scheduled action of Odoo may take before its own watchdog ends it."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.odoo import Odoo, OdooInstance

DEFAULT_LIMIT_TIME_REAL = 120
"""odoo/tools/config.py 17.0, 18.0, 19.0: limit_time_real defaults to 120 s, limit_time_real_cron to -1 (the same)."""


class TimeLimits(Struct, frozen=True):
    """Seconds; None means without limit. ``source`` says where the values were read."""

    request_seconds: float | None
    job_seconds: float | None
    source: str

    @property
    def longest_seconds(self) -> float | None:
        """The longer of both; None where one of them is without limit."""
        if self.request_seconds is None or self.job_seconds is None:
            return None
        return max(self.request_seconds, self.job_seconds)


def time_limits(odoo: Odoo | None, instance: str | None = None) -> TimeLimits:
    """The limits of ``instance``; without one, the most patient of all instances; without any, Odoo's defaults.

    limit_time_real_cron -1 means limit_time_real, 0 means no limit (odoo/service/server.py, PreforkServer.__init__,
    17.0 to 19.0: ``cron_timeout = config['limit_time_real_cron'] or None``).
    """
    instances = odoo.instances if odoo is not None else ()
    chosen = [i for i in instances if i.id == instance] or list(instances)
    if not chosen:
        default = float(DEFAULT_LIMIT_TIME_REAL)
        return TimeLimits(default, default, "default of Odoo 17.0 to 19.0 (no configuration was read)")
    limits = [_of(i) for i in chosen]
    return TimeLimits(
        _most_patient([one.request_seconds for one in limits]),
        _most_patient([one.job_seconds for one in limits]),
        ", ".join(dict.fromkeys(one.source for one in limits)),
    )


def _of(instance: OdooInstance) -> TimeLimits:
    option = instance.option("limit_time_real")
    real = _number(option.value if option else None, DEFAULT_LIMIT_TIME_REAL)
    request = real if real > 0 else None
    cron = _number(instance.value("limit_time_real_cron"), -1)
    job = request if cron < 0 else (cron if cron > 0 else None)
    source = f"limit_time_real, {option.source}" if option else "limit_time_real, default"
    return TimeLimits(request, job, source)


def _number(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return default
    try:
        return float(value)
    except ValueError:
        return default


def _most_patient(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known) if len(known) == len(values) else None
