"""Reads the options of a running Odoo's command line, with the parser that Odoo itself uses: optparse.

So abbreviations (`--worker 4`), `--workers=4`, `-dprod` and repeated options (the last wins) mean what they mean to
Odoo. An option that the table does not know is stepped over: the process runs, so its Odoo knew it.
"""

from __future__ import annotations

import optparse
from collections.abc import Sequence
from typing import NoReturn

from msgspec import Struct

from slotwise.collectors.odoo_options import FLAG_ALIASES, OptionSpec, option_specs
from slotwise.snapshot.odoo import OptionValue


class CommandLine(Struct, frozen=True):
    """Values given on a command line, by option name. ``unread`` are the flags that could not be read."""

    values: dict[str, OptionValue]
    unread: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"CommandLine({sorted(self.values)})"


class _Refused(Exception):
    """optparse refuses a value."""


def _whole_number(option: optparse.Option, flag: str, text: str) -> int:
    """19.0 reads numbers by int(), 17.0 and 18.0 as optparse does (`010` is 8 there, 10 here)."""
    try:
        return int(text)
    except ValueError as error:
        raise optparse.OptionValueError(f"{flag}: invalid number") from error


class _Option19(optparse.Option):
    TYPE_CHECKER = {**optparse.Option.TYPE_CHECKER, "int": _whole_number}  # noqa: RUF012


class _Parser(optparse.OptionParser):
    """optparse that steps over what it does not know instead of ending the process."""

    def __init__(self, version: int) -> None:
        super().__init__(add_help_option=False, option_class=_Option19 if version >= 19 else optparse.Option)
        self.unread: list[str] = []

    def error(self, msg: str) -> NoReturn:
        raise _Refused(msg)

    def _process_long_opt(self, rargs: list[str], values: optparse.Values) -> None:
        flag = rargs[0].split("=", 1)[0]
        try:
            super()._process_long_opt(rargs, values)
        except (optparse.BadOptionError, optparse.OptionValueError, _Refused):
            self.unread.append(flag)

    def _process_short_opts(self, rargs: list[str], values: optparse.Values) -> None:
        flag = rargs[0][:2]
        try:
            super()._process_short_opts(rargs, values)
        except (optparse.BadOptionError, optparse.OptionValueError, _Refused):
            self.unread.append(flag)


def parse_command_line(arguments: Sequence[str], version: int) -> CommandLine:
    """The options in ``arguments`` (what follows the subcommand) as Odoo 17, 18 or 19 understands them."""
    specs = option_specs(version)
    parser = _Parser(version)
    for spec in specs.values():
        if spec.flags:
            _add(parser, spec, spec.flags)
    if version < 19:
        for flag, name in FLAG_ALIASES.items():
            _add(parser, specs[name], (flag,))
    parsed, _ = parser.parse_args(list(arguments))
    given = {name: value for name, value in vars(parsed).items() if value is not None}
    for name, value in given.items():
        if version >= 19 and specs[name].kind == "comma" and isinstance(value, str):
            given[name] = comma_list(value)
    return CommandLine(given, tuple(parser.unread))


def _add(parser: optparse.OptionParser, spec: OptionSpec, flags: Sequence[str]) -> None:
    if spec.takes_value:
        kind = spec.kind if spec.kind in ("int", "float") else "string"
        parser.add_option(*flags, dest=spec.name, type=kind)
    else:
        parser.add_option(*flags, dest=spec.name, action="store_false" if spec.negative else "store_true")


def comma_list(text: str) -> str:
    """A list as 19.0 reads it (configmanager._check_comma): without spaces around the commas, without empty members."""
    return ",".join(part for part in (piece.strip() for piece in text.split(",")) if part)
