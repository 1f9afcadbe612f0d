from __future__ import annotations

import pytest

from slotwise.snapshot.ownership import Join
from slotwise.snapshot.postgres import CLIENT_BACKEND, Backend
from slotwise.snapshot.processes import Process, Processes, Sockets, UnixSocket

POSTMASTER, BACKEND, CLIENT = 900, 950, 700
SOCKETS = Sockets(
    tcp=(),
    unix=(UnixSocket(inode=1, peer_inode=2, path="/s/.s.PGSQL.5432"), UnixSocket(inode=2, peer_inode=1, path=None)),
    unix_peers=True,
    local_addresses=(),
)


def _processes(pid_inside: int | None = None) -> Processes:
    return Processes(
        (
            Process(CLIENT, 1, "http_worker", (), "odoo", inodes=(2,)),
            Process(BACKEND, POSTMASTER, "postgres", (), "postgres", inodes=(1,), pid_inside=pid_inside),
        ),
        "here",
        True,
    )


def _session(pid: int) -> Backend:
    return Backend(pid=pid, backend_type=CLIENT_BACKEND, database="prod", user="odoo", client_port=-1)


@pytest.mark.parametrize(
    ("server", "pid", "pid_inside", "owner"),
    [
        (POSTMASTER, BACKEND, None, ("known", CLIENT)),
        # The session's server runs elsewhere: a process here that happens to have its pid is none of it.
        (None, BACKEND, None, ("unknown", None)),
        (800, BACKEND, None, ("unknown", None)),
        # In a container the server calls its backend 42; the process that is 42 out here is none of it.
        (POSTMASTER, 42, 42, ("known", CLIENT)),
        (POSTMASTER, BACKEND, 42, ("unknown", None)),
    ],
)
def test_a_pid_is_a_backend_only_among_the_children_of_its_server(
    server: int | None, pid: int, pid_inside: int | None, owner: tuple[str, int | None]
) -> None:
    found = Join(_processes(pid_inside), SOCKETS, (), 5432, server).owner(_session(pid))
    assert (found.certainty, found.pid) == owner
