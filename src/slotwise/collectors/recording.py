"""Turns a recording of a real host (raw rows and texts, as JSON) into a Snapshot, by the live collectors' parsers.

A recording holds what one host showed at one moment: rows of PostgreSQL's views, processes with socket inodes, the
texts of /proc/net and ss, odoo.conf, the tail of Odoo's log, rows of PgBouncer's console. A missing or null key is a
gap of its own, never a reason to fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import structs

from slotwise import __version__
from slotwise.collectors.odoo_command import OdooCommand
from slotwise.collectors.odoo_conf import OdooConf, parse_odoo_conf
from slotwise.collectors.odoo_configuration import Inputs, configuration
from slotwise.collectors.odoo_instances import config_path_of, groups, instance_ids, instance_of, process_of
from slotwise.collectors.odoo_log_refusals import refusals_in_odoo_log
from slotwise.collectors.pgbouncer_rows import pgbouncer_of_rows
from slotwise.collectors.postmasters import ServerTitles, choose, find_postmasters
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.process_roles import OdooProcess, odoo_processes
from slotwise.collectors.queue_job import with_job_runners
from slotwise.collectors.recorded_host import RecordedHost
from slotwise.collectors.recording_rows import (
    activity_of_rows,
    databases_of_rows,
    epoch,
    roles_of_rows,
    settings_of_rows,
)
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Databases, Roles, Server, Settings, Titles
from slotwise.snapshot.processes import Processes, ServerProcesses
from slotwise.snapshot.refusals import Refusals

_RECORDING_KEYS = frozenset({"pg_stat_activity", "processes", "pg_settings", "odoo_conf", "pgbouncer"})
_DEFAULT_CONF = "odoo.conf"


def is_recording(head: object) -> bool:
    """Whether a decoded JSON document looks like a recording (and not like a Snapshot)."""
    return isinstance(head, dict) and "schema" not in head and bool(_RECORDING_KEYS & head.keys())


def snapshot_of_recording(content: bytes, name: str) -> Snapshot:
    """The Snapshot of a recording; ``name`` is the file's name, for messages.

    Raises OperatorError where it is no recording or a field has another shape than a recording's.
    """
    remedy = "give a recording (tests/evidence/) or a file written by `slotwise snapshot -o FILE`"
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(f"{name} is not valid JSON ({error})", remedy) from error
    if not is_recording(document):
        raise OperatorError(f"{name} is no recording: it has none of {', '.join(sorted(_RECORDING_KEYS))}", remedy)
    return _Recording(document, name).snapshot()


class _Recording(RecordedHost):
    """One recording on its way to a Snapshot."""

    def _conf(self, path: str) -> OdooConf | None:
        content = self._text("odoo_conf")
        return None if content is None else parse_odoo_conf(content.encode(), path)

    def _workers(self, facts: ProcessFacts, command: OdooCommand) -> int | None:
        path = config_path_of(facts, command.options, self._version)
        conf = self._conf(path or _DEFAULT_CONF)
        if conf is None and path is not None:
            return None
        value = configuration(Inputs(self._version, conf, command.options, facts.environment)).value("workers")
        return int(value) if isinstance(value, int) else None

    def _odoo(self, odoo: Sequence[OdooProcess]) -> tuple[Odoo | Unavailable, dict[int, str]]:
        """The instances, and the instance of each of their processes."""
        members = groups(odoo)
        roots = [p for p in odoo if p.root == p.facts.pid]
        paths = {r.facts.pid: config_path_of(r.facts, r.command.options, self._version) for r in roots}
        ids = instance_ids(roots, lambda r: paths[r.facts.pid])
        membership = {p.facts.pid: ids[root] for root, group in members.items() if root in ids for p in group}
        membership |= self._tools(odoo, paths, ids)
        if self._text("odoo_conf") is None and (not roots or any(paths.values())):
            return self._gap("odoo_conf"), membership
        source = f"odoo_version of {self._name}"
        if not roots:
            alone = instance_of(
                None,
                (),
                id=_DEFAULT_CONF,
                version=self._version,
                version_source=source,
                conf=self._conf(_DEFAULT_CONF),
                config_file=_DEFAULT_CONF,
            )
            return Odoo((alone.instance,), f"odoo_conf of {self._name}"), membership
        instances = tuple(
            instance_of(
                root,
                [pid for pid, name in membership.items() if name == ids[root.facts.pid]],
                id=ids[root.facts.pid],
                version=self._version,
                version_source=source if self._version else None,
                conf=self._conf(paths[root.facts.pid] or _DEFAULT_CONF),
                config_file=paths[root.facts.pid],
            ).instance
            for root in roots
        )
        return Odoo(instances, f"command lines and odoo_conf of {self._name}"), membership

    def _tools(
        self, odoo: Sequence[OdooProcess], paths: Mapping[int, str | None], ids: Mapping[int, str]
    ) -> dict[int, str]:
        """Shells and commands belong to the instance whose configuration file they were given."""
        by_path = {path: ids[pid] for pid, path in paths.items() if path is not None}
        tools = [p for p in odoo if p.root is None]
        named = {p.facts.pid: config_path_of(p.facts, p.command.options, self._version) for p in tools}
        return {pid: by_path[path] for pid, path in named.items() if path is not None and path in by_path}

    def _processes(self, odoo: Sequence[OdooProcess], membership: Mapping[int, str]) -> Processes | Unavailable:
        if self._facts is None:
            return self._gap("processes")
        roles = {p.facts.pid: p for p in odoo}
        return Processes(
            tuple(process_of(f, roles.get(f.pid), membership.get(f.pid)) for f in self._facts),
            host=self._host(),
            complete=all(f.inodes is not None for f in self._facts),
            source=f"processes of {self._name}",
        )

    def _titles(
        self, found: ServerTitles, chosen: int | None, settings: Settings | Unavailable
    ) -> Titles | Unavailable:
        if chosen is None:
            return Unavailable("process titles", "the server's processes are not in the recording", "record processes")
        updated = settings.find("update_process_title") if isinstance(settings, Settings) else None
        current = None if updated is None else updated.value == "on"
        return Titles(found.sessions[chosen], current, f"process titles of {self._name}")

    def _server(
        self,
        settings: Settings | Unavailable,
        roles: Roles | Unavailable,
        activity: Activity | Unavailable,
        servers: ServerProcesses | Unavailable,
    ) -> Server | Unavailable:
        if not isinstance(settings, Settings) or (version := settings.find("server_version_num")) is None:
            return self._gap("pg_settings")
        if not version.value.isdecimal():
            raise self._wrong("pg_settings.server_version_num", "a number")
        own = (
            [b for b in activity.backends if b.application_name == "slotwise"] if isinstance(activity, Activity) else []
        )
        user = own[0].user if own else None
        role = roles.find(user) if isinstance(roles, Roles) and user else None
        master = None
        if isinstance(servers, ServerProcesses):
            master = next((s for s in servers.postmasters if s.pid == servers.chosen), None)
        facts = next((f for f in self._facts or () if master and f.pid == master.pid), None)
        return Server(
            version_num=int(version.value),
            address=f"127.0.0.1:{master.port}" if master and master.port else "recorded server",
            user=user,
            is_superuser=role.superuser if role else None,
            in_recovery=None,
            data_directory=master.data_directory if master else None,
            started_at=facts.started_at if facts else None,
            reads_all_stats=not activity.masked if isinstance(activity, Activity) else None,
        )

    def _pgbouncers(self) -> PgBouncers | Unavailable:
        shows = self._document.get("pgbouncer")
        running = [f for f in self._facts or () if f.program == "pgbouncer" or f.command == "pgbouncer"]
        if shows is None:
            if running or self._facts is None:
                return self._gap("pgbouncer")
            return PgBouncers((), f"processes of {self._name}")
        if not isinstance(shows, dict):
            raise self._wrong("pgbouncer", "an object of SHOW results")
        for name, rows in shows.items():
            wrong = not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows)
            if rows is not None and wrong:
                raise self._wrong(f"pgbouncer.{name}", "a list of rows")
        known = {str(name).upper().removeprefix("SHOW "): rows for name, rows in shows.items()}
        found = pgbouncer_of_rows(known)
        if isinstance(found, Unavailable):
            return found
        port = found.config.get("listen_port", "")
        holders = [f for f in running if any(str(self._ports().get(i)) == port for i in f.inodes or ())]
        process = holders[0] if len(holders) == 1 else running[0] if len(running) == 1 else None
        return PgBouncers((structs.replace(found, pid=process.pid if process else None),), f"pgbouncer of {self._name}")

    def _refusals(self) -> Refusals | Unavailable:
        log = self._text("odoo_log")
        if log is None:
            return self._gap("odoo_log")
        where = f"odoo_log of {self._name}"
        return Refusals(refusals_in_odoo_log(log, where), (where,))

    def snapshot(self) -> Snapshot:
        """Everything put together. Roles of queue_job's runner need the sessions, so they come last."""
        activity = activity_of_rows(rows) if (rows := self._rows("pg_stat_activity")) is not None else None
        settings = settings_of_rows(rows) if (rows := self._rows("pg_settings")) is not None else None
        roles: Roles | Unavailable = (
            roles_of_rows(rows) if (rows := self._rows("pg_roles")) is not None else self._gap("pg_roles")
        )
        databases: Databases | Unavailable = (
            databases_of_rows(rows) if (rows := self._rows("pg_database")) is not None else self._gap("pg_database")
        )
        seen: Activity | Unavailable = activity or self._gap("pg_stat_activity")
        set_: Settings | Unavailable = settings or self._gap("pg_settings")
        odoo = odoo_processes(self._facts or (), self._ports(), self._workers)
        instances, membership = self._odoo(odoo)
        names = frozenset(d.name for d in databases.databases) if isinstance(databases, Databases) else frozenset()
        cluster = settings.find("cluster_name") if settings else None
        masters = {
            f.pid: cluster.value for f in self._facts or () if cluster and f.program in ("postgres", "postmaster")
        }
        found = find_postmasters(self._facts or (), self._ports(), self._unix_listening, names, masters)
        pids = frozenset(b.pid for b in activity.backends) if activity else frozenset[int]()
        servers: ServerProcesses | Unavailable = (
            choose(found.servers, pids) if self._facts is not None else self._gap("processes")
        )
        chosen = servers.chosen if isinstance(servers, ServerProcesses) else None
        taken_at = epoch(self._document, "recorded_at")
        snapshot = Snapshot(
            taken_at=taken_at if taken_at is not None else _latest(seen),
            host=self._host(),
            slotwise_version=__version__,
            server=self._server(set_, roles, seen, servers),
            activity=seen,
            titles=self._titles(found, chosen, set_),
            settings=set_,
            roles=roles,
            databases=databases,
            processes=self._processes(odoo, membership),
            server_processes=servers,
            sockets=self._sockets(),
            memory=self._memory(),
            odoo=instances,
            pgbouncers=self._pgbouncers(),
            refusals=self._refusals(),
        )
        return _with_sources(with_job_runners(snapshot), self._name)


def _with_sources(snapshot: Snapshot, name: str) -> Snapshot:
    """One report a part: a replayed part costs nothing and either is there or says why not."""
    reports = []
    for field in (
        "activity",
        "settings",
        "roles",
        "databases",
        "processes",
        "sockets",
        "odoo",
        "pgbouncers",
        "refusals",
    ):
        part = getattr(snapshot, field)
        if isinstance(part, Unavailable):
            reports.append(SourceReport(f"{field} of {name}", "skipped", 0.0, part.reason, part.remedy))
        else:
            reports.append(SourceReport(f"{field} of {name}", "ok", 0.0))
    return structs.replace(snapshot, sources=tuple(reports))


def _latest(activity: Activity | Unavailable) -> float:
    """The latest moment that the sessions themselves show: the time of a recording that does not name its own."""
    if isinstance(activity, Unavailable):
        return 0.0
    moments = [m for b in activity.backends for m in (b.backend_start, b.query_start, b.state_change) if m is not None]
    return max(moments, default=0.0)
