"""A report on a period as Markdown, for a change request, and as text, for a terminal."""

from __future__ import annotations

from slotwise.formats.plan_markdown import markdown_cell, markdown_table
from slotwise.formats.report_words import Table, Wording, headline, sections, tiles
from slotwise.review.account import Account

_WIDEST = 60


def report_markdown(account: Account, wording: Wording, title: str) -> str:
    """The report as GitHub-flavoured Markdown, a newline at the end."""
    blocks = [
        f"# {markdown_cell(title)}",
        _period(account, wording),
        f"**{markdown_cell(headline(account)[1])}**",
        markdown_table(("figure", "value", ""), tiles(account)),
    ]
    for section in sections(account, wording):
        blocks.append(f"## {markdown_cell(section.title)}")
        blocks += [markdown_cell(sentence) for sentence in section.sentences]
        if section.table is not None:
            blocks.append(markdown_table(section.table.heads, section.table.rows))
    return "\n\n".join(blocks) + "\n"


def report_text(account: Account, wording: Wording, title: str) -> str:
    """The report as plain text, a newline at the end."""
    lines = [title, _period(account, wording), "", headline(account)[1], ""]
    lines += [f"  {name:<16}{value:<12}{words}" for name, value, words in tiles(account)]
    for section in sections(account, wording):
        lines += ["", section.title, *(f"  {sentence}" for sentence in section.sentences)]
        if section.table is not None:
            lines += _columns(section.table)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _period(account: Account, wording: Wording) -> str:
    since, until = wording.moment(account.since), wording.moment(account.until)
    return f"{since} to {until} {wording.zone_name(account.until)}, from {markdown_cell(account.history)}"


def _columns(table: Table) -> list[str]:
    """Aligned columns; the last one runs as long as it is."""
    rows = [table.heads, *table.rows]
    widths = [min(_WIDEST, max(len(row[n]) for row in rows)) for n in range(len(table.heads))]
    found = []
    for row in rows:
        cells = [
            cell.rjust(width) if n in table.numbers else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        found.append("  " + "  ".join(cells))
    return found
