"""Derives from a Snapshot who holds every slot: the evidence that most rules and every face start from."""

from __future__ import annotations

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held, Join, Sessions, client_backends
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Titles
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
        titles.backends if titles else None,
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


def joiner(snapshot: Snapshot) -> Join:
    """The join of this snapshot's backends to its processes; every part that is missing makes owners unknown, not
    wrong."""
    processes = snapshot.processes if isinstance(snapshot.processes, Processes) else None
    sockets = snapshot.sockets if isinstance(snapshot.sockets, Sockets) else None
    pgbouncers = snapshot.pgbouncers.pgbouncers if isinstance(snapshot.pgbouncers, PgBouncers) else ()
    return Join(processes, sockets, pgbouncers, _server_port(snapshot))


def _server_port(snapshot: Snapshot) -> int | None:
    servers = snapshot.server_processes
    if not isinstance(servers, ServerProcesses) or servers.chosen is None:
        return None
    return next((p.port for p in servers.postmasters if p.pid == servers.chosen), None)
