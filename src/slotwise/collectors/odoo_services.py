"""Finds the Odoo services of a live host: what runs, else what is configured, or the files that were named.

Without --config: the running processes; where none runs ODOO_RC, /etc/odoo/*.conf, /etc/odoo.conf, ~/.odoorc, the first
of these that is there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from slotwise.collectors.discovery import Client
from slotwise.collectors.host_files import NO_SUCH_FILE, View, read_file
from slotwise.collectors.odoo_command import OdooCommand
from slotwise.collectors.odoo_command_line import parse_command_line
from slotwise.collectors.odoo_conf import OdooConf, parse_odoo_conf
from slotwise.collectors.odoo_configuration import Inputs, configuration
from slotwise.collectors.odoo_instances import (
    config_path_of,
    groups,
    instance_ids,
    instance_of,
    named_on_command_line,
)
from slotwise.collectors.odoo_options import table_version
from slotwise.collectors.odoo_version import find_version
from slotwise.collectors.pg_target import OsUser
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.process_roles import OdooProcess, odoo_processes
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance

_USER_FILES = ("~/.odoorc", "~/.openerp_serverrc")


class OdooServices(Struct, frozen=True):
    """The Odoo part of a host. ``membership`` maps pids to instance ids; ``clients`` stay outside the Snapshot."""

    odoo: Odoo | Unavailable
    processes: tuple[OdooProcess, ...]
    membership: Mapping[int, str]
    clients: tuple[Client, ...]


class _Source(Struct, frozen=True):
    """Where a service's configuration comes from. ``conf`` None and no ``gap``: it has no file, defaults hold."""

    named: str | None
    conf: OdooConf | None
    gap: Unavailable | None
    note: str = ""


def find_odoo(
    facts: Sequence[ProcessFacts],
    listening: Mapping[int, int],
    *,
    root: Path = Path("/"),
    configs: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    home: str | None = None,
    os_user_of: Callable[[str | None], OsUser | None] = lambda name: None,
) -> OdooServices:
    """The Odoo services of the host under ``root``. ``configs`` are the files that the operator named; ``environment``
    and ``home`` are those of whoever runs slotwise.

    Raises OperatorError where a named file is missing, unreadable or refused by Odoo itself. What is wrong with a file
    that was only found makes the part Unavailable: half of the services would give half of the demand.
    """
    return _Search(facts, listening, root, os_user_of).services(configs, environment or {}, home)


