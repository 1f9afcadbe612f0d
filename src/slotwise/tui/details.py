"""One session, or one finding, in full: everything that the table had to cut."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from slotwise.commands.watch import Said, Session, Watched
from slotwise.findings import Severity
from slotwise.formats.terminal import duration, printable, shortened


class Details(ModalScreen[None]):
    """Words over the table; Escape goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Back")]
    CSS = """
    Details { align: center middle; }
    Details > VerticalScroll { width: 96%; height: 90%; border: round $accent; background: $surface; padding: 0 1; }
    """

    def __init__(self, words: str) -> None:
        """``words``: lines, already without control characters."""
        super().__init__()
        self.words = words

    def compose(self) -> ComposeResult:
        """One scrolling block."""
        with VerticalScroll():
            yield Static(Text(self.words))


def session_words(session: Session, watched: Watched) -> str:
    """A session with its statement, who blocks it and whom it blocks."""
    by_pid = {s.pid: s for s in watched.sessions}
    facts = (
        ("backend", str(session.pid)),
        ("held by", f"{session.holder} ({session.how})"),
        ("database", session.database),
        ("user", session.user),
        ("application", session.application),
        ("client", session.client),
        ("state", f"{session.state}{_for(session.state_seconds)}"),
        (
            "transaction",
            f"open{_for(session.transaction_seconds)}" if session.transaction_seconds is not None else None,
        ),
        ("waits on", session.wait),
    )
    lines = [f"{name:<12} {printable(value) if value is not None else '-'}" for name, value in facts]
    lines.append("")
    if session.waits_for:
        lines.append("blocked by")
        lines += [f"  {_other(pid, by_pid)}" for pid in session.waits_for]
    elif not watched.locks_known:
        lines.append("blocked by   not known")
    behind = [s for s in watched.sessions if session.pid in s.waits_for]
    if behind:
        lines.append(f"blocks {len(behind)}")
        lines += [f"  {_other(s.pid, by_pid)}" for s in behind[:20]]
    lines += ["", "statement (the last one, where none runs)"]
    lines += [f"  {printable(line)}" for line in (session.statement or "not visible").splitlines()]
    return "\n".join(lines)


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f" for {duration(seconds)}"


def _other(pid: int, by_pid: dict[int, Session]) -> str:
    if pid == 0:
        return "a prepared transaction"
    found = by_pid.get(pid)
    if found is None:
        return f"{pid} (not visible)"
    return f"{pid} {printable(found.holder)}, {found.state}: {shortened(found.statement or 'not visible', 80)}"


def finding_words(said: Said) -> str:
    """A finding with what to do about it."""
    lines = [f"{Severity(said.severity).word} {said.id}", "", printable(said.message), ""]
    if said.remedy:
        lines += ["what to do", f"  {printable(said.remedy)}", ""]
    if not said.id.startswith("SW"):
        return "\n".join(lines)
    return "\n".join([*lines, f"slotwise explain {said.id} says why it matters and when to ignore it"])
