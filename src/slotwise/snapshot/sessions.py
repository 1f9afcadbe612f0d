"""Derives from a Snapshot who holds every slot: the evidence that most rules and every face start from."""

from __future__ import annotations

from msgspec import structs

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held, Join, Sessions, client_backends
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Backend, Titles
from slotwise.snapshot.processes import Processes, ServerProcesses, Sockets

OWN_APPLICATION_NAME = "slotwise"


def sessions(snapshot: Snapshot) -> Sessions | Unavailable:
    """Every client session of the server that was looked at, with its owner. Unavailable when nothing showed
    sessions."""
    activity = snapshot.activity if isinstance(snapshot.activity, Activity) else None
    titles = snapshot.titles if isinstance(snapshot.titles, Titles) else None
    if activity is None and titles is None:
        assert isinstance(snapshot.activity, Unavailable)
        return snapshot.activity
    backends, unclassified = client_backends(
        activity.backends if activity else None,
        _as_the_server_counts(titles.backends, snapshot)
        if titles and activity
        else titles.backends
        if titles
        else None,
        titles.states_current if titles else None,
    )
    join = joiner(snapshot)
    own_pid = activity.own_pid if activity else None
    own = [b for b in backends if b.pid == own_pid or b.application_name == OWN_APPLICATION_NAME]
    own_pids = {b.pid for b in own}
    held = tuple(Held(b, join.owner(b)) for b in backends if b.pid not in own_pids)
    if activity is not None and titles is not None and activity.masked:
        source = "pg_stat_activity and process titles"
    else:
        source = activity.source if activity is not None else (titles.source if titles else "")
    return Sessions(held, unclassified, len(own), source)


def _as_the_server_counts(titles: tuple[Backend, ...], snapshot: Snapshot) -> tuple[Backend, ...]:
    """The titles with the pids that the server itself uses: in a container they are others than on its host."""
    processes = snapshot.processes.processes if isinstance(snapshot.processes, Processes) else ()
    inside = {p.pid: p.pid_inside for p in processes if p.pid_inside is not None}
    return tuple(structs.replace(t, pid=inside.get(t.pid, t.pid)) for t in titles) if inside else titles


def joiner(snapshot: Snapshot) -> Join:
    """The join of this snapshot's backends to its processes; every part that is missing makes owners unknown, not
    wrong."""
    processes = snapshot.processes if isinstance(snapshot.processes, Processes) else None
    sockets = snapshot.sockets if isinstance(snapshot.sockets, Sockets) else None
    pgbouncers = snapshot.pgbouncers.pgbouncers if isinstance(snapshot.pgbouncers, PgBouncers) else ()
    servers = snapshot.server_processes if isinstance(snapshot.server_processes, ServerProcesses) else None
    chosen = servers.chosen if servers is not None else None
    port = next((p.port for p in servers.postmasters if p.pid == chosen), None) if servers is not None else None
    return Join(processes, sockets, pgbouncers, port, chosen)
