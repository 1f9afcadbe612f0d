"""A change of a file as a unified diff, with line endings shown as they are."""

from __future__ import annotations

import difflib
import re

from slotwise.fixes.remedy import WriteFile

_SECRET = re.compile(
    r"^(?P<key>[-+ ]?\s*(?:[\w.]*secret[\w.]*|[\w.]*passw(?:or)?d[\w.]*)\s*[=:]\s*)"
    r"(?P<value>\S.*?)(?P<end>\r?)$",
    re.IGNORECASE,
)
_CONNECTION_WORD = re.compile(r"(?i)\b(password\s*=\s*)('(?:[^']|'')*'|\S+)")


def unified_diff(step: WriteFile) -> str:
    """The diff with three lines around each change. Passwords are replaced by ``***``, secret files are not shown."""
    if step.secret:
        word = "written" if step.before is None else "changed"
        return f"--- {step.path}\n+++ {step.path}\n@@ {word}; its content is secret and not shown @@\n"
    before, after = _lines(step.before), _lines(step.after)
    old = "/dev/null" if step.before is None else step.path
    new = "/dev/null" if step.after is None else step.path
    shown: list[str] = []
    for line in difflib.unified_diff(before, after, old, new, n=3):
        text = _hidden(line.rstrip("\n"))
        shown.append(text + "\n")
        if not line.endswith("\n"):
            shown.append("\\ No newline at end of file\n")
    return "".join(shown)


def without_passwords(text: str) -> str:
    """``text`` with the passwords of odoo.conf and of connection strings replaced by ``***``."""
    return "".join(_hidden(line) + line[len(line.rstrip("\n")) :] for line in text.splitlines(keepends=True))


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "replace")
    return [part + "\n" for part in text.split("\n")[:-1]] + [part for part in text.split("\n")[-1:] if part]


def _hidden(line: str) -> str:
    line = line.rstrip("\n")
    line = _SECRET.sub(r"\g<key>***\g<end>", line)
    return _CONNECTION_WORD.sub(r"\1***", line)
