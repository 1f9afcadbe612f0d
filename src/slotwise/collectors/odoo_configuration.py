"""Works out what an Odoo is configured to be, and where each value was read.

Precedence: 17.0 and 18.0 command line, file, default (environment only through libpq); 19.0 command line, environment,
file, default (odoo/tools/config.py: _parse_config and load in 17.0 and 18.0, the ChainMap of configmanager in 19.0).
"""

from __future__ import annotations

import optparse
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from slotwise.collectors.odoo_command_line import CommandLine, comma_list, parse_command_line
from slotwise.collectors.odoo_conf import ConfEntry, OdooConf
from slotwise.collectors.odoo_ignored_keys import ignored_keys
from slotwise.collectors.odoo_options import (
    FILE_ALIASES,
    SECRET_OPTIONS,
    OptionSpec,
    option_specs,
    table_version,
)
from slotwise.errors import OperatorError
from slotwise.snapshot.odoo import IgnoredKey, OdooOption, OptionValue
from slotwise.snapshot.redaction import redact_text

_TRUE_19 = frozenset({"1", "yes", "true", "on"})
_FALSE_19 = frozenset({"0", "no", "false", "off"})


class Inputs(Struct, frozen=True):
    """What an Odoo was given. ``arguments`` follow the subcommand; ``process`` names it in sources: ``pid 4``.

    ``file_note`` is appended to the source of what the file says (``changed after pid 4 started``). ``user`` is the OS
    user that libpq falls back to.
    """

    version: str | None
    conf: OdooConf | None = None
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    process: str = "the command line"
    user: str | None = None
    file_note: str = ""

    def __repr__(self) -> str:
        return f"Inputs(version={self.version!r}, process={self.process!r})"


class Configuration(Struct, frozen=True):
    """The effective options without secrets, keys that mean something else, and the password (kept out of repr)."""

    options: tuple[OdooOption, ...]
    ignored: tuple[IgnoredKey, ...]
    password: str | None = None

    def __repr__(self) -> str:
        return f"Configuration({len(self.options)} options)"

    def value(self, name: str) -> OptionValue:
        """The effective value of an option; None where it is unset or does not exist."""
        return next((o.value for o in self.options if o.name == name), None)


def configuration(inputs: Inputs) -> Configuration:
    """The effective configuration. Raises OperatorError where the file holds a value that Odoo refuses at its start."""
    version = table_version(inputs.version)
    specs = option_specs(version)
    command_line = parse_command_line(inputs.arguments, version)
    defaults = f"default of {version}.0" if inputs.version else "default of 17.0 to 19.0"
    found = {name: OdooOption(name, spec.default, defaults) for name, spec in specs.items()}
    if inputs.conf is not None:
        # 17.0 and 18.0 never look at the file's value of what the command line gives, so it may be nonsense there.
        wanted = specs if version >= 19 else {n: s for n, s in specs.items() if n not in command_line.values}
        found.update(_from_file(inputs.conf, wanted, version, inputs.file_note))
    if version >= 19:
        found.update(_from_environment(specs, inputs))
    found.update(_from_command_line(command_line, inputs.process))
    _apply_consequences(found, version)
    if version < 19:
        _apply_libpq_environment(found, inputs)
    if not found["db_user"].value and inputs.user:
        found["db_user"] = OdooOption("db_user", inputs.user, f"operating-system user of {inputs.process} (libpq)")
    password = found["db_password"].value
    options = tuple(_clean(o) for name, o in found.items() if name not in SECRET_OPTIONS)
    ignored = ignored_keys(inputs.conf, version) if inputs.conf is not None and inputs.version else ()
    return Configuration(options, ignored, password if isinstance(password, str) and password else None)


def _clean(option: OdooOption) -> OdooOption:
    return OdooOption(option.name, _clean_value(option.value), option.source)


def _clean_value(value: OptionValue) -> OptionValue:
    return redact_text(value) if isinstance(value, str) else value


def _from_file(conf: OdooConf, specs: Mapping[str, OptionSpec], version: int, note: str) -> dict[str, OdooOption]:
    read: Callable[[OptionSpec, str], OptionValue] = _value_19 if version >= 19 else _value_17
    # An old name and a new one may both be there: the last one wins, and only that one is looked at.
    entries = {FILE_ALIASES.get(e.name, e.name) if version < 19 else e.name: e for e in conf.entries}
    found: dict[str, OdooOption] = {}
    for name, entry in entries.items():
        spec = specs.get(name)
        if spec is None or not spec.in_file or (version >= 19 and _skipped_by_19(spec, entry.value)):
            continue
        try:
            value = read(spec, entry.value)
        except ValueError as error:
            raise OperatorError(_refusal(conf, entry, spec), _cure(entry)) from error
        found[name] = OdooOption(name, value, f"{conf.where(entry)}{note}")
    return found


