"""Puts the account of a period together from its rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from slotwise.forecast.saturation import Forecast
from slotwise.review.account import Account, Point
from slotwise.review.changes import compared, configuration_changes
from slotwise.review.events import events
from slotwise.review.holdings import grown, parts, parts_of, peak_of, worst_pools
from slotwise.review.stretches import Stretch, figures, gaps, stretches
from slotwise.review.told import asked, findings_told
from slotwise.snapshot.round import Configured, Round
from slotwise.walls.incidents import Incident

MOST_POINTS = 480


class Material(Struct, frozen=True, kw_only=True):
    """What a report is made of. ``rounds`` are those of the period, by time; ``past`` those before it, which only the
    comparison of changes may use; ``peak`` is the round of the peak in the finest resolution that is left."""

    since: float
    until: float
    made_at: float
    history: str
    rounds: Sequence[Round]
    past: Sequence[Round] = ()
    peak: Round | None = None
    configured: Sequence[Configured] = ()
    changes_at: Sequence[float] = ()
    forecast: Forecast | None = None
    logs: Sequence[Incident] = ()
    log_files: Sequence[str] = ()


def account_of(material: Material) -> Account:
    """The account of ``material``."""
    since, until = material.since, material.until
    known = stretches(material.rounds, since, until)
    counted = [s for s in known if s.round.used is not None]
    peak = material.peak or max((s.round for s in counted), key=lambda r: r.used or 0, default=None)
    earlier = stretches(material.past, material.past[0].at, since) if material.past else []
    found = configuration_changes(material.configured, since, until)
    moments = sorted([(at, (), True) for at in material.changes_at] + [(at, what, False) for at, what in found])
    return Account(
        since=since,
        until=until,
        made_at=material.made_at,
        history=material.history,
        first_look=material.rounds[0].at if material.rounds else None,
        last_look=material.rounds[-1].at + material.rounds[-1].seconds if material.rounds else None,
        figures=figures(known, since, until),
        points=_points(known, since, until),
        peak=peak_of(peak) if peak is not None else None,
        gaps=tuple(gaps(known, since, until)),
        events=events(known, until),
        findings=findings_told(known),
        judged=bool(asked(known)),
        parts=parts(counted, peak),
        grown=grown(counted),
        pools=worst_pools(known),
        changes=tuple(
            compared(
                [*earlier, *known],
                since,
                until,
                at,
                what,
                given=given,
                neighbours=[other for other, *_ in moments if other != at],
            )
            for at, what, given in moments
        ),
        forecast=material.forecast,
        logs=tuple(i for i in material.logs if i.end_seconds >= since and i.start_seconds <= until),
        log_files=tuple(material.log_files),
    )


def _points(known: Sequence[Stretch], since: float, until: float) -> tuple[Point, ...]:
    """At most about MOST_POINTS moments: of each the peak; a gap in between stays one."""
    width = (until - since) / MOST_POINTS
    found: list[Point] = []
    best: Stretch | None = None
    end = since

    def close() -> None:
        if best is not None:
            round_ = best.round
            found.append(Point(best.since, round_.used, round_.usable, dict(parts_of(round_))))

    for stretch in known:
        torn = stretch.since - end >= 1.0
        blind = stretch.round.used is None
        same = best is not None and int((best.since - since) // width) == int((stretch.since - since) // width)
        if best is not None and same and not torn and blind == (best.round.used is None):
            if (stretch.round.used or 0) > (best.round.used or 0):
                best = stretch
        else:
            close()
            if torn:
                found.append(Point(end, None, None, {}))
            best = stretch
        end = max(end, stretch.until)
    close()
    if known:
        last = found[-1]
        found.append(Point(end, last.used, last.usable, last.parts))
        if until - end >= 1.0:
            found.append(Point(end, None, None, {}))
    return tuple(found)
