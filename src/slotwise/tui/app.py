"""The screen of ``slotwise watch``: keys and lines. What it shows is thought out in slotwise.commands.watch."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.widgets import Footer, Input, Static

from slotwise.commands.snapshot import write_private
from slotwise.commands.watch import Session, Watched
from slotwise.commands.watch_feed import Feed, NoLook
from slotwise.errors import ExitCode, OperatorError
from slotwise.formats.terminal import printable
from slotwise.tui import head, listing
from slotwise.tui.confirm import Confirm, Ending
from slotwise.tui.details import Details, finding_words, session_words
from slotwise.tui.listing import Listing
from slotwise.tui.table import Table

PAGES: dict[str, str] = {
    "holders": "1 holders",
    "transactions": "2 trans.",
    "pools": "3 pools",
    "findings": "4 findings",
    "sessions": "5 sessions",
}
_OF_SESSIONS = ("transactions", "sessions")
_LINES = ("title", "slots", "past", "states", "finding", "pages")
_FIRST_SORT = {"holders": 1, "transactions": 4, "pools": 4, "findings": 0, "sessions": 4}


class Looked(Message):
    """A look came back: what it showed, or why it showed nothing."""

    def __init__(self, watched: Watched | None, note: str) -> None:
        """``note`` is empty where all is well."""
        super().__init__()
        self.watched = watched
        self.note = note


@runtime_checkable
class Walked(Protocol):
    """A feed in which one can go to and fro: a recorded history."""

    def move(self, steps: int) -> None:
        """So many rounds later, or earlier."""

    def zoom(self) -> None:
        """Nearer, or farther away."""


class WatchApp(App[None]):
    """Slots, holders, transactions, pools and findings of one system, look by look."""

    TITLE = "slotwise watch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    .line { height: 1; width: 100%; }
    #table { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #filter.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(word[0], f"page('{page}')", word[2:], show=False) for page, word in PAGES.items()),
        Binding("b", "group", "By"),
        Binding("s", "sort(1)", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter"),
        Binding("p", "pause", "Pause"),
        Binding("x", "end", "End"),
        Binding("w", "save", "Save"),
        Binding("o", "record", "Rec"),
        Binding("left", "move(-1)", show=False),
        Binding("right", "move(1)", show=False),
        Binding("shift+left", "move(-50)", show=False),
        Binding("shift+right", "move(50)", show=False),
        Binding("z", "zoom", show=False),
        Binding("escape", "leave", "Back"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, feed: Feed, interval_seconds: float = 2.0) -> None:
        """``feed`` is looked at every ``interval_seconds``, in a thread."""
        super().__init__()
        self._lines = {name: Static("", id=name, classes="line", markup=False) for name in _LINES}
        self.table = Table()
        self.field = Input(placeholder="show only rows that hold …", id="filter", compact=True)
        self._feed = feed
        self._interval = interval_seconds
        self._stopped = threading.Event()
        self._paused = False
        self._todo: deque[Callable[[], str]] = deque()
        self._moved = False
        self._wake = threading.Event()
        self.recorded: Path | None = None
        self.watched: Watched | None = None
        self.note = "looking …"
        self.page = "holders"
        self.by = "role"
        self.inside: tuple[str, str] | None = None
        self.sorts = {page: (column, True) for page, column in _FIRST_SORT.items()}

    def compose(self) -> ComposeResult:
        """Six lines, the table, the filter when it is asked for, and the keys."""
        yield from self._lines.values()
        yield self.table
        yield self.field
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Start looking."""
        self.table.focus()
        threading.Thread(target=self._look_in_thread, name="look", daemon=True).start()

    def on_unmount(self) -> None:
        """Stop looking: the thread ends after the look that is under way."""
        self._stopped.set()
        self._wake.set()

    def _look_in_thread(self) -> None:
        try:
            self._look_again_and_again()
        finally:
            if not self._stopped.is_set():
                self.post_message(Looked(None, "NO LOOK: the thread that looks has ended; leave and start again"))

    def _look_again_and_again(self) -> None:
        while not self._stopped.is_set():
            try:
                self.post_message(Looked(self._feed.look(), "" if self._feed.live else "saved"))
            except NoLook as gap:
                self.post_message(Looked(None, f"NO LOOK at {datetime.now():%H:%M:%S}: {gap}"))
            self._do_asked()
            while not self._stopped.is_set():
                goes_on = self._feed.live and not self._paused
                self._wake.wait(self._interval if goes_on else None)
                self._wake.clear()
                self._do_asked()
                moved, self._moved = self._moved, False
                if moved or (self._feed.live and not self._paused):
                    break

    def ask(self, act: Callable[[], str]) -> None:
        """Let the thread that looks do something too, and say what came of it: the feed is used by that thread only."""
        self._todo.append(act)
        self._wake.set()

    def _do_asked(self) -> None:
        while self._todo:
            try:
                self.call_from_thread(self.notify, self._todo.popleft()(), markup=False)
            except (NoLook, OperatorError) as error:
                self.call_from_thread(self.notify, str(error), severity="error", markup=False)

    def on_looked(self, message: Looked) -> None:
        """Show what came back. Where nothing did, the last look stays, and its age is said."""
        self.watched = message.watched or self.watched
        self.note = message.note
        self.draw()

    def on_resize(self, event: Resize) -> None:
        """Lines are cut to the width."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Put the current look on the screen."""
        watched, width = self.watched, self.size.width
        self._line("title", head.title(watched, "" if self.note.startswith("NO LOOK") else self.note, width))
        self._line("pages", self._pages(width))
        if watched is None:
            self._line("states", Text(printable(self.note)[:width], style="bold", no_wrap=True))
            return
        self._line("slots", head.slots_line(watched, width))
        self._line("past", head.past_line(watched, width))
        stale = self.note if self.note.startswith("NO LOOK") else ""
        states = Text(printable(stale)[:width], style="bold red", no_wrap=True) if stale else None
        self._line("states", states or head.states_line(watched, width))
        self._line("finding", head.finding_line(watched, width))
        column, descending = self.sorts[self.page]
        text = self.field.value
        shown = listing.arranged(self.listed(watched), text, column, descending)
        self.table.show(shown, column, descending)

    def _line(self, name: str, words: Text) -> None:
        self._lines[name].update(words)

    def _pages(self, width: int) -> Text:
        text = Text(no_wrap=True)
        for page, word in PAGES.items():
            text.append(word, style="reverse" if page == self.page else "")
            text.append(" ")
        where = f" {self.inside[0]} {self.inside[1]}" if self.inside else ""
        if self.page == "holders" and not self.inside:
            where = f" by {self.by}"
        if self._paused:
            where += " PAUSED"
        if self.recorded is not None:
            where += " REC"
        text.append(printable(where), style="bold")
        text.truncate(width)
        return text

    def listed(self, watched: Watched) -> Listing:
        """The listing of the page that is open."""
        if self.page == "holders":
            return listing.groups(watched, self.by)
        if self.page == "transactions":
            return listing.transactions(watched)
        if self.page == "pools":
            return listing.pools(watched)
        if self.page == "findings":
            return listing.findings(watched)
        chosen = listing.drilled(watched.sessions, *self.inside) if self.inside else None
        return listing.all_sessions(watched, chosen)

    def open_page(self, page: str, inside: tuple[str, str] | None = None) -> None:
        """Show another page, from its top."""
        self.page, self.inside = page, inside
        self.table.to_top()
        self.draw()

    def action_page(self, page: str) -> None:
        """A page by its number."""
        self.open_page(page)

    def action_group(self) -> None:
        """Count by the next thing: role, process, database, user, application, state."""
        names = list(listing.GROUPINGS)
        self.by = names[(names.index(self.by) + 1) % len(names)] if self.page == "holders" else self.by
        self.open_page("holders")

    def action_sort(self, step: int) -> None:
        """Sort by the next column."""
        if self.watched is None:
            return
        columns = len(self.listed(self.watched).columns)
        column, descending = self.sorts[self.page]
        self.sorts[self.page] = ((column + step) % columns, descending)
        self.draw()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        column, descending = self.sorts[self.page]
        self.sorts[self.page] = (column, not descending)
        self.draw()

    def action_filter(self) -> None:
        """Ask for words that rows must hold."""
        field = self.field
        field.add_class("open")
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self.draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the table."""
        self.table.focus()
        if not event.value.strip():
            event.input.remove_class("open")

    def action_pause(self) -> None:
        """Hold the picture still, or go on."""
        self._paused = not self._paused
        self._wake.set()
        self.draw()

    def action_save(self) -> None:
        """Write the last look to a file in the current directory."""
        path = Path(f"slotwise-{datetime.now():%Y%m%d-%H%M%S}.json")

        def save() -> str:
            write_private(path, self._feed.saved())
            return f"saved as {path}; slotwise doctor --snapshot {path.name} judges it"

        self.ask(save)

    def action_record(self) -> None:
        """Record every further look to a history in the current directory, or no longer."""
        path = None if self.recorded else Path(f"slotwise-{datetime.now():%Y%m%d-%H%M%S}.db").absolute()

        def record() -> str:
            said = self._feed.keep(path)
            self.recorded = path
            return said

        self.ask(record)

    def action_move(self, rounds: int) -> None:
        """Later or earlier in a recorded history."""
        if isinstance(self._feed, Walked):
            self._feed.move(rounds)
            self._moved = True
            self._wake.set()

    def action_zoom(self) -> None:
        """Look by look around here, or the whole recorded history."""
        if isinstance(self._feed, Walked):
            self._feed.zoom()
            self._moved = True
            self._wake.set()

    def action_end(self) -> None:
        """Ask whether the session under the cursor is to be ended."""
        row = self.table.cursor_row
        watched = self.watched
        session = self._session(watched, row.key) if watched and row and self.page in _OF_SESSIONS else None
        if watched is None or session is None:
            self.notify("choose a session first: page 2 or 5, or Enter on a holder", severity="warning")
            return
        if watched.replayed or not self._feed.live:
            self.notify("this was recorded: there is no session to end", severity="warning")
            return
        self.push_screen(Confirm(session, watched), lambda answer: self._end(session, answer))

    def _end(self, session: Session, answer: Ending | None) -> None:
        if answer is not None:
            self.ask(lambda: self._feed.end(session, only_cancel=answer == "cancel"))

    def action_leave(self) -> None:
        """Out of the filter, then out of a group."""
        field = self.field
        if field.has_class("open"):
            field.remove_class("open")
            field.value = ""
            self.table.focus()
        elif self.inside is not None:
            self.open_page("holders")
        self.draw()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        """Open a row: a group's sessions, a session, a finding."""
        watched = self.watched
        if watched is None:
            return
        if self.page == "holders":
            self.open_page("sessions", (self.by, str(message.key)))
        elif self.page == "findings" and isinstance(message.key, int) and message.key < len(watched.findings):
            self.push_screen(Details(finding_words(watched.findings[message.key])))
        elif self.page in _OF_SESSIONS:
            found = self._session(watched, message.key)
            if found is not None:
                self.push_screen(Details(session_words(found, watched)))

    def _session(self, watched: Watched, key: object) -> Session | None:
        return next((s for s in watched.sessions if s.pid == key), None)


NEW_OBJECTS_PER_SEARCH = 10_000
"""A search for cycles looks through what was made since the last one. Among 100,000 objects, right for commands
that end, it takes 20 to 55 ms and makes one refresh in some dozens late; among these 2 to 8 ms (10,000 sessions)."""


def freeze_what_lasts() -> None:
    """Keep modules and classes, which live as long as the screen, out of every search for cycles: with them one takes
    longer than a refresh. And search among fewer objects at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_PER_SEARCH)


def run(feed: Feed, interval_seconds: float) -> ExitCode:
    """Show the screen until it is left, then end the feed. A screen that broke is a bug."""
    app = WatchApp(feed, interval_seconds)
    freeze_what_lasts()
    try:
        app.run()
    finally:
        feed.close()
    return ExitCode.BUG if app.return_code else ExitCode.HEALTHY
