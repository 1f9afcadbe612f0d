"""Joins the sampler and the store: every round is kept, judged once a minute, and handed on; trouble is said once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from slotwise.capacity.slots import SATURATED_RATIO
from slotwise.findings import Verdict
from slotwise.history.configuration import changed, configuration_of
from slotwise.history.sample import round_of
from slotwise.history.sampler import Sampler
from slotwise.history.store import HistoryUnavailable, Store
from slotwise.rules.engine import catalogue, judge
from slotwise.rules.postgres.slots_high import HIGH_RATIO
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.round import Configured, Round

JUDGE_SECONDS = 60.0
"""How often the rules are asked at least: findings are for people, and judging costs more than counting."""


class Observation(Struct, frozen=True):
    """One round with what it was made of. ``verdicts`` are the newest ones, at most JUDGE_SECONDS old: of the look at
    ``judged_at`` (epoch seconds), which counted ``judged_used`` slots."""

    snapshot: Snapshot
    round: Round
    verdicts: tuple[Verdict, ...]
    judged_at: float | None = None
    judged_used: int | None = None


class Recorder:
    """Looks, judges and keeps, until its sampler is stopped."""

    def __init__(
        self,
        sampler: Sampler,
        store: Store,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler
        self._store = store
        self._say = say
        self._clock = clock
        self._trouble: str | None = None
        self._gap: str | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self._judged_at: float | None = None
        self._judged_round: Round | None = None
        self._band: int | None = None
        self._configured: dict[str, str] | None = None

    def observations(self) -> Iterator[Observation]:
        """Every round, after it was kept."""
        for snapshot in self._sampler:
            round_ = round_of(snapshot)
            if self._judge(snapshot, _band(round_)):
                self._judged_round = round_ = round_of(snapshot, self._verdicts)
            self._keep(round_)
            self._keep_configuration(snapshot)
            self._tell_gap(round_)
            judged = self._judged_round
            yield Observation(
                snapshot, round_, self._verdicts, judged.at if judged else None, judged.used if judged else None
            )

    def _judge(self, snapshot: Snapshot, band: int | None) -> bool:
        """Judge once a minute, and at once where what is taken has crossed a line: the count and the findings are shown
        beside each other and must not disagree."""
        now = self._clock()
        if self._judged_at is not None and now - self._judged_at < JUDGE_SECONDS and band == self._band:
            return False
        self._verdicts = judge(snapshot, catalogue())
        self._judged_at, self._band = now, band
        return True

    def _keep(self, round_: Round) -> None:
        try:
            self._store.append(round_)
        except HistoryUnavailable as trouble:
            if self._trouble is None:
                self._say(f"{trouble}; rounds are lost until that is mended")
            self._trouble = str(trouble)
            return
        if self._trouble is not None:
            self._say(f"the history {self._store.path} takes rounds again")
        self._trouble = None

    def _keep_configuration(self, snapshot: Snapshot) -> None:
        """Keep what is configured where it is not what the history holds already. A failure is said by ``_keep``."""
        now = configuration_of(snapshot)
        try:
            if self._configured is None:
                held = self._store.configurations(math.inf)
                self._configured = held[-1].values if held else {}
            if changed(self._configured, now) or not now.keys() <= self._configured.keys():
                known = {**self._configured, **now}
                self._store.configure(Configured(snapshot.taken_at, known))
                self._configured = known
        except HistoryUnavailable:
            return

    def _tell_gap(self, round_: Round) -> None:
        if round_.gap and not self._gap:
            self._say(f"nothing to count: {round_.gap}")
        elif self._gap and not round_.gap:
            self._say("counting again")
        self._gap = round_.gap


def _band(round_: Round) -> int | None:
    """How many of the lines at 80 % and 95 % of the usable slots are crossed; None where that is not known."""
    ratio = round_.utilization_ratio
    return None if ratio is None else (ratio >= HIGH_RATIO) + (ratio >= SATURATED_RATIO)
