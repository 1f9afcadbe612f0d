"""Finds keys of an odoo.conf that this version of Odoo does not read, or reads as something else.

Only two kinds are reported: options of another version, and likely typing mistakes. Any other unknown key may belong to
an addon (Odoo keeps it, addons read it by `config.get`), so nothing is said of it.
"""

from __future__ import annotations

from slotwise.collectors.odoo_conf import SECTION, ConfEntry, OdooConf
from slotwise.collectors.odoo_options import (
    FILE_ALIASES,
    READ_UNDECLARED,
    SECRET_OPTIONS,
    VERSIONS,
    option_specs,
    versions_with,
)
from slotwise.snapshot.odoo import IgnoredKey
from slotwise.snapshot.redaction import HIDDEN, redact_text

_TYPO_RATIO = 0.88
_RENAMED = {
    "longpolling_port": "gevent_port",
    "without_demo": "with_demo",
    **FILE_ALIASES,
}
_SECTIONS_OF_ADDONS = frozenset({"queue_job"})


def ignored_keys(conf: OdooConf, version: int) -> tuple[IgnoredKey, ...]:
    """The keys of ``conf`` that Odoo 17, 18 or 19 ignores or reads as another one, in the order of the file."""
    found: list[IgnoredKey] = []
    names = frozenset(e.name for e in conf.entries)
    for entry in conf.entries:
        meaning = _meaning(entry, version, names)
        if meaning is not None:
            found.append(_ignored(conf, entry, meaning))
    if not conf.has_section:
        for entry in conf.elsewhere:
            if versions_with(entry.name) and entry.section not in _SECTIONS_OF_ADDONS:
                meaning = f"ignored: it stands in [{entry.section}], Odoo reads [{SECTION}] only"
                found.append(_ignored(conf, entry, meaning))
    return tuple(found)


def _ignored(conf: OdooConf, entry: ConfEntry, meaning: str) -> IgnoredKey:
    value = HIDDEN if entry.name in SECRET_OPTIONS else redact_text(entry.value)
    return IgnoredKey(entry.name, value, conf.where(entry), meaning)


def _meaning(entry: ConfEntry, version: int, names: frozenset[str]) -> str | None:
    specs = option_specs(version)
    name, release = entry.name, f"{version}.0"
    if name == "longpolling_port" and version == 17:
        return "deprecated: overwrites gevent_port" if entry.value not in ("", "0", "False", "false") else None
    if name in FILE_ALIASES:
        now = FILE_ALIASES[name]
        return f"old name: read as {now}" if version < 19 else f"ignored since 19.0; the option is {now}"
    if name == "without_demo" and version == 19:
        return None  # still read, as the opposite of with_demo
    spec = specs.get(name)
    if spec is not None:
        if not spec.in_file:
            return f"ignored: Odoo {release} takes it from the command line only"
        if version == 19 and entry.value in ("False", "false") and spec.kind != "bool" and spec.default:
            return f"skipped by 19.0: False is no value for it, so the default {spec.default} holds"
        return None
    if name in READ_UNDECLARED:
        return None
    elsewhere = versions_with(name)
    if elsewhere:
        return _of_another_version(name, version, elsewhere)
    return _typing_mistake(name, version, names)


def _of_another_version(name: str, version: int, elsewhere: tuple[int, ...]) -> str:
    instead = f"; the option is {_RENAMED[name]}" if name in _RENAMED else ""
    if max(elsewhere) < version:
        since = next(v for v in VERSIONS if v > max(elsewhere))
        return f"ignored since {since}.0{instead}"
    return f"ignored: it exists since {min(elsewhere)}.0, this is {version}.0"


def _typing_mistake(name: str, version: int, names: frozenset[str]) -> str | None:
    """A key that is nearly the name of an option which the file does not set."""
    known = [n for n, spec in option_specs(version).items() if spec.in_file and n not in names]
    same = name.replace("-", "_")
    if same in known:
        return f"ignored: the option is {same}, with underscores"
    for spec in option_specs(version).values():
        if spec.in_file and spec.name not in names and f"--{name}" in spec.flags:
            return f"ignored: that is the command line's name; in a file it is {spec.name}"
    import difflib  # for a key that is no option: rare

    near = difflib.get_close_matches(same, known, n=1, cutoff=_TYPO_RATIO)
    return f"ignored: no option of Odoo {version}.0; did you mean {near[0]}?" if near else None
