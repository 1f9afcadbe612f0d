"""From one deployment to another: what changes term by term, and what the change itself takes while it goes on."""

from __future__ import annotations

import msgspec

from slotwise.capacity.demand import Demand, demand
from slotwise.capacity.deployment import Deployment
from slotwise.capacity.figures import Figures
from slotwise.capacity.headroom import BADNESS, Fit
from slotwise.capacity.planner import Terms, weigh
from slotwise.capacity.version_changes import VersionChange, changes_between

UPGRADE_SESSIONS = 2
"""Connections of ``-u`` while modules load: one long load_modules cursor, two when modules are uninstalled
(odoo/modules/loading.py 17.0:557-568, 18.0:571-578, 19.0:543-547)."""

SHELL_SESSIONS = 1


class TermChange(msgspec.Struct, frozen=True):
    """One role's connections before and after."""

    role: str
    before: Figures
    after: Figures


class Moment(msgspec.Struct, frozen=True):
    """One moment of the change: what is open then at typical and at peak demand, whether it fits, where it is from."""

    name: str
    typical: int
    peak: int
    verdict: Fit
    source: str


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """The change on one server. ``verdict`` is the worst of the new deployment's and of the chosen way to get there."""

    server: str
    before: Demand
    after: Demand
    changes: tuple[TermChange, ...]
    versions: tuple[VersionChange, ...]
    moments: tuple[Moment, ...]
    limit: int | None
    verdict: Fit


def transition(old: Deployment, new: Deployment, name: str, terms: Terms, rolling: bool) -> Transition:
    """The way from ``old`` to ``new`` on the server ``name``, weighed against the new server's slots.

    ``rolling``: old and new hosts run together for a while (rolling update of pods), which then counts for the verdict.
    Raises KeyError when either deployment lacks the server.
    """
    before, after = demand(old, name), demand(new, name)
    weighed = weigh(new, name, terms)
    moments = _moments(old, new, name, before, after, weighed.limit)
    counted = [moments[0], *(one for one in moments[1:] if rolling or one.name != ROLLING)]
    worst = max([weighed.fit, *(one.verdict for one in counted)], key=BADNESS.__getitem__)
    roles = dict.fromkeys([*before.by_role, *after.by_role])
    return Transition(
        server=name,
        before=before,
        after=after,
        changes=tuple(
            TermChange(role, before.by_role.get(role, Figures()), after.by_role.get(role, Figures())) for role in roles
        ),
        versions=_versions(old, new),
        moments=moments,
        limit=weighed.limit,
        verdict=worst,
    )


ROLLING = "old and new together"


def _versions(old: Deployment, new: Deployment) -> tuple[VersionChange, ...]:
    if not old.hosts or not new.hosts:
        return ()
    return changes_between(min(host.odoo_version for host in old.hosts), max(host.odoo_version for host in new.hosts))


def _moments(
    old: Deployment, new: Deployment, name: str, before: Demand, after: Demand, limit: int | None
) -> tuple[Moment, ...]:
    others = sum(after.by_role[role].typical for role in ("other", "superuser") if role in after.by_role)
    upgrade = others + UPGRADE_SESSIONS + SHELL_SESSIONS
    found = [
        _moment(
            "-u on the stopped installation", upgrade, upgrade, limit, "odoo/modules/loading.py, odoo/cli/shell.py"
        ),
        _moment(
            ROLLING,
            before.typical + after.typical - others + UPGRADE_SESSIONS,
            before.peak + after.peak - others + UPGRADE_SESSIONS,
            limit,
            "a rolling update keeps the old hosts until the new ones answer",
        ),
    ]
    reloading = [host for host in new.hosts if host.odoo_version >= 19 and host.workers and host.server == name]
    if reloading:
        found.append(
            _moment(
                "SIGHUP reload of Odoo 19",
                after.typical + _started_by(after),
                2 * after.peak - others,
                limit,
                "fork_and_reload: odoo/service/server.py 19.0:1057-1137",
            )
        )
    return tuple(found)


def _started_by(after: Demand) -> int:
    """What the new processes hold at once beside the old ones: their LISTEN sessions, before any request."""
    return after.started


def _moment(name: str, typical: int, peak: int, limit: int | None, source: str) -> Moment:
    if limit is None:
        fit = Fit.UNKNOWN
    elif typical > limit:
        fit = Fit.DOES_NOT_FIT
    else:
        fit = Fit.TIGHT if peak > limit else Fit.FITS
    return Moment(name, typical, peak, fit, source)
