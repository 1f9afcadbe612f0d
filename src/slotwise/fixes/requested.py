"""Changes with the rules that asked for them, sorted by what they change. The later word on one key wins."""

from __future__ import annotations

from msgspec import Struct

from slotwise.findings import (
    AlterDatabase,
    AlterRole,
    Change,
    SetOdooOption,
    SetPgBouncer,
    SetPoolDatabase,
    SetServerSetting,
)


class Requested(Struct, frozen=True):
    """One change, why it is made, what could go wrong, and the id of the rule (or ``plan``) that asks for it."""

    change: Change
    reason: str
    risk: str | None
    rule: str


CONFIGURES = (SetOdooOption, SetServerSetting, AlterRole, AlterDatabase, SetPgBouncer, SetPoolDatabase)
"""The changes that ``fix`` makes. Sessions are ended by ``reap``, processes restarted by their own service."""


def key(change: Change) -> tuple[str | None, ...]:
    """What a change decides: two changes with one key contradict or repeat each other."""
    match change:
        case SetOdooOption():
            return ("odoo", change.instance, change.option)
        case SetServerSetting():
            return ("server", change.name)
        case AlterRole():
            what = change.set_name or ("limit" if change.connection_limit is not None else "superuser")
            return ("role", change.role, change.database, what)
        case AlterDatabase():
            return ("database", change.database, change.set_name or "limit")
        case SetPgBouncer():
            return ("pgbouncer", change.address, change.key)
        case SetPoolDatabase():
            return ("pool", change.address, change.entry)
    return ("other", repr(change))


def settled(requests: tuple[Requested, ...]) -> tuple[Requested, ...]:
    """One request for each key: the last, at the place of the first, with all reasons of those that it replaces."""
    last = {key(one.change): one for one in requests}
    return tuple(last[k] for k in dict.fromkeys(key(one.change) for one in requests))


def told(requests: list[Requested]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Reasons, risks and rules of several requests, each once."""
    return (
        tuple(dict.fromkeys(r.reason for r in requests)),
        tuple(dict.fromkeys(r.risk for r in requests if r.risk)),
        tuple(dict.fromkeys(r.rule for r in requests)),
    )
