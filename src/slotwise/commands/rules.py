"""Shows the catalogue of rules and their pages: what doctor checks and what scan finds."""

from __future__ import annotations

import difflib
import re
import textwrap

import msgspec

from slotwise.errors import OperatorError
from slotwise.formats.terminal import columns
from slotwise.rules.engine import catalogue

_FIXED = re.compile(r"\s*(?:[-*+|]|\d+\.|```|    )")


class Page(msgspec.Struct, frozen=True):
    """One rule for a reader: ``page`` is Markdown."""

    id: str
    slug: str
    area: str
    severity: str
    title: str
    page: str


def pages() -> tuple[Page, ...]:
    """Every page, by id."""
    from slotwise.leaks.catalogue import catalogue as patterns

    checks = [Page(r.id, r.slug, r.area, r.severity.word, r.title, r.page) for r in catalogue()]
    leaks = [Page(p.id, p.slug, "source", p.severity.word, p.title, p.page) for p in patterns()]
    return tuple(sorted((*checks, *leaks), key=lambda page: page.id))


def rule_list(form: str) -> str:
    """The catalogue as ``text`` or ``json``."""
    if form == "json":
        listed = [{k: v for k, v in msgspec.to_builtins(p).items() if k != "page"} for p in pages()]
        return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n"
    return "\n".join(columns([(p.id, p.severity, p.slug, p.title) for p in pages()])) + "\n"


def page_of(name: str) -> str:
    """The page of one rule as text. Raises OperatorError with the nearest names for a rule that does not exist."""
    wanted = name.strip().lower()
    for page in pages():
        if wanted in (page.id.lower(), page.slug):
            return f"{page.id} {page.slug} ({page.severity})\n\n{_plain(page.page)}\n"
    known = [p.id.lower() for p in pages()] + [p.slug for p in pages()]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise OperatorError(f"there is no rule {name!r}", f"{hint}`slotwise rules` lists ids and slugs")


def _plain(markdown: str) -> str:
    """A page for a terminal: paragraphs reflowed, emphasis dropped, headings, lists and code blocks as they stand."""
    blocks = re.split(r"\n{2,}", markdown.replace("**", ""))
    return "\n\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    lines = block.splitlines()
    if len(lines) > 1 and set(lines[1]) == {"-"}:
        rest = "\n".join(lines[2:])
        return f"{lines[0]}\n{_block(rest)}" if rest else lines[0]
    return block if _FIXED.match(block) else textwrap.fill(" ".join(lines), 96)
