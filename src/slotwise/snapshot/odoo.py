"""What an Odoo installation is configured to be and which of its processes run."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import Part

OptionValue = str | int | float | bool | None


class OdooOption(Struct, frozen=True):
    """One effective option. ``source`` is where the value was read: ``command line of pid 4``,
    ``/etc/odoo/odoo.conf:12``, ``default of 18.0``."""

    name: str
    value: OptionValue
    source: str


class IgnoredKey(Struct, frozen=True):
    """A key in the file (or environment) that this Odoo version does not read, or reads as another one."""

    name: str
    value: str
    source: str
    meaning: str
    """What this version does with it, e.g. ``ignored since 18.0; the option is gevent_port``."""


class OdooInstance(Struct, frozen=True):
    """One Odoo service. ``version`` is ``17.0`` … or None where neither process nor files tell; ``id`` is stable
    within a snapshot.

    ``processes`` are the pids that belong to it; empty means *not seen running here*, which is not the same as stopped.
    """

    id: str
    version: str | None
    version_source: str | None
    config_file: str | None
    options: tuple[OdooOption, ...]
    ignored_keys: tuple[IgnoredKey, ...] = ()
    processes: tuple[int, ...] = ()
    container: bool = False
    addons_paths: tuple[str, ...] = ()

    def option(self, name: str) -> OdooOption | None:
        """The effective option called ``name``, or None where this version has none."""
        return next((o for o in self.options if o.name == name), None)

    def value(self, name: str) -> OptionValue:
        """The effective value of ``name``; None where the option is unset or this version has none."""
        found = self.option(name)
        return None if found is None else found.value

    @property
    def major(self) -> int | None:
        """17, 18 or 19; None where the version is not known."""
        if self.version is None:
            return None
        head = self.version.split(".")[0].removeprefix("saas~")
        return int(head) if head.isdigit() else None


class Odoo(Part, frozen=True):
    """All Odoo instances that were found or named."""

    instances: tuple[OdooInstance, ...]
    source: str = "odoo.conf, command line and environment"
