"""Does the steps of a change one by one, each journalled before it is done, and undoes them in reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, structs

from slotwise import __version__
from slotwise.apply.files import Notify, read_file, remove_file, replace_file
from slotwise.apply.journal import SCHEMA, Change, Entry, Event, Header, Journal, Journals, new_identifier
from slotwise.apply.servers import Servers, without_password
from slotwise.errors import OperatorError
from slotwise.fixes.remedy import FixPlan, ReloadPostgres, RunSql, Step, WriteFile


class Applied(Struct, frozen=True):
    """A change that stands. ``pending`` names the settings that only a restart brings."""

    id: str
    pending: tuple[str, ...] = ()


class Hand:
    """Carries out changes. ``notify`` is called with the name of each point that was just passed; ``clock`` gives
    epoch seconds."""

    def __init__(
        self,
        journals: Journals,
        servers: Servers,
        *,
        notify: Notify = lambda point: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journals = journals
        self._servers = servers
        self._notify = notify
        self._clock = clock

    def apply(self, plan: FixPlan, check: Callable[[], None] = lambda: None) -> Applied:
        """Do every step, then ``check`` the result. When a step or the check fails, all of it is undone.

        Raises OperatorError: with the reason, and whether everything is as before. A file or value that is no longer
        what the plan saw is not touched.
        """
        self._precheck(plan.steps)
        steps = tuple(step for step in plan.steps)
        titles = tuple(dict.fromkeys(remedy.target for remedy in plan.remedies if remedy.steps))
        identifier = new_identifier(self._clock(), self._journals.names())
        database = self._servers.database
        header = Header(
            schema=SCHEMA,
            id=identifier,
            created=self._clock(),
            slotwise_version=__version__,
            titles=titles,
            steps=steps,
            database=without_password(database) if database is not None else None,
            database_uid=database.uid if database is not None else None,
            console_uids={a: w.uid for a, w in self._servers.consoles.items() if w.uid is not None},
            consoles={address: without_password(way) for address, way in self._servers.consoles.items()},
        )
        journal = self._journals.begin(header)
        self._notify("journal begun")
        return self._go_on(journal, header, 0, check)

    def resume(self, change: Change, check: Callable[[], None] = lambda: None) -> Applied:
        """Finish a change that was interrupted. Raises OperatorError as ``apply`` does."""
        first = next((n for n in range(len(change.header.steps)) if not change.done(n)), len(change.header.steps))
        for step in change.header.steps[first:]:
            self._may_undo(step, change.header.id)
        return self._go_on(self._journals.journal(change), change.header, first, check)

    def roll_back(self, change: Change) -> None:
        """Undo every step that may have been done, last first. Raises OperatorError where something else has changed
        the same thing since: nothing is overwritten then."""
        if change.state == "rolled back":
            raise OperatorError(
                f"change {change.header.id} is rolled back already", "`slotwise fix --history` lists them"
            )
        steps = change.header.steps
        doomed = [n for n in reversed(range(len(steps))) if change.begun(n)]
        for number in doomed:
            self._may_undo(steps[number], change.header.id)
        self._undo(self._journals.journal(change), steps, doomed)

    def _go_on(self, journal: Journal, header: Header, first: int, check: Callable[[], None]) -> Applied:
        pending: list[str] = []
        number = first
        try:
            for number in range(first, len(header.steps)):
                self._line(journal, "begin", number)
                pending += self._do(header.steps[number])
                self._line(journal, "done", number)
            check()
        except OperatorError as error:
            self._try_line(journal, "failed", None, error.problem)
            begun = list(reversed(range(min(number + 1, len(header.steps)))))
            try:
                self._undo(journal, header.steps, begun)
            except OperatorError as left:
                raise OperatorError(f"{error.problem}; {left.problem}", left.remedy) from error
            raise OperatorError(f"{error.problem}; everything was put back as it was", error.remedy) from error
        self._line(journal, "verified", None)
        return Applied(header.id, tuple(dict.fromkeys(pending)))

    def _line(self, journal: Journal, event: Event, step: int | None, text: str = "") -> None:
        journal.write(Entry(self._clock(), event, step, text))
        self._notify(f"journal {event} {step}")

    def _try_line(self, journal: Journal, event: Event, step: int | None, text: str = "") -> None:
        """Where the disk does not even take the journal, undoing goes on: it can be repeated, and its result is seen
        in the things themselves."""
        with suppress(OperatorError):
            self._line(journal, event, step, text)

    def _precheck(self, steps: tuple[Step, ...]) -> None:
        expected: dict[str, bytes | None] = {}
        for step in steps:
            if isinstance(step, WriteFile):
                now = expected.get(step.path, read_file(step.path))
                if now != step.before:
                    raise OperatorError(f"{step.path} has changed since it was read", "run slotwise fix again")
                expected[step.path] = step.after
            elif isinstance(step, RunSql) and self._servers.answer(step) not in (step.before, step.after):
                raise OperatorError(
                    f"{_shown(step)}: the value has changed since it was read", "run slotwise fix again"
                )

    def _do(self, step: Step) -> tuple[str, ...]:
        if isinstance(step, WriteFile):
            self._put(step, step.after)
            if read_file(step.path) != step.after:
                raise OperatorError(f"{step.path} does not hold what was written", "see to the file system")
            return ()
        if isinstance(step, RunSql):
            if self._servers.answer(step) != step.after or step.before == step.after:
                self._servers.run(step.do, secret=step.secret)
                self._notify("statement run")
            if self._servers.answer(step) != step.after:
                raise OperatorError(f"{_shown(step)}: the server does not show the new value", "see its log")
            return ()
        if isinstance(step, ReloadPostgres):
            pending = self._servers.reload(step)
            self._notify("postgres reloaded")
            return pending
        pending = self._servers.reload_pgbouncer(step)
        self._notify("pgbouncer reloaded")
        return pending

    def _put(self, step: WriteFile, content: bytes | None) -> None:
        if content is None:
            remove_file(step.path, self._notify)
        elif read_file(step.path) != content:
            replace_file(step.path, content, self._notify, step.mode, step.like)

    def _undo(self, journal: Journal, steps: tuple[Step, ...], doomed: list[int]) -> None:
        """Undo these steps, in the order given: files before all else, since they need no server; reloads at the end.

        One that cannot be undone does not keep the others from it. Raises OperatorError then: --rollback goes on later.
        """
        failed: list[str] = []
        for number in sorted(doomed, key=lambda n: _undo_rank(steps[n])):
            self._try_line(journal, "undo", number)
            try:
                self._undo_step(steps[number])
            except OperatorError as error:
                failed.append(error.problem)
            else:
                self._try_line(journal, "undone", number)
        if failed:
            self._try_line(journal, "failed", None, "; ".join(failed))
            raise OperatorError(
                f"not everything could be undone: {'; '.join(failed)}", "mend that, then run `slotwise fix --rollback`"
            )
        self._try_line(journal, "rolled back", None)

    def _undo_step(self, step: Step) -> None:
        if isinstance(step, WriteFile):
            _sweep(step.path)
            self._put(step, step.before)
        elif isinstance(step, RunSql):
            if self._servers.answer(step) == step.after and step.before != step.after:
                self._servers.run(step.undo, secret=step.secret)
        elif isinstance(step, ReloadPostgres):
            self._servers.reload(step, expect=False)
            self._notify("reloaded after undo")
        else:
            self._servers.reload_pgbouncer(step, expect=False)
            self._notify("reloaded after undo")

    def _may_undo(self, step: Step, identifier: str) -> None:
        if isinstance(step, WriteFile) and read_file(step.path) not in (step.before, step.after):
            raise OperatorError(
                f"{step.path} was changed by somebody else after {identifier}",
                f"take that change away first, or copy the former content from {self._journals.state}/{identifier}",
            )
        if isinstance(step, RunSql) and self._servers.answer(step) not in (step.before, step.after):
            raise OperatorError(
                f"{_shown(step)}: somebody else changed it after {identifier}",
                f"run by hand, if it is still meant: {step.undo}",
            )


def _undo_rank(step: Step) -> int:
    """0 files, 1 statements, 2 reloads."""
    if isinstance(step, WriteFile):
        return 0
    return 1 if isinstance(step, RunSql) else 2


def _sweep(path: str) -> None:
    """Remove what a killed slotwise left beside the file."""
    target = Path(path).resolve()
    left = target.with_name(f".{target.name}.slotwise-new")
    # On a read-only file system even the removal of what is not there is refused.
    if left.is_symlink() or left.exists():
        remove_file(str(left))


def _shown(step: RunSql) -> str:
    return "a statement with a secret" if step.secret else step.do


def without_content(step: Step) -> Step:
    """The step without file content, for messages and JSON."""
    return structs.replace(step, before=None, after=None) if isinstance(step, WriteFile) else step