class _Search:
    def __init__(
        self,
        facts: Sequence[ProcessFacts],
        listening: Mapping[int, int],
        root: Path,
        os_user_of: Callable[[str | None], OsUser | None],
    ) -> None:
        self._root = root
        self._os_user_of = os_user_of
        self._versions: dict[int, tuple[str, str] | None] = {}
        self._sources: dict[int, _Source] = {}
        self._processes = odoo_processes(facts, listening, self._workers)
        self._roots = [p for p in self._processes if p.root == p.facts.pid]
        self._ids = instance_ids(self._roots, lambda r: self._source(r.facts, r.command).named)

    def services(self, configs: Sequence[str], environment: Mapping[str, str], home: str | None) -> OdooServices:
        membership = self._membership()
        if configs:
            return self._named(configs, membership)
        if self._roots:
            return self._running(membership)
        return self._configured(environment, home, membership)

    def _membership(self) -> dict[int, str]:
        members = groups(self._processes)
        found = {p.facts.pid: self._ids[root] for root, group in members.items() if root in self._ids for p in group}
        by_file = {self._source(r.facts, r.command).named: self._ids[r.facts.pid] for r in self._roots}
        for process in self._processes:
            named = self._source(process.facts, process.command).named if process.root is None else None
            if named is not None and named in by_file:
                found[process.facts.pid] = by_file[named]
        return found

    # one process ------------------------------------------------------------------------------------------------

    def _view(self, facts: ProcessFacts) -> View:
        """A container's files are reached through its own root directory."""
        base = self._root / f"proc/{facts.pid}/root" if facts.container else self._root
        return View(base, facts.cwd or "/", facts.home)

    def _version(self, facts: ProcessFacts, command: OdooCommand) -> tuple[str, str] | None:
        if facts.pid not in self._versions:
            given = parse_command_line(command.options, 18).values.get("addons_path")
            paths = given.split(",") if isinstance(given, str) else []
            interpreter = facts.arguments[0] if facts.arguments else None
            view = self._view(facts)
            found = find_version(view, command.script, interpreter, paths)
            if found is None:
                conf = self._source(facts, command).conf
                found = find_version(view, None, interpreter, _addons_paths(conf))
            self._versions[facts.pid] = found
        return self._versions[facts.pid]

    def _source(self, facts: ProcessFacts, command: OdooCommand) -> _Source:
        if facts.pid not in self._sources:
            self._sources[facts.pid] = self._find_source(facts, command)
        return self._sources[facts.pid]

    def _find_source(self, facts: ProcessFacts, command: OdooCommand) -> _Source:
        view = self._view(facts)
        named = config_path_of(facts, command.options)
        if named is None and facts.environment is None:
            remedy = f"run slotwise as root or as {facts.user or 'the user of Odoo'}, or give --config FILE"
            reason = f"the environment of pid {facts.pid} may not be read, and ODOO_RC may name a file"
            return _Source(None, None, Unavailable("Odoo configuration", reason, remedy))
        if named is None:
            named = next((f for f in _USER_FILES if facts.home and view.place(f).is_file()), None)
        if named is None:
            return _Source(None, None, None)
        if not named.startswith(("/", "~")) and facts.cwd is None:
            remedy = f"run slotwise as root or as {facts.user or 'the user of Odoo'}, or give --config FILE"
            gap = Unavailable(named, f"the working directory of pid {facts.pid} may not be read", remedy)
            return _Source(named, None, gap)
        shown = view.absolute(named)
        found = self._read(view.place(named), shown, facts)
        if found.gap is not None and found.gap.reason == NO_SUCH_FILE and not named_on_command_line(command.options):
            # Only what -c names must be there (config.py, _parse_config, 17.0 to 19.0); the image for containers sets
            # ODOO_RC whether there is a file or not.
            return _Source(None, None, None)
        return found

    def _read(self, path: Path, shown: str, facts: ProcessFacts | None) -> _Source:
        content = read_file(path, shown)
        if isinstance(content, Unavailable):
            return _Source(shown, None, content)
        try:
            conf = parse_odoo_conf(content, shown)
        except OperatorError as error:
            return _Source(shown, None, Unavailable(shown, error.problem, error.remedy))
        note = ""
        if facts is not None and facts.started_at is not None and _changed_at(path) > facts.started_at + 1:
            note = f" (changed after pid {facts.pid} started)"
        return _Source(shown, conf, None, note)

    def _workers(self, facts: ProcessFacts, command: OdooCommand) -> int | None:
        source = self._source(facts, command)
        if source.gap is not None:
            given = parse_command_line(command.options, 18).values.get("workers")
            return given if isinstance(given, int) else None
        version = self._version(facts, command)
        inputs = Inputs(version[0] if version else None, source.conf, command.options, facts.environment)
        try:
            value = configuration(inputs).value("workers")
        except OperatorError:
            return None
        return int(value) if isinstance(value, int) else None

    # services ---------------------------------------------------------------------------------------------------

    def _running(self, membership: Mapping[int, str]) -> OdooServices:
        instances: list[OdooInstance] = []
        clients: list[Client] = []
        gaps: list[Unavailable] = []
        for process in self._roots:
            source = self._source(process.facts, process.command)
            version = self._version(process.facts, process.command)
            gap = source.gap or _unknown_environment(process.facts, version)
            if gap is not None:
                gaps.append(gap)
                continue
            try:
                found = instance_of(
                    process,
                    [pid for pid, name in membership.items() if name == self._ids[process.facts.pid]],
                    id=self._ids[process.facts.pid],
                    version=version[0] if version else None,
                    version_source=version[1] if version else None,
                    conf=source.conf,
                    config_file=source.named,
                    file_note=source.note,
                    os_user=self._os_user_of(process.facts.user),
                )
            except OperatorError as error:
                gaps.append(Unavailable(source.named or "Odoo configuration", error.problem, error.remedy))
                continue
            instances.append(found.instance)
            clients.append(found.client)
        odoo: Odoo | Unavailable = Odoo(tuple(instances))
        if gaps:
            narrower = f"{gaps[0].remedy}; or name the services to look at by --config FILE"
            odoo = Unavailable(gaps[0].source, gaps[0].reason, narrower)
        return OdooServices(odoo, self._processes, membership, tuple(clients))

    def _named(self, configs: Sequence[str], membership: Mapping[int, str]) -> OdooServices:
        """The files that the operator named, each with the running service that was started with it."""
        instances: list[OdooInstance] = []
        clients: list[Client] = []
        for name in dict.fromkeys(configs):
            path = self._root / name.lstrip("/") if name.startswith("/") else Path(name)
            content = read_file(path, name)
            if isinstance(content, Unavailable):
                raise OperatorError(f"{name}: {content.reason}", content.remedy)
            conf = parse_odoo_conf(content, name)
            running = [r for r in self._roots if self._is_of(r, path)]
            services: list[OdooProcess | None] = [*running] or [None]
            for process in services:
                found = self._instance_of_file(conf, name, process, membership)
                instances.append(found[0])
                clients.append(found[1])
        return OdooServices(Odoo(tuple(instances)), self._processes, membership, tuple(clients))

    def _is_of(self, process: OdooProcess, path: Path) -> bool:
        named = self._source(process.facts, process.command).named
        if named is None:
            return False
        try:
            return self._view(process.facts).place(named).samefile(path)
        except OSError:
            return False

    def _instance_of_file(
        self, conf: OdooConf, name: str, process: OdooProcess | None, membership: Mapping[int, str]
    ) -> tuple[OdooInstance, Client]:
        if process is not None:
            id_ = self._ids[process.facts.pid]
            version = self._version(process.facts, process.command)
            members = [pid for pid, of in membership.items() if of == id_]
            note = self._source(process.facts, process.command).note
        else:
            id_, members, note = name, [], ""
            view = View(self._root, "/" if name.startswith("/") else str(Path.cwd()))
            version = find_version(view, None, None, _addons_paths(conf))
        found = instance_of(
            process,
            members,
            id=id_,
            version=version[0] if version else None,
            version_source=version[1] if version else None,
            conf=conf,
            config_file=name,
            file_note=note,
            os_user=self._os_user_of(process.facts.user if process is not None else None),
        )
        return found.instance, found.client

    def _configured(
        self, environment: Mapping[str, str], home: str | None, membership: Mapping[int, str]
    ) -> OdooServices:
        """Nothing runs: the files that the next start would use."""
        for names in self._candidates(environment, home):
            sources = [self._read(View(self._root, "/", home).place(n), n, None) for n in names]
            there = [s for s in sources if s.gap is None or s.gap.reason != NO_SUCH_FILE]
            if not there:
                continue
            gap = next((s.gap for s in there if s.gap is not None), None)
            if gap is not None:
                return OdooServices(gap, self._processes, membership, ())
            found = []
            for source in there:
                assert source.conf is not None and source.named is not None
                try:
                    found.append(self._instance_of_file(source.conf, source.named, None, membership))
                except OperatorError as error:
                    gap = Unavailable(source.named, error.problem, error.remedy)
                    return OdooServices(gap, self._processes, membership, ())
            odoo = Odoo(tuple(instance for instance, _ in found), "configuration files; no Odoo runs here")
            return OdooServices(odoo, self._processes, membership, tuple(client for _, client in found))
        gap = Unavailable(
            "Odoo configuration", "no running Odoo and no configuration file was found", "give --config FILE"
        )
        return OdooServices(gap, self._processes, membership, ())

    def _candidates(self, environment: Mapping[str, str], home: str | None) -> list[list[str]]:
        directory = self._root / "etc/odoo"
        try:
            in_directory = sorted(f"/etc/odoo/{p.name}" for p in directory.glob("*.conf") if p.is_file())
        except OSError:
            in_directory = []
        of_user = [posixpath.join(home, ".odoorc")] if home else []
        named = environment.get("ODOO_RC")
        return [g for g in ([named] if named else [], in_directory, ["/etc/odoo.conf"], of_user) if g]


def _unknown_environment(facts: ProcessFacts, version: tuple[str, str] | None) -> Unavailable | None:
    """19.0 reads every option from the environment too: where it may not be read, the options are not known."""
    if facts.environment is not None or version is None or table_version(version[0]) < 19:
        return None
    return Unavailable(
        "Odoo configuration",
        f"the environment of pid {facts.pid} may not be read, and Odoo {version[0]} takes options from it",
        f"run slotwise as root or as {facts.user or 'the user of Odoo'}",
    )


def _addons_paths(conf: OdooConf | None) -> list[str]:
    entries = [e.value for e in conf.entries if e.name == "addons_path"] if conf is not None else []
    return [p.strip() for value in entries for p in value.split(",") if p.strip()]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
