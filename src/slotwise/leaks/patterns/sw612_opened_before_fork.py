"""A cursor or connection is opened while a module is imported or a registry is loaded, and kept.

Why it matters
--------------
In prefork mode the master loads the server-wide modules, and the registries of `-d`, and then forks: all
workers inherit one socket. Two of them talking on it mix up the protocol (`SSL error: decryption failed or
bad record mac`, `lost synchronization with server`). It also opens a connection in every tool that merely
imports the addon.

Evidence
--------
Odoo 17.0-19.0 odoo/service/server.py, PreforkServer.run: preload_registries, then worker processes are
forked; Odoo closes its own pool before that (sql_db.close_all), other connections stay.

Fix
---
Open it lazily, inside the function that uses it, and close it there.

When to ignore it
-----------------
When the module is never loaded by a prefork master.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.telling import path_of, source

TITLE = "A connection is opened at import time or in a registry hook"
SEVERITY = Severity.CRITICAL


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "before fork":
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` is opened while modules are loaded, before Odoo forks its workers",
                slots="The connection is shared by every worker that is forked afterwards, for as long as they live.",
                cure="Open it when it is first used, in the process that uses it.",
                steps=path_of(opened),
            )
