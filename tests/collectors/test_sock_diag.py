from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.network import read_network
from slotwise.collectors.sock_diag import parse_unix_diag, unix_sockets_and_peers
from slotwise.collectors.unix_sockets import parse_proc_net_unix, parse_ss_unix
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import UnixSocket


def inode_of(s: socket.socket) -> int:
    return os.fstat(s.fileno()).st_ino


def test_the_kernel_names_both_ends_of_a_real_connection(tmp_path: Path) -> None:
    path = str(tmp_path / ".s.PGSQL.5432")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        with server.accept()[0] as accepted:
            found = unix_sockets_and_peers()
            assert not isinstance(found, Unavailable)
            by_inode = {s.inode: s for s in found}
            assert by_inode[inode_of(client)].peer_inode == inode_of(accepted)
            assert by_inode[inode_of(accepted)] == UnixSocket(inode_of(accepted), inode_of(client), path)
            assert by_inode[inode_of(server)].peer_inode == 0
            network = read_network()
            assert not isinstance(network, Unavailable)
            assert network.unix_listening[inode_of(server)] == path
            assert inode_of(accepted) in network.known().connected


@given(st.binary(max_size=120))
def test_any_datagram_is_read_or_refused(data: bytes) -> None:
    with suppress(OSError):
        parse_unix_diag(data)


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    message = (
        (36).to_bytes(4, "little") + (2).to_bytes(2, "little") + bytes(10) + (-2).to_bytes(4, "little", signed=True)
    )
    with pytest.raises(OSError, match="error 2"):
        parse_unix_diag(message + bytes(16))


def test_ss_prints_peers_too() -> None:
    text = (
        "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
        'u_str ESTAB 0      0        /run/postgresql/.s.PGSQL.5432 11 * 12 users:(("postgres",pid=7,fd=8))\n'
        "u_str ESTAB 0      0                                    * 12 * 11\n"
        "u_str LISTEN 0     128      /run/my dir/.s.PGSQL.5433 13 * 0\n"
    )
    assert parse_ss_unix(text) == (
        UnixSocket(11, 12, "/run/postgresql/.s.PGSQL.5432"),
        UnixSocket(12, 11, None),
        UnixSocket(13, 0, "/run/my dir/.s.PGSQL.5433"),
    )


def test_proc_net_unix_shows_who_listens() -> None:
    text = (
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000082cff437: 00000002 00000000 00010000 0001 01 59370 /srv/pg/.s.PGSQL.5432\n"
        "00000000fe5c2886: 00000003 00000000 00000000 0001 03 447008 /srv/pg/.s.PGSQL.5432\n"
        "00000000fc92cc88: 00000003 00000000 00000000 0001 03  1064\n"
    )
    assert parse_proc_net_unix(text) == {59370: "/srv/pg/.s.PGSQL.5432"}


@given(st.text(max_size=200))
def test_damaged_lines_of_ss_and_proc_are_left_out(text: str) -> None:
    parse_ss_unix(text)
    parse_proc_net_unix(text)
