"""Makes the two files of a new rule and its line in CHANGELOG.md, from a template that already passes the checks.

    tools/new_rule.py SW219 my-new-rule --severity warning

The area follows from the id (SW1xx odoo, or capacity with --area capacity; SW2xx postgres; SW3xx pgbouncer; SW4xx
host). An id or slug that is taken, now or ever (CHANGELOG.md), is refused: ids are never reused.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

AREAS = {"1": ("odoo", "capacity"), "2": ("postgres",), "3": ("pgbouncer",), "4": ("host",)}

RULE = '''"""{id} {slug}."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Finding, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.snapshot.ownership import Sessions


@rule("{id}", Severity.{severity})
def {function}(sessions: Sessions) -> Iterator[Finding]:
    """One sentence that names the problem.

    **Why it matters.** What happens to users if nobody acts.

    **Evidence.** What is looked at, and from which value on it is a finding; with its source.

    **Fix.** What to change, in the right order.

    **When to ignore it.** When this is as it should be.
    """
    if len(sessions.held) < 1_000_000:
        return
    yield Finding("what is wrong, with its numbers", (cite("sessions", len(sessions.held), sessions.source),))
'''

TEST = """from __future__ import annotations

from msgspec import structs

from slotwise.snapshot.evidence import Unavailable
from tests.build import backend, findings, host, mended, verdict

SLUG = "{slug}"


def test_silent_on_a_healthy_host() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks() -> None:
    raise AssertionError("build the case with tests/build.py and look at the finding's message")


def test_its_own_fix_silences_it() -> None:
    snapshot = host([(None, backend(1))])
    assert findings(snapshot, SLUG), "a case that the rule speaks of; better: many, with hypothesis"
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_sessions() -> None:
    gap = Unavailable("pg_stat_activity", "refused", "connect through the socket")
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
"""


class Refused(Exception):
    """The rule cannot be made as asked; the message says why."""


def make(root: Path, id: str, slug: str, severity: str, area: str | None = None) -> tuple[Path, Path]:
    """Write the files under ``root`` and give their paths. Raises Refused where the id or the slug will not do."""
    area = _area(id, area)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        raise Refused(f"{slug!r} is no slug: lower-case words with dashes that name the problem, not the cure")
    changelog = root / "CHANGELOG.md"
    log = changelog.read_text(encoding="utf-8")
    _refuse_taken(root, log, id, slug)
    name = slug.replace("-", "_")
    rule_file = root / "src" / "slotwise" / "rules" / area / f"{name}.py"
    test_file = root / "tests" / "rules" / area / f"test_{name}.py"
    rule_file.write_text(RULE.format(id=id, slug=slug, function=name, severity=severity.upper()), encoding="utf-8")
    test_file.parent.mkdir(parents=True, exist_ok=True)
    test_file.write_text(TEST.format(slug=slug), encoding="utf-8")
    changelog.write_text(_with_line(log, id, slug), encoding="utf-8")
    return rule_file, test_file


def _area(id: str, area: str | None) -> str:
    if not re.fullmatch(r"SW[1-4]\d\d", id):
        raise Refused(f"{id!r} is no id of a rule: SW and three digits, the first from 1 to 4")
    areas = AREAS[id[2]]
    if area is None:
        return areas[0]
    if area not in areas:
        raise Refused(f"{id} belongs to {' or '.join(areas)}, not to {area}")
    return area


def _refuse_taken(root: Path, log: str, id: str, slug: str) -> None:
    """Look into the rules that are there and into what CHANGELOG.md says there once was."""
    made = "\n".join(p.read_text(encoding="utf-8") for p in (root / "src" / "slotwise" / "rules").rglob("*.py"))
    listed = dict(re.findall(r"^- rule (SW\d+) (\S+)$", log, re.MULTILINE))
    if id in listed or f'@rule("{id}"' in made:
        raise Refused(f"{id} is taken by {listed.get(id, 'another rule')}: ids are never reused")
    files = {p.stem for p in (root / "src" / "slotwise" / "rules").glob("*/*.py")}
    if slug in listed.values() or slug.replace("-", "_") in files:
        raise Refused(f"{slug} is taken")


def _with_line(log: str, id: str, slug: str) -> str:
    """The changelog with the rule's line under Unreleased, the rules there in the order of their ids."""
    head, heading, rest = log.partition("## Unreleased\n")
    if not heading:
        raise Refused("CHANGELOG.md has no section `## Unreleased`")
    here, mark, older = rest.partition("\n## ")
    rules = sorted([*re.findall(r"^- rule SW\d+ .*$", here, re.MULTILINE), f"- rule {id} {slug}"])
    others = re.sub(r"^- rule SW\d+ .*\n?", "", here, flags=re.MULTILINE).strip("\n")
    body = "\n".join(rules) + (f"\n{others}" if others else "")
    return f"{head}{heading}\n{body}\n{mark}{older}"


def main(arguments: list[str]) -> int:
    """Make one rule, and say what comes next."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("id", help="SW and three digits")
    parser.add_argument("slug", help="words with dashes that name the problem")
    parser.add_argument("--severity", choices=("info", "warning", "critical"), default="warning")
    parser.add_argument("--area", choices=sorted(a for areas in AREAS.values() for a in areas))
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        files = make(given.root, given.id, given.slug, given.severity, given.area)
    except Refused as refused:
        print(f"new_rule: {refused}", file=sys.stderr)
        return 2
    for file in files:
        print(file.relative_to(given.root))
    print("CHANGELOG.md\nNow write the rule, its page and its tests, then run `make docs`.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
