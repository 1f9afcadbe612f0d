"""What watch knows from elsewhere and what it does elsewhere: a recorded past, and a session that is ended."""

from __future__ import annotations

from pathlib import Path

from slotwise.errors import OperatorError
from slotwise.forecast.lives import REMEMBERED_SECONDS
from slotwise.history.reading import Reader
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity
from slotwise.snapshot.round import Round

MOST_ROUNDS = 3_000
_PAST_SECONDS = 9 * 86400.0
_SAME_START_SECONDS = 2.0


def remembered(path: Path | None, at: float, started_at: float) -> list[Round]:
    """The rounds of the history at ``path`` until ``at``, if they are of the server that was started at ``started_at``
    (epoch seconds): the newest round that names a start must name this one. None where there is no such history."""
    if path is None:
        return []
    try:
        reader = Reader(path)
    except OperatorError:
        # Nobody asked for it: watch begins without a past then.
        return []
    try:
        sums = reader.rounds(at - REMEMBERED_SECONDS, at, 300)
        since = sums[-1].at + sums[-1].seconds if sums else at - REMEMBERED_SECONDS
        day = [*sums, *reader.rounds(since, at)[-MOST_ROUNDS:]]
        starts = [r.server_started_at for r in day if r.server_started_at is not None]
        if not starts or abs(starts[-1] - started_at) > _SAME_START_SECONDS:
            return []
        return [*reader.best(at - _PAST_SECONDS, at - REMEMBERED_SECONDS, MOST_ROUNDS), *day]
    except OperatorError:
        return []
    finally:
        reader.close()


def end_session_of(snapshot: Snapshot, pid: int, started: float, dsn: str, *, only_cancel: bool) -> str:
    """End the session ``pid`` that began at ``started`` (or cancel its statement), behind reap's guards and with its
    audit log. What became of it, in words.

    ``snapshot`` is of now. Raises OperatorError where it is protected, has ended, or could not be ended.
    """
    import psycopg

    from slotwise.apply.reaper import DONE
    from slotwise.collectors.pg_failures import failure_of
    from slotwise.commands.reap import Acting, end_chosen
    from slotwise.fixes.reaping import Protection

    again = f"look at session {pid} again"
    activity = snapshot.activity
    if not isinstance(activity, Activity):
        raise OperatorError(f"sessions are not visible: {activity.reason}", activity.remedy)
    row = next((b for b in activity.backends if b.pid == pid), None)
    # The server's clock is moved to this host's by a hair's breadth less or more in every look.
    if row is None or row.backend_start is None or abs(row.backend_start - started) > 1:
        raise OperatorError(f"{pid} has ended; another session may have its pid now", again)
    try:
        act = end_chosen(snapshot, pid, row.backend_start, "chosen in watch", Acting(dsn), only_cancel=only_cancel)
    except psycopg.Error as error:
        failure = failure_of(str(error))
        raise OperatorError(f"no connection to end it by: {failure.text}", failure.remedy) from error
    if isinstance(act, Protection):
        raise OperatorError(f"{pid} is not ended: {act.reason}", "see `slotwise reap --help` for what is never ended")
    words = f"{pid}: {act.outcome}" + (f" ({act.words})" if act.words else "")
    if act.outcome not in DONE:
        raise OperatorError(words, again)
    return words
