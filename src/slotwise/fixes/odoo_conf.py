"""odoo.conf: the file of each instance with new values, everything else left as it is."""

from __future__ import annotations

from slotwise.findings import SetOdooOption
from slotwise.fixes.ini_text import set_value
from slotwise.fixes.remedy import Remedy, WriteFile
from slotwise.fixes.requested import Requested, told
from slotwise.fixes.systemd import OdooUnit, changed_start, path_of
from slotwise.snapshot.odoo import Odoo, OdooInstance


def odoo_remedies(
    requests: tuple[Requested, ...],
    odoo: Odoo,
    files: dict[str, bytes | None],
    units: dict[str, OdooUnit] | None = None,
) -> tuple[tuple[Remedy, ...], tuple[str, ...]]:
    """A remedy for each file that changes, and a note for each instance whose file cannot be changed here.

    Two instances may share one file: their changes are made in it one after the other. What the command line gives
    wins over the file: it is changed in the ``units`` that start Odoo, or told.
    """
    grouped: dict[str, list[Requested]] = {}
    started: dict[str, list[Requested]] = {}
    notes: list[str] = []
    for one in requests:
        if not isinstance(one.change, SetOdooOption):
            continue
        instance = odoo.find(one.change.instance)
        given = overruling(instance, one.change.option)
        if instance is not None and given is not None:
            started.setdefault(instance.id, []).append(one)
            continue
        path = instance.config_file if instance is not None else None
        content = files.get(path) if path is not None else None
        if path is None or content is None:
            where = path or f"the configuration of {one.change.instance}"
            notes.append(f"{where} cannot be read here: set {_words(one.change)} there, then restart Odoo")
            continue
        grouped.setdefault(path, []).append(one)
    remedies = [made for path, group in grouped.items() if (made := _remedy(path, group, files[path])) is not None]
    for identifier, group in started.items():
        unit = (units or {}).get(identifier)
        remedy = _start(unit, group) if unit is not None else None
        if remedy is not None:
            remedies.append(remedy)
        elif unit is not None and unit.drop_in == changed_start(unit, _options(group)):
            notes.append(f"the drop-in of {unit.name} holds the new options already: restart it")
        else:
            for one in group:
                assert isinstance(one.change, SetOdooOption)
                source = overruling(odoo.find(identifier), one.change.option)
                notes.append(
                    f"{one.change.option} of {identifier} comes from the {source}, which wins over the file:"
                    f" set {_words(one.change)} where Odoo is started, then restart it"
                )
    return tuple(remedies), tuple(dict.fromkeys(notes))


def overruling(instance: OdooInstance | None, option: str) -> str | None:
    """What gives the option so that a line in the file would change nothing: the command line, and in 19.0 Odoo's own
    environment variables (odoo/tools/config.py). libpq's variables only count where the file is silent."""
    known = instance.option(option) if instance is not None else None
    if known is None:
        return None
    by_environment = " in the environment of " in known.source and not known.source.endswith("(libpq)")
    return known.source if known.source.startswith("command line") or by_environment else None


def _words(change: SetOdooOption) -> str:
    return f"{change.option} {'(remove it)' if change.value is None else f'= {change.value}'}"


def _options(group: list[Requested]) -> dict[str, str | None]:
    return {r.change.option: r.change.value for r in group if isinstance(r.change, SetOdooOption)}


def _start(unit: OdooUnit, group: list[Requested]) -> Remedy | None:
    after = changed_start(unit, _options(group))
    if after is None or after == unit.drop_in:
        return None
    reasons, risks, rules = told(group)
    return Remedy(
        target=f"systemd {unit.name}",
        title="options of Odoo on its command line, which wins over odoo.conf",
        reasons=reasons,
        risks=risks,
        rules=rules,
        activation="restart",
        stops="a restart of Odoo ends every running request and scheduled action of this instance",
        steps=(WriteFile(path_of(unit.name), unit.drop_in, after),),
        commands=("systemctl daemon-reload", f"systemctl restart {unit.name}"),
    )


def _remedy(path: str, group: list[Requested], before: bytes | None) -> Remedy | None:
    assert before is not None
    after = edited(before, _options(group))
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
