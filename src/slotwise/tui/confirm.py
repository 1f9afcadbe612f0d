"""Asks before a session is ended: whose it is, what it runs, and what each answer does."""

from __future__ import annotations

from typing import ClassVar, Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from slotwise.commands.watch import Session, Watched
from slotwise.tui.details import session_words

Ending = Literal["cancel", "terminate"]


class Confirm(ModalScreen[Ending | None]):
    """c cancels the statement, t terminates the session, everything else leaves it alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "answer('cancel')", "Cancel its statement"),
        Binding("t", "answer('terminate')", "Terminate it"),
        Binding("escape,q,n,enter", "dismiss", "Leave it alone"),
    ]
    CSS = """
    Confirm { align: center middle; }
    Confirm > VerticalScroll { width: 96%; height: 100%; border: round $error; background: $surface; padding: 0 1; }
    """

    def __init__(self, session: Session, watched: Watched) -> None:
        """``session`` is the one to be ended, as ``watched`` shows it."""
        super().__init__()
        running = session.state == "active"
        self.words = "\n".join(
            (
                f"End session {session.pid}?",
                "c cancels its statement" + ("" if running else " (none runs: it will change nothing)"),
                "t terminates it, and its transaction is rolled back · Escape leaves it alone",
                "",
                session_words(session, watched),
            )
        )

    def compose(self) -> ComposeResult:
        """One scrolling block."""
        with VerticalScroll():
            yield Static(Text(self.words))

    def action_answer(self, answer: Ending) -> None:
        """Leave with this answer."""
        self.dismiss(answer)