def _refusal(conf: OdooConf, entry: ConfEntry, spec: OptionSpec) -> str:
    shown = "a value" if entry.name in SECRET_OPTIONS else repr(redact_text(entry.value))
    wanted = {"int": "a whole number", "float": "a number", "bool": "True or False"}.get(spec.kind, "another value")
    return f"{conf.where(entry)} sets {entry.name} to {shown}; Odoo wants {wanted} and does not start with it"


def _cure(entry: ConfEntry) -> str:
    if any(mark in entry.value for mark in (";", "#")):
        return "put the comment on a line of its own: odoo.conf has no comments behind values"
    return "mend that line"


def _value_17(spec: OptionSpec, text: str) -> OptionValue:
    """17.0 and 18.0: `True`, `true`, `False`, `false` are booleans for every key; numbers are cast as optparse does
    (`0x10`, and `010` is octal); any other text of a boolean option is true when it is not empty."""
    if text in ("True", "true", "False", "false"):
        value = text in ("True", "true")
        return int(value) if spec.kind == "int" and spec.default is not False else value
    if spec.kind == "bool":
        return bool(text)
    return _number(spec, text)


def _number(spec: OptionSpec, text: str) -> OptionValue:
    if spec.kind not in ("int", "float"):
        return text
    option = optparse.Option("--x", type=spec.kind)
    try:
        value = optparse.Option.TYPE_CHECKER[spec.kind](option, spec.name, text)
    except optparse.OptionValueError as error:
        raise ValueError(spec.name) from error
    assert isinstance(value, (int, float))
    return value


def _value_19(spec: OptionSpec, text: str) -> OptionValue:
    """19.0 (configmanager.parse): `None` is unset, booleans by name, numbers by int() and float()."""
    if text == "None":
        return None
    if spec.kind == "bool":
        lowered = text.lower()
        if lowered not in _TRUE_19 | _FALSE_19:
            raise ValueError(spec.name)
        return lowered in _TRUE_19
    if spec.kind == "int":
        return int(text)
    if spec.kind == "float":
        return float(text)
    if spec.kind == "comma":
        return comma_list(text)
    return text


def _skipped_by_19(spec: OptionSpec, text: str) -> bool:
    """19.0 skips a literal False where the option is no boolean: older versions wrote it as a default."""
    return text in ("False", "false") and spec.kind != "bool"


def _from_environment(specs: Mapping[str, OptionSpec], inputs: Inputs) -> dict[str, OdooOption]:
    found: dict[str, OdooOption] = {}
    for name, spec in specs.items():
        text = (inputs.environment or {}).get(spec.env) if spec.env else None
        if text is None:
            continue
        try:
            found[name] = OdooOption(name, _value_19(spec, text), f"{spec.env} in the environment of {inputs.process}")
        except ValueError:
            continue
    return found


def _from_command_line(command_line: CommandLine, process: str) -> dict[str, OdooOption]:
    source = f"command line of {process}"
    return {name: OdooOption(name, value, source) for name, value in command_line.values.items()}


def _apply_consequences(found: dict[str, OdooOption], version: int) -> None:
    """What Odoo itself derives from other options after reading them all."""
    modes = [m.strip() for m in str(found["dev_mode"].value or "").split(",") if m.strip()]
    if "all" in modes:
        modes += ("access", "qweb", "reload", "xml") if version >= 19 else ("reload", "qweb", "xml")
    found["dev_mode"] = OdooOption("dev_mode", ",".join(modes), found["dev_mode"].source)
    alias = found.get("longpolling_port")
    if alias is not None and alias.value:
        found["gevent_port"] = OdooOption("gevent_port", alias.value, f"longpolling_port, {alias.source}")
    replica = found.get("db_replica_host")
    if version >= 19 and replica is not None and replica.value == "":
        found["db_replica_host"] = OdooOption("db_replica_host", None, replica.source)
        if "replica" not in modes:
            source = f"empty db_replica_host, {replica.source}"
            found["dev_mode"] = OdooOption("dev_mode", ",".join([*modes, "replica"]), source)


def _apply_libpq_environment(found: dict[str, OdooOption], inputs: Inputs) -> None:
    """17.0 and 18.0 leave unset connection parameters to libpq, which reads its own variables."""
    for name, variable in (("db_host", "PGHOST"), ("db_port", "PGPORT"), ("db_user", "PGUSER")):
        text = (inputs.environment or {}).get(variable)
        if found[name].value or not text:
            continue
        value: OptionValue = int(text) if name == "db_port" and text.isdecimal() else text
        found[name] = OdooOption(name, value, f"{variable} in the environment of {inputs.process} (libpq)")
