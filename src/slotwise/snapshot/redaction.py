"""Takes secrets out of text before it can reach a Snapshot: nothing downstream ever holds a password."""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "********"

_SECRET_NAMES = r"[\w-]*(?:password|passwd|pwd|secret|token|api_?key|passphrase)"
_SQL_LITERAL = re.compile(r"(?i)(\bpassword\s+)(?:e?'(?:[^'\\]|''|\\.)*'?|\$(\w*)\$.*?(?:\$\2\$|$))", re.DOTALL)
_URI = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:)([^\s'\"]*)(@)")
_KEY_VALUE = re.compile(rf"(?i)(\b{_SECRET_NAMES}\s*[=:]\s*)('(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?|[^\s,;&'\"]+)")
_SECRET_OPTION = re.compile(rf"(?i)^--?{_SECRET_NAMES}$")
# odoo-bin: -w is --db_password (odoo/tools/config.py, 17.0 to 19.0).
_SHORT_OPTION = "-w"


def redact_text(text: str) -> str:
    """``text`` with the values of passwords in SQL, connection URIs and key=value pairs replaced by asterisks."""
    text = _SQL_LITERAL.sub(rf"\g<1>{HIDDEN}", text)
    text = _URI.sub(rf"\g<1>{HIDDEN}\g<3>", text)
    return _KEY_VALUE.sub(rf"\g<1>{HIDDEN}", text)


def redact_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line with the values of password options replaced, whether given as ``--x=y``, ``--x y`` or ``-w
    y``."""
    clean: list[str] = []
    hide_next = False
    for argument in arguments:
        if hide_next:
            clean.append(HIDDEN)
            hide_next = False
        elif argument == _SHORT_OPTION or _SECRET_OPTION.match(argument):
            clean.append(argument)
            hide_next = True
        elif (
            argument.startswith(_SHORT_OPTION) and not argument.startswith("--") and len(argument) > len(_SHORT_OPTION)
        ):
            clean.append(_SHORT_OPTION + HIDDEN)
        else:
            clean.append(redact_text(argument))
    return tuple(clean)
