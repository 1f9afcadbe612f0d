from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.postmasters import (
    choose,
    command_line_settings,
    find_postmasters,
    without_sessions,
)
from slotwise.collectors.process_facts import ProcessFacts

MASTER = ("/usr/lib/postgresql/15/bin/postgres", "-D", "/data")


def facts(pid: int, ppid: int, *arguments: str, inodes: tuple[int, ...] = ()) -> ProcessFacts:
    return ProcessFacts(pid, ppid, arguments, inodes=inodes, started_at=1.0)


HOST = (
    facts(10, 1, *MASTER, inodes=(1, 2)),
    facts(11, 10, "postgres: checkpointer "),
    facts(12, 10, "postgres: odoo prod 127.0.0.1(40000) idle"),
    facts(13, 10, *MASTER),  # no startup packet yet
    facts(14, 10, ""),  # being born
    facts(20, 1, "postgres", "-p", "5433", "-c", "data_directory=/other"),
    facts(21, 20, "postgres: x y [local] idle"),
    facts(30, 1, "vim", "postgres.conf"),
    facts(40, 1, "postgres", "-C", "max_connections", "-D", "/data"),
)


def test_servers_and_their_sessions() -> None:
    found = find_postmasters(HOST, {1: 5432}, {2: "/run/pg/.s.PGSQL.5432"})
    first, second = found.servers
    assert (first.pid, first.port, first.data_directory, first.socket_directories) == (10, 5432, "/data", ("/run/pg",))
    assert (first.children, first.unauthenticated) == ((12,), 1)
    assert (second.pid, second.port, second.children) == (20, 5433, (21,))
    assert [b.user for b in found.sessions[20]] == ["x"]
    less = without_sessions(found, {12})
    assert less.servers[0].children == () and less.sessions[10] == () and less.sessions[20]


def test_the_server_that_counts() -> None:
    servers = find_postmasters(HOST, {1: 5432}, {}).servers
    assert choose(servers).chosen is None
    assert choose(servers, port=5433).chosen == 20
    assert choose(servers, frozenset({12}), port=5433).chosen == 10
    assert choose(servers[:1]).chosen == 10
    assert choose(()).chosen is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("-D /d -c max_connections=50 -p 5433", {"max_connections": "50", "port": "5433"}),
        ("-cmax_connections=50 --max-wal-senders=0", {"max_connections": "50", "max_wal_senders": "0"}),
        (
            "-N 30 -B 64MB -k /tmp",
            {"max_connections": "30", "shared_buffers": "64MB", "unix_socket_directories": "/tmp"},
        ),
        ("-D -c -c port=1 -c port=2", {"port": "2"}),
        ("", {}),
    ],
)
def test_what_a_server_was_given_on_its_command_line(arguments: str, found: dict[str, str]) -> None:
    assert command_line_settings(["postgres", *arguments.split()]) == found


@given(st.lists(st.text(max_size=10) | st.sampled_from(["-c", "-D", "-p", "--x=y", "-N"]), max_size=8))
def test_any_command_line_is_read(arguments: list[str]) -> None:
    command_line_settings(arguments)
    find_postmasters((facts(1, 0, "postgres", *arguments),), {}, {})
