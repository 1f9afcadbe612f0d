"""odoo.conf: the file of each instance with new values, everything else left as it is."""

from __future__ import annotations

from slotwise.findings import SetOdooOption
from slotwise.fixes.ini_text import set_value
from slotwise.fixes.remedy import Remedy, WriteFile
from slotwise.fixes.requested import Requested, told
from slotwise.snapshot.odoo import Odoo


def odoo_remedies(
    requests: tuple[Requested, ...], odoo: Odoo, files: dict[str, bytes | None]
) -> tuple[tuple[Remedy, ...], tuple[str, ...]]:
    """A remedy for each file that changes, and a note for each instance whose file cannot be changed here.

    Two instances may share one file: their changes are made in it one after the other.
    """
    grouped: dict[str, list[Requested]] = {}
    notes: list[str] = []
    for one in requests:
        if not isinstance(one.change, SetOdooOption):
            continue
        instance = odoo.find(one.change.instance)
        path = instance.config_file if instance is not None else None
        content = files.get(path) if path is not None else None
        if path is None or content is None:
            value = "remove it" if one.change.value is None else f"= {one.change.value}"
            where = path or f"the configuration of {one.change.instance}"
            notes.append(f"{where} cannot be read here: set {one.change.option} {value} there, then restart Odoo")
            continue
        grouped.setdefault(path, []).append(one)
    remedies = [made for path, group in grouped.items() if (made := _remedy(path, group, files[path])) is not None]
    return tuple(remedies), tuple(dict.fromkeys(notes))


def _remedy(path: str, group: list[Requested], before: bytes | None) -> Remedy | None:
    assert before is not None
    after = edited(before, {r.change.option: r.change.value for r in group if isinstance(r.change, SetOdooOption)})
    if after == before:
        return None
    reasons, risks, rules = told(group)
    return Remedy(
        target=f"odoo.conf {path}",
        title="options of Odoo",
        reasons=reasons,
        risks=risks,
        rules=rules,
        activation="restart",
        stops="a restart of Odoo ends every running request and scheduled action of this instance",
        steps=(WriteFile(path, before, after),),
    )


def edited(content: bytes, options: dict[str, str | None]) -> bytes:
    """The file with these options in ``[options]``; None removes one. Bytes that are no UTF-8 stay as they are."""
    text = content.decode("utf-8", "surrogateescape")
    for name, value in options.items():
        text = set_value(text, "options", name, value, "odoo")
    return text.encode("utf-8", "surrogateescape")
