"""Runs the rules: looks each parameter's type up in the Snapshot, and turns a gap into *unknown*.

A rule is a function whose typed parameters are the evidence that it needs. ``X`` is needed: without it the verdict is
unknown. ``X | None`` is wanted: the rule gets None and says less. A rule yields findings; none means healthy. It may
raise MissingEvidence for a gap inside a part (a setting that was not read).
"""

from __future__ import annotations

import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

from msgspec import Struct

import slotwise.rules
from slotwise.findings import Finding, Severity, Verdict
from slotwise.rules.evidence import EVIDENCE
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.model import Snapshot

AREAS = ("odoo", "postgres", "pgbouncer", "host", "capacity")

Check = Callable[..., Iterator[Finding]]


class Need(Struct, frozen=True):
    """One parameter of a rule: its name, the type of evidence, and whether the rule can speak without it."""

    name: str
    evidence: type
    wanted: bool


class Rule(Struct, frozen=True):
    """One rule of the catalogue. ``page`` is its docstring; ``slug`` is the name of its file with dashes; ``area``
    its package."""

    id: str
    slug: str
    area: str
    severity: Severity
    page: str
    needs: tuple[Need, ...]
    check: Check

    @property
    def title(self) -> str:
        """The first sentence of the page: the problem's name."""
        return " ".join(self.page.split("\n\n")[0].split())


def rule(id: str, severity: Severity) -> Callable[[Check], Rule]:
    """Turn a function into a Rule. ``severity`` is the usual one; a finding may carry its own."""

    def made(check: Check) -> Rule:
        *_, area, module = check.__module__.split(".")
        page = inspect.cleandoc(check.__doc__ or "")
        return Rule(id, module.replace("_", "-"), area, severity, page, _needs(check), check)

    return made


def _needs(check: Check) -> tuple[Need, ...]:
    hints = typing.get_type_hints(check)
    hints.pop("return", None)
    return tuple(_need(name, hint) for name, hint in hints.items())


def _need(name: str, hint: object) -> Need:
    if isinstance(hint, types.UnionType):
        kinds = [k for k in typing.get_args(hint) if k is not type(None)]
        assert len(kinds) == 1 and kinds[0] in EVIDENCE, f"{name}: {hint} is not one kind of evidence"
        return Need(name, kinds[0], True)
    assert isinstance(hint, type) and hint in EVIDENCE, f"{name}: {hint} is no evidence"
    return Need(name, hint, False)


@cache
def catalogue() -> tuple[Rule, ...]:
    """Every rule, by id. A rule is found by its file; two with one id or slug are a bug that the tests catch."""
    rules: list[Rule] = []
    for area in AREAS:
        package = import_module(f"{slotwise.rules.__name__}.{area}")
        for module in pkgutil.iter_modules(package.__path__):
            loaded = import_module(f"{package.__name__}.{module.name}")
            rules += [value for value in vars(loaded).values() if isinstance(value, Rule)]
    return tuple(sorted(rules, key=lambda r: r.id))


def judge(snapshot: Snapshot, rules: tuple[Rule, ...]) -> tuple[Verdict, ...]:
    """What each rule says about the snapshot, in the order given."""
    cache: dict[type, object] = {}

    def look_up(kind: type) -> object:
        if kind not in cache:
            cache[kind] = EVIDENCE[kind](snapshot)
        return cache[kind]

    return tuple(_verdict(r, look_up) for r in rules)


def _verdict(rule: Rule, look_up: Callable[[type], object]) -> Verdict:
    given: dict[str, object] = {}
    missing: list[Unavailable] = []
    for need in rule.needs:
        value = look_up(need.evidence)
        if not isinstance(value, Unavailable):
            given[need.name] = value
        elif need.wanted:
            given[need.name] = None
        else:
            missing.append(value)
    if missing:
        return Verdict(rule.id, rule.slug, rule.severity, "unknown", missing=tuple(dict.fromkeys(missing)))
    findings: list[Finding] = []
    try:
        findings.extend(rule.check(**given))
    except MissingEvidence as gap:
        missing.append(gap.gap)
    if findings:
        worst = max(f.severity or rule.severity for f in findings)
        return Verdict(rule.id, rule.slug, worst, "found", tuple(findings), tuple(missing))
    return Verdict(rule.id, rule.slug, rule.severity, "unknown" if missing else "healthy", missing=tuple(missing))
