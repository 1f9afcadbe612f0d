"""What every request reads: the newest observation and the forecast. One thread looks; any number of requests read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msgspec import Struct

from slotwise.forecast.leaks import SHORTEST_SECONDS
from slotwise.forecast.lives import REMEMBERED_SECONDS, Leaking, Lives, lives_of, starts_of
from slotwise.forecast.saturation import Forecast, forecast
from slotwise.history.recorder import Observation, Recorder
from slotwise.history.sample import series_of
from slotwise.history.store import HistoryUnavailable, Store
from slotwise.snapshot.round import Round

FORECAST_SECONDS = 60.0
FORECAST_REACH_SECONDS = 15 * 86400.0
"""The forecast compares with the two weeks before."""
STALE_ROUNDS = 3


class Seen(Struct, frozen=True):
    """An observation with its forecast, the processes that leak, and the monotonic moment at which it was complete.

    ``leaking`` is None where too little was watched to tell.
    """

    observation: Observation
    forecast: Forecast | None
    monotonic: float
    leaking: tuple[Leaking, ...] | None = None


class Board:
    """Holds the newest observation. An old one is not shown: after three intervals without a new one there is none."""

    def __init__(self, store: Store, interval_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.interval_seconds = interval_seconds
        self._clock = clock
        self._seen: Seen | None = None
        self._forecast: Forecast | None = None
        self._forecast_at: float | None = None
        self._lives: Lives | None = None
        self._leaking: tuple[Leaking, ...] | None = None
        self.failed: BaseException | None = None
        self.first = threading.Event()

    def fill(self, recorder: Recorder) -> None:
        """Take every observation of ``recorder`` until it ends: the body of the thread that looks."""
        try:
            for observation in recorder.observations():
                self.show(observation)
        except BaseException as error:
            self.failed = error
            raise
        finally:
            self.first.set()

    def show(self, observation: Observation) -> None:
        """Make this the newest observation."""
        now = self._clock()
        if self._lives is None:
            self._lives = self._lives_before(observation.round.at)
        self._lives.add(observation.round, starts_of(observation.snapshot))
        if self._forecast_at is None or now - self._forecast_at >= FORECAST_SECONDS:
            self._forecast, self._forecast_at = self._forecast_of(observation.round), now
            self._leaking = self._lives.leaking() if self._lives.known_seconds >= SHORTEST_SECONDS else None
        self._seen = Seen(observation, self._forecast, now, self._leaking)
        self.first.set()

    @property
    def seen(self) -> Seen | None:
        """The newest observation, None where it is stale or there was none yet."""
        seen = self._seen
        limit = STALE_ROUNDS * self.interval_seconds + 1.0
        return seen if seen is not None and self._clock() - seen.monotonic <= limit else None

    @property
    def age_seconds(self) -> float | None:
        """How old the newest observation is, also where it is too old to be shown."""
        return None if self._seen is None else self._clock() - self._seen.monotonic

    def _lives_before(self, at: float) -> Lives:
        """What the history shows of the processes until now: a leak is not forgotten when slotwise is restarted."""
        try:
            sums = self.store.rounds(at - REMEMBERED_SECONDS, at, 300)
            since = sums[-1].at + sums[-1].seconds if sums else at - REMEMBERED_SECONDS
            return lives_of([*sums, *self.store.rounds(since, at)])
        except HistoryUnavailable:
            return Lives()

    def _forecast_of(self, round_: Round) -> Forecast | None:
        if round_.usable is None:
            return None
        try:
            rounds = self.store.best(round_.at - FORECAST_REACH_SECONDS, round_.at + 1, most=4_500)
        except HistoryUnavailable:
            return None
        return forecast(series_of(rounds), round_.usable)
