"""The patterns that are there, found by file name."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module

import slotwise.leaks.patterns
from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.verdicts import Pattern

Finder = Callable[[AddonFacts], Iterable[Sighting]]


@lru_cache(maxsize=1)
def registered() -> tuple[tuple[Pattern, Finder], ...]:
    """Every pattern with the function that finds it, by id."""
    found = []
    for module_info in pkgutil.iter_modules(slotwise.leaks.patterns.__path__):
        module = import_module(f"slotwise.leaks.patterns.{module_info.name}")
        id_, _, slug = module_info.name.partition("_")
        severity: Severity = module.SEVERITY
        page = inspect.cleandoc(module.__doc__ or "")
        pattern = Pattern(id_.upper(), slug.replace("_", "-"), severity, module.TITLE, page)
        find: Finder = module.find
        found.append((pattern, find))
    return tuple(sorted(found, key=lambda pair: pair[0].id))


def catalogue() -> tuple[Pattern, ...]:
    """Id, slug, severity, title and page of every leak pattern, by id."""
    return tuple(pattern for pattern, _ in registered())
