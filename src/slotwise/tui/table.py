"""A table that draws only the rows that are on the screen: ten thousand sessions cost what twenty do."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from slotwise.formats.terminal import printable
from slotwise.tui.listing import Column, Key, Listing, Row

_GAP = 1
_HEAD = Style(bold=True, underline=True)
_URGENT = Style(bold=True)
_CHOSEN = Style(reverse=True)
_LONGEST_CELL = 400


def column_widths(columns: tuple[Column, ...], width: int) -> list[int]:
    """The least widths, and what is left shared out; 0 for columns that do not fit, from the right."""
    widths: list[int] = []
    left = width
    for number, column in enumerate(columns):
        need = column.width + (_GAP if number else 0)
        widths.append(column.width if need <= left else 0)
        left -= need if need <= left else left
    shares = sum(c.share for c, w in zip(columns, widths, strict=True) if w)
    if not shares:
        return widths
    extra = [left * c.share // shares if w else 0 for c, w in zip(columns, widths, strict=True)]
    return [w + e for w, e in zip(widths, extra, strict=True)]


def line_of(columns: tuple[Column, ...], widths: list[int], words: tuple[str, ...]) -> str:
    """One line of cells, each cut to its column with an ellipsis and without a control character."""
    cells: list[str] = []
    for column, width, word in zip(columns, widths, words, strict=True):
        if not width:
            continue
        text = printable(word[:_LONGEST_CELL])
        text = text if len(text) <= width else f"{text[: width - 1]}…"
        cells.append(text.rjust(width) if column.right else text.ljust(width))
    return (" " * _GAP).join(cells)


class Table(ScrollView, can_focus=True):
    """Rows with a cursor that stays on its key while the rows change under it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000000)", "First", show=False),
        Binding("end,G", "move(1000000000)", "Last", show=False),
        Binding("enter", "choose", "Open", show=True),
    ]

    class Chosen(Message):
        """A row was opened."""

        def __init__(self, key: Key) -> None:
            """``key``: the row's."""
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(id="table")
        self.listing: Listing | None = None
        self.sort_column = 0
        self.descending = True
        self.cursor = 0

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, None where there is none."""
        rows = self.listing.rows if self.listing else ()
        return rows[self.cursor] if self.cursor < len(rows) else None

    def show(self, listing: Listing, sort_column: int, descending: bool) -> None:
        """Draw another listing; the cursor stays on the row with its key, else where it was."""
        current = self.cursor_row
        self.listing, self.sort_column, self.descending = listing, sort_column, descending
        rows = listing.rows
        if current is not None and (self.cursor >= len(rows) or rows[self.cursor].key != current.key):
            self.cursor = next((n for n, r in enumerate(rows) if r.key == current.key), self.cursor)
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self.virtual_size = Size(0, max(1, len(rows)) + 1)
        self._follow()
        self.refresh()

    def to_top(self) -> None:
        """Put the cursor on the first row: another page is another list."""
        self.cursor = 0
        self.listing = None

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        rows = len(self.listing.rows) if self.listing else 0
        self.cursor = max(0, min(self.cursor + by, rows - 1))
        self._follow()
        self.refresh()

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.action_move(pages * max(1, self.size.height - 2))

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        row = self.cursor_row
        if row is not None:
            self.post_message(self.Chosen(row.key))

    def _follow(self) -> None:
        """Keep the cursor below the heading and on the screen."""
        top = int(self.scroll_offset.y)
        height = max(1, self.size.height - 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The heading stays: the whole widget is drawn again."""
        super().watch_scroll_y(old_value, new_value)
        self.refresh(Region(0, 0, *self.size))

    def render_line(self, y: int) -> Strip:
        """Line 0 is the heading; below it the rows from the scroll offset on."""
        listing = self.listing
        width = self.size.width
        if listing is None or width < 1:
            return Strip.blank(width)
        widths = column_widths(listing.columns, width)
        if y == 0:
            names = tuple(self._heading(n, c) for n, c in enumerate(listing.columns))
            return self._strip(line_of(listing.columns, widths, names), _HEAD)
        number = y - 1 + int(self.scroll_offset.y)
        if number >= len(listing.rows):
            return self._strip(printable(listing.empty)[:width] if number == 0 else "", Style())
        row = listing.rows[number]
        words = tuple(c.words(v) for c, v in zip(listing.columns, row.values, strict=True))
        style = _URGENT if row.urgent else Style()
        if number == self.cursor:
            style += _CHOSEN
        return self._strip(line_of(listing.columns, widths, words), style)

    def _heading(self, number: int, column: Column) -> str:
        return column.name + ("" if number != self.sort_column else "▼" if self.descending else "▲")

    def _strip(self, text: str, style: Style) -> Strip:
        return Strip([Segment(text, self.rich_style + style)]).adjust_cell_length(
            self.size.width, self.rich_style + style
        )
