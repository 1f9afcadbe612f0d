"""Writes docs/rules/ from the docstrings of the rules and of the scan's patterns; ``--check`` exits 1 when it is stale.

A page for each, ``docs/rules/<slug>.md``, and ``index.md``, which lists them by area. Files of rules that are gone are
deleted. The first argument that is no option is another directory to write to.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from msgspec import Struct

from slotwise.leaks.catalogue import catalogue as patterns
from slotwise.rules.engine import catalogue as rules

PAGES = Path(__file__).parent.parent / "docs" / "rules"
AREAS = {
    "1": "Odoo and capacity",
    "2": "PostgreSQL",
    "3": "PgBouncer",
    "4": "The host",
    "5": "Walls in logs",
    "6": "Addon source: connections that leak",
    "7": "Addon source: what breaks behind a transaction pooler",
}
HEADING = re.compile(r"^(?P<title>[^\n]+)\n-{3,}$", re.MULTILINE)


class Page(Struct, frozen=True):
    """One rule as a page: ``body`` is Markdown without the title."""

    id: str
    slug: str
    severity: str
    title: str
    body: str
    said_by: str


def pages() -> tuple[Page, ...]:
    """Every rule of doctor and every pattern of scan, by id."""
    of_rules = [
        Page(r.id, r.slug, r.severity.word, r.title, _after_title(r.page), f"slotwise explain {r.id}") for r in rules()
    ]
    of_patterns = [
        Page(p.id, p.slug, p.severity.word, _sentence(p.title), _markdown(_after_title(p.page)), "slotwise scan")
        for p in patterns()
    ]
    return tuple(sorted((*of_rules, *of_patterns), key=lambda p: p.id))


def _after_title(page: str) -> str:
    return page.partition("\n\n")[2].strip()


def _sentence(title: str) -> str:
    return title if title.endswith(".") else f"{title}."


def _markdown(text: str) -> str:
    """A docstring with underlined headings and ``::`` blocks, as Markdown with the rules' own headings."""
    text = HEADING.sub(lambda m: f"**{m['title']}.**", text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


def page_text(page: Page) -> str:
    """One page."""
    head = f"# {page.id} {page.slug}\n\n{page.title}\n\nSeverity: {page.severity}. Said by `{page.said_by}`.\n"
    return f"{head}\n{page.body}\n"


def index_text(all_pages: tuple[Page, ...]) -> str:
    """The list of all pages, by area."""
    lines = ["# Rules", "", "Generated from the rules' docstrings by tools/rule_pages.py."]
    for number, area in AREAS.items():
        mine = [p for p in all_pages if p.id[2] == number]
        if mine:
            lines += ["", f"## {area}", "", "| id | severity | rule | |", "|---|---|---|---|"]
            lines += [f"| {p.id} | {p.severity} | [{p.slug}]({p.slug}.md) | {p.title} |" for p in mine]
    return "\n".join(lines) + "\n"


def texts() -> dict[str, str]:
    """File name -> content of everything in the directory."""
    all_pages = pages()
    return {"index.md": index_text(all_pages), **{f"{p.slug}.md": page_text(p) for p in all_pages}}


def stale(directory: Path) -> list[str]:
    """Names of files that differ, are missing, or belong to no rule."""
    wanted = texts()
    there = {p.name: p.read_text(encoding="utf-8") for p in directory.glob("*.md")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them."""
    directory = next((Path(a) for a in arguments if not a.startswith("-")), PAGES)
    if "--check" in arguments:
        behind = stale(directory)
        if behind:
            print(f"docs/rules is stale ({', '.join(behind)}): run `make docs`", file=sys.stderr)
        return int(bool(behind))
    directory.mkdir(parents=True, exist_ok=True)
    wanted = texts()
    for old in directory.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
