"""Looks at the whole host in one go: processes, sockets, servers, Odoo, memory. No connection, nothing written."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from slotwise.collectors.discovery import Client, Pooler, Surroundings
from slotwise.collectors.earlier_look import Configured, EarlierLook, Measured, Standing
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.collectors.local_servers import located, pooler_of, settings_of_server, states_current, view_of
from slotwise.collectors.log_tails import collect_refusals
from slotwise.collectors.machine import collect_machine
from slotwise.collectors.memory import SAMPLE, collect_memory, spread
from slotwise.collectors.network import Network, ends_of, read_network, sockets_that_matter, with_containers
from slotwise.collectors.odoo_instances import process_of
from slotwise.collectors.odoo_services import OdooServices, find_odoo
from slotwise.collectors.patience import NoAnswer, within
from slotwise.collectors.pg_target import OsUser
from slotwise.collectors.postmasters import (
    ServerTitles,
    data_directory,
    find_postmasters,
    postmasters_among,
    without_sessions,
)
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.procfs import Sweep, command_line, open_sockets, sweep
from slotwise.snapshot.evidence import SourceReport, SourceState, Unavailable
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import STARTING
from slotwise.snapshot.postgres import Settings, Titles
from slotwise.snapshot.processes import Host, Memory, Postmaster, Processes, ServerProcesses, Sockets
from slotwise.snapshot.refusals import Refusals

DEFAULT_PORTS = (5432, 6432)
"""PostgreSQL's and PgBouncer's own: looked at although nothing here listens there, for servers on other hosts."""
_Part = TypeVar("_Part")


def look_at_host(
    *,
    root: Path = Path("/"),
    configs: Sequence[str] = (),
    log_files: Sequence[str] = (),
    clock: Callable[[], float] = time.monotonic,
    patience_seconds: float = 2.0,
    earlier: EarlierLook | None = None,
) -> HostEvidence:
    """What this host shows. ``configs`` and ``log_files`` are the files that the operator named. A file system that has
    not answered after ``patience_seconds`` (for Odoo's files, and again for logs) leaves a gap. What ``earlier`` holds
    of sessions and processes that still live is taken over: their titles' states and their memory are of that time.

    Raises OperatorError where a named file cannot be read or Odoo itself would refuse it.
    """
    return _Look(root, clock, patience_seconds, earlier or EarlierLook()).evidence(configs, log_files)


class _Look:
    def __init__(self, root: Path, clock: Callable[[], float], patience_seconds: float, earlier: EarlierLook) -> None:
        self._earlier = earlier
        self._root = root
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._reports: list[SourceReport] = []

    def _timed(self, name: str, read: Callable[[], _Part | Unavailable]) -> _Part | Unavailable:
        """What a collector gives, with its duration and its failure in the reports."""
        began = self._clock()
        part = read()
        seconds = self._clock() - began
        if isinstance(part, Unavailable):
            self._reports.append(SourceReport(name, "failed", seconds, part.reason, part.remedy))
        else:
            self._reports.append(SourceReport(name, "ok", seconds))
        return part

    def evidence(self, configs: Sequence[str], log_files: Sequence[str]) -> HostEvidence:
        own = self._timed("sockets", lambda: read_network(self._root))
        known = None if isinstance(own, Unavailable) else own.known()
        swept = self._timed("processes", lambda: sweep(self._root, known, self._earlier.sessions))
        facts = () if isinstance(swept, Unavailable) else swept.facts
        network = own if isinstance(own, Unavailable) else with_containers(own, facts, self._root)
        ports = {} if isinstance(network, Unavailable) else network.ports
        services = self._services(facts, ports, configs)
        settings: dict[int, Settings] = {}
        found = self._servers(facts, network, settings)
        poolers = self._poolers(facts, network)
        machine: Host | Unavailable = self._timed("machine", lambda: collect_machine(self._root))
        memory: Memory | Unavailable = self._timed("memory", lambda: self._memory(found, services, facts))
        refusals: Refusals | Unavailable = self._timed("logs", lambda: self._refusals(services, facts, log_files))
        sockets = self._sockets(network, facts, found, poolers, services)
        processes = self._processes(swept, services, sockets)
        return HostEvidence(
            processes=processes,
            server_processes=swept if isinstance(swept, Unavailable) else ServerProcesses(found.servers, None),
            sockets=sockets,
            memory=memory,
            machine=machine,
            odoo=services.odoo,
            refusals=refusals,
            titles={pid: Titles(rows, states_current(settings, pid)) for pid, rows in found.sessions.items()},
            settings=settings,
            clients=services.clients,
            surroundings=Surroundings(
                servers=found.servers,
                owners=_owners(facts, found.servers),
                poolers=poolers,
                addresses=() if isinstance(network, Unavailable) else network.local_addresses,
                may_become=os.geteuid() == 0,
            ),
            reports=tuple(self._reports),
            earlier=_for_the_next(swept, found, processes, memory, settings),
        )

    def _services(self, facts: Sequence[ProcessFacts], ports: dict[int, int], configs: Sequence[str]) -> OdooServices:
        began = self._clock()
        try:
            services = within(self._patience_seconds, lambda: self._odoo(facts, ports, configs))
        except NoAnswer:
            services = OdooServices(_silent("Odoo's files", "give --config FILE with a copy of odoo.conf"), (), {}, ())
        gap = services.odoo if isinstance(services.odoo, Unavailable) else None
        state: SourceState = "ok" if gap is None else "failed"
        reason, remedy = (gap.reason, gap.remedy) if gap is not None else (None, None)
        self._reports.append(SourceReport("Odoo", state, self._clock() - began, reason, remedy))
        return services

    def _odoo(self, facts: Sequence[ProcessFacts], ports: dict[int, int], configs: Sequence[str]) -> OdooServices:
        return find_odoo(
            # Hundreds of them, and none is Odoo's.
            [f for f in facts if f.program != "postgres"],
            ports,
            root=self._root,
            configs=configs,
            environment=os.environ,
            home=str(Path.home()),
            os_user_of=os_user_called,
        )

    def _servers(
        self, facts: Sequence[ProcessFacts], network: Network | Unavailable, settings: dict[int, Settings]
    ) -> ServerTitles:
        """The servers with their sessions; fills ``settings`` with what their files say."""
        began = self._clock()
        tcp = {} if isinstance(network, Unavailable) else network.ports
        unix = {} if isinstance(network, Unavailable) else network.unix_listening
        by_pid = {f.pid: f for f in facts}
        gap: Unavailable | None = None
        masters = postmasters_among(facts)
        for master in masters:
            before = self._earlier.settings.get(master.pid)
            if before is not None and before.started_at == master.started_at:
                settings[master.pid] = before.settings
                continue
            read = settings_of_server(master, data_directory(master), self._root, os_user_called(master.user))
            if isinstance(read, Unavailable):
                gap = read
            else:
                settings[master.pid] = read
        names = {pid: s.value for pid, read in settings.items() if (s := read.find("cluster_name")) is not None}
        found = find_postmasters(facts, tcp, unix, cluster_names=names)
        found = self._settled(found, facts)
        seconds = self._clock() - began
        if masters:
            state: SourceState = "ok" if gap is None else "partial"
            reason, remedy = (gap.reason, gap.remedy) if gap is not None else (None, None)
            self._reports.append(SourceReport("servers from outside", state, seconds, reason, remedy))
        if isinstance(network, Unavailable):
            return found
        placed = tuple(
            located(s, by_pid[s.pid], settings.get(s.pid) or _NO_SETTINGS, network, self._root) for s in found.servers
        )
        return structs.replace(found, servers=placed)

    def _settled(self, found: ServerTitles, facts: Sequence[ProcessFacts]) -> ServerTitles:
        """Without sessions that were only just being refused, and without slotwise's own attempt to connect.

        A refused connection shows a title for a moment; what is still there after the files were read holds a slot or
        waits for one.
        """
        starting = {b.pid for rows in found.sessions.values() for b in rows if b.state in STARTING}
        if not starting:
            return found
        titles = {pid: command_line(pid, self._root) for pid in starting}
        kin = [f.pid for f in facts if os.getpid() in (f.pid, f.ppid)]
        own = ends_of(read_network(self._root), {i for pid in kin for i in open_sockets(pid, self._root)})
        gone = {
            b.pid
            for rows in found.sessions.values()
            for b in rows
            if b.pid in starting and (not titles[b.pid] or (b.client_addr, b.client_port) in own)
        }
        return without_sessions(found, gone)

    def _poolers(self, facts: Sequence[ProcessFacts], network: Network | Unavailable) -> tuple[Pooler, ...]:
        running = [f for f in facts if f.program == "pgbouncer" or f.command == "pgbouncer"]
        if isinstance(network, Unavailable):
            return ()
        return tuple(pooler_of(f, network, self._root, os_user_called) for f in running)

    def _sockets(
        self,
        network: Network | Unavailable,
        facts: Sequence[ProcessFacts],
        found: ServerTitles,
        poolers: Sequence[Pooler],
        services: OdooServices,
    ) -> Sockets | Unavailable:
        if isinstance(network, Unavailable):
            return network
        sessions = {pid for server in found.servers for pid in server.children}
        backends = [f for f in facts if f.pid in sessions]
        return sockets_that_matter(network, _ports(found.servers, poolers, services.clients), backends)

    def _processes(
        self, swept: Sweep | Unavailable, services: OdooServices, sockets: Sockets | Unavailable
    ) -> Processes | Unavailable:
        """Odoo, servers, poolers, and whoever holds an end of a connection to one of them."""
        if isinstance(swept, Unavailable):
            return swept
        roles = {p.facts.pid: p for p in services.processes}
        ends: set[int] = set()
        if not isinstance(sockets, Unavailable):
            ends = {s.inode for s in sockets.tcp} | {s.inode for s in sockets.unix}
        before = self._earlier.sessions
        named = [
            known.process
            if (known := before.get(f.pid)) is not None and known.facts is f
            else process_of(f, roles.get(f.pid), services.membership.get(f.pid))
            for f in swept.facts
        ]
        kept = tuple(p for p in named if p.role != "unknown" or p.pid in roles or not ends.isdisjoint(p.inodes))
        return Processes(kept, os.uname().nodename, swept.complete)

    def _memory(
        self, found: ServerTitles, services: OdooServices, facts: Sequence[ProcessFacts]
    ) -> Memory | Unavailable:
        # A share for every server: one with many sessions must not use up the sample of another.
        share = max(5, SAMPLE // max(1, len(found.servers)))
        measured = self._earlier.memory
        known = {
            f.pid: before.memory
            for f in facts
            if (before := measured.get(f.pid)) is not None and before.started_at == f.started_at
        }
        backends = [pid for server in found.servers for pid in _sample(server.children, share, known)]
        odoo = [p.facts.pid for p in services.processes]
        return collect_memory(backends, odoo, self._root, sample=len(backends), known=known)

    def _refusals(
        self, services: OdooServices, facts: Sequence[ProcessFacts], named: Sequence[str]
    ) -> Refusals | Unavailable:
        by_pid = {f.pid: f for f in facts}
        instances = services.odoo.instances if isinstance(services.odoo, Odoo) else ()
        found: list[tuple[str, Path]] = []
        for instance in instances:
            logfile = instance.value("logfile")
            process = by_pid.get(instance.processes[0]) if instance.processes else None
            if isinstance(logfile, str) and logfile not in ("", "None", "False"):
                place = view_of(process, self._root).place(logfile) if process else self._root / logfile.lstrip("/")
                found.append((logfile, place))
        try:
            return within(self._patience_seconds, lambda: collect_refusals(named, found))
        except NoAnswer:
            return _silent("logs", "give --log FILE with a copy")


def _sample(pids: Sequence[int], share: int, known: Collection[int]) -> list[int]:
    """Those of ``pids`` whose memory is known while they are most of the sample, else a new one."""
    still = [pid for pid in pids if pid in known][:share]
    return still if 4 * len(still) >= 3 * min(share, len(pids)) else spread(pids, share)


def _for_the_next(
    swept: Sweep | Unavailable,
    found: ServerTitles,
    processes: Processes | Unavailable,
    memory: Memory | Unavailable,
    settings: Mapping[int, Settings],
) -> EarlierLook:
    """Sessions that are through with logging in and whose socket is known, all memory that was measured, and what
    could be read of servers' files."""
    if isinstance(swept, Unavailable) or isinstance(processes, Unavailable):
        return EarlierLook()
    by_pid = {f.pid: f for f in swept.facts}
    settled = [b.pid for rows in found.sessions.values() for b in rows if b.state not in STARTING]
    shown = {p.pid: p for p in processes.processes}
    sessions = {
        pid: Standing(by_pid[pid], swept.stamps[pid], shown[pid])
        for pid in settled
        if pid in swept.stamps and pid in shown and by_pid[pid].inodes
    }
    rows = () if isinstance(memory, Unavailable) else memory.processes
    started = {pid: f.started_at for pid, f in by_pid.items()}
    return EarlierLook(
        sessions,
        {m.pid: Measured(started[m.pid], m) for m in rows if m.pid in started},
        {pid: Configured(started[pid], read) for pid, read in settings.items() if pid in started},
    )


_NO_SETTINGS = Unavailable("settings", "not read", "")


def _silent(source: str, remedy: str) -> Unavailable:
    return Unavailable(
        source, "the file system does not answer", f"look at its mounts (a dead NFS server?), or {remedy}"
    )


def _ports(servers: Iterable[Postmaster], poolers: Iterable[Pooler], clients: Iterable[Client]) -> frozenset[int]:
    """The ports of everything on the way from Odoo to its data."""
    found = {
        *DEFAULT_PORTS,
        *(s.port for s in servers),
        *(c.port for c in clients),
        *(p for o in poolers for p in o.ports),
    }
    for pooler in poolers:
        entries = pooler.ini.databases.values() if pooler.ini is not None else ()
        found.update(int(e["port"]) for e in entries if e.get("port", "").isdecimal())
    return frozenset(p for p in found if p is not None)


def _owners(facts: Iterable[ProcessFacts], servers: Iterable[Postmaster]) -> dict[int, OsUser]:
    users = {f.pid: f.user for f in facts}
    found = {s.pid: os_user_called(users.get(s.pid)) for s in servers}
    return {pid: user for pid, user in found.items() if user is not None}


def os_user_called(name: str | None) -> OsUser | None:
    """The user of this host's operating system with this name (or number, where it has no name); None for none."""
    try:
        entry = pwd.getpwuid(int(name)) if name and name.isdecimal() else pwd.getpwnam(name or "")
    except KeyError:
        return None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
