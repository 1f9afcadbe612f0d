"""A Snapshot as JSON and back. Reading is strict about shape and tolerant of fields that a later version added."""

from __future__ import annotations

import msgspec

from slotwise.errors import OperatorError
from slotwise.snapshot.model import SCHEMA, Snapshot


def to_json(snapshot: Snapshot) -> bytes:
    """The snapshot as UTF-8 JSON, two spaces of indent, newline at the end."""
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=2) + b"\n"


def from_json(content: bytes, name: str) -> Snapshot:
    """The snapshot that ``content`` holds; ``name`` is the file's name, for messages.

    Raises OperatorError when it is no JSON, another document, a later schema, or damaged.
    """
    remedy = "give a file written by `slotwise snapshot -o FILE`"
    try:
        head = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(f"{name} is not valid JSON ({error})", remedy) from error
    schema = head.get("schema") if isinstance(head, dict) else None
    if schema != SCHEMA:
        found = f"schema {schema!r}" if schema is not None else "no schema"
        raise OperatorError(f"{name} is not a {SCHEMA} file ({found})", remedy)
    try:
        return msgspec.json.decode(content, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(f"{name} is damaged: {error}", remedy) from error
