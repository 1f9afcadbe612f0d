"""What an Odoo installation is configured to be and which of its processes run."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import MissingEvidence, Part, Unavailable

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

    def integer(self, name: str) -> int:
        """The effective value of ``name`` as a whole number. Raises MissingEvidence where it was not read or is no
        number."""
        found = self.option(name)
        if found is not None and isinstance(found.value, int) and not isinstance(found.value, bool):
            return found.value
        reason = "was not read" if found is None else f"is {found.value!r} in {found.source}, which is no whole number"
        remedy = "run doctor on the Odoo host, or name its file with --config"
        raise MissingEvidence(Unavailable(f"option {name} of {self.id}", reason, remedy))

    def need_major(self) -> int:
        """17, 18 or 19. Raises MissingEvidence where the version is not known."""
        if self.major is None:
            remedy = "run doctor where Odoo's files or its running process can be read"
            raise MissingEvidence(Unavailable(f"version of {self.id}", "neither process nor files tell", remedy))
        return self.major

    @property
    def pinned_databases(self) -> tuple[str, ...]:
        """The databases that ``db_name`` lists, without repeats: preloaded, and the only ones that cron polls. Empty:
        not pinned."""
        value = self.value("db_name")
        names = value.split(",") if isinstance(value, str) else []
        return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))

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

    @property
    def users(self) -> tuple[str, ...]:
        """The PostgreSQL roles that the instances connect as, each once, in the order of the instances."""
        named = (instance.value("db_user") for instance in self.instances)
        return tuple(dict.fromkeys(user for user in named if isinstance(user, str) and user))

    def find(self, instance: str | None) -> OdooInstance | None:
        """The instance with this id, or None."""
        return next((i for i in self.instances if i.id == instance), None)
