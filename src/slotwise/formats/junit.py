"""JUnit XML: results of any command as test cases, for pipelines that show test reports and nothing else.

Source of the shape: the Jenkins xUnit plugin's junit-10.xsd, which GitLab, GitHub actions and Azure read as well.
Knows nothing of rules, scans or snapshots.
"""

from __future__ import annotations

import re
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import msgspec

# XML 1.0 section 2.2: what is outside these ranges cannot stand in a document, not even as a character reference.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JunitCase(msgspec.Struct, frozen=True):
    """One test case: ``passed``, ``failed`` (a finding), ``error`` (could not be judged) or ``skipped`` (suppressed).

    ``name`` and ``classname`` say what was judged; ``message`` is one line, ``detail`` the text beneath it.
    ``file`` and ``line`` (from 1) point at source, where there is any.
    """

    classname: str
    name: str
    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str = ""
    detail: str = ""
    kind: str = ""
    file: str | None = None
    line: int | None = None


def junit_bytes(suite: str, cases: tuple[JunitCase, ...], *, seconds: float | None = None) -> bytes:
    """One ``testsuites`` document with one suite, UTF-8. ``seconds`` is how long the run took, when it is known."""
    count = {o: sum(1 for c in cases if c.outcome == o) for o in ("failed", "error", "skipped")}
    totals = (
        f"name={_attribute(suite)} tests={_attribute(str(len(cases)))} failures={_attribute(str(count['failed']))} "
        f"errors={_attribute(str(count['error']))}"
    )
    if seconds is not None:
        totals += f" time={_attribute(f'{seconds:.3f}')}"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {totals}>"]
    lines.append(f'  <testsuite {totals} skipped="{count["skipped"]}">')
    for case in cases:
        lines.extend(_case(case))
    lines.extend(["  </testsuite>", "</testsuites>", ""])
    return "\n".join(lines).encode()


def _case(case: JunitCase) -> list[str]:
    head = f"    <testcase classname={_attribute(case.classname)} name={_attribute(case.name)}"
    if case.file is not None:
        head += f" file={_attribute(case.file)}"
    if case.line is not None:
        head += f' line="{case.line}"'
    if case.outcome == "passed":
        return [f"{head}/>"]
    if case.outcome == "skipped":
        return [f"{head}>", f"      <skipped message={_attribute(case.message)}/>", "    </testcase>"]
    tag = "failure" if case.outcome == "failed" else "error"
    body = f"      <{tag} message={_attribute(case.message)} type={_attribute(case.kind or tag)}>"
    return [f"{head}>", f"{body}{escape(_clean(case.detail or case.message))}</{tag}>", "    </testcase>"]


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)


def _attribute(text: str) -> str:
    return quoteattr(_clean(text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
