from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.tcp_sockets import addresses_in_use, by_unique_peer, listening, parse_proc_net_tcp
from slotwise.snapshot.processes import TcpSocket

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(local: str, remote: str, state: str = "01", inode: int = 7) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000   101        0 {inode} 1 0 20\n"


@pytest.mark.parametrize(
    ("local", "remote", "found"),
    [
        ("0100007F:1538", "0200000A:C390", ("127.0.0.1", 5432, "10.0.0.2", 50064)),
        (
            "00000000000000000000000001000000:1538",
            "B80D0120000000000000000001000000:0001",
            ("::1", 5432, "2001:db8::1", 1),
        ),
        (
            "0000000000000000FFFF00000100007F:1538",
            "0000000000000000FFFF00000200000A:0002",
            ("127.0.0.1", 5432, "10.0.0.2", 2),
        ),
    ],
)
def test_addresses_are_canonical(local: str, remote: str, found: tuple[str, int, str, int]) -> None:
    (s,) = parse_proc_net_tcp(HEAD + line(local, remote), "little")
    assert (s.local_addr, s.local_port, s.remote_addr, s.remote_port) == found
    assert (s.state, s.inode) == ("ESTABLISHED", 7)


def test_a_big_endian_machine_prints_words_in_its_own_order() -> None:
    (s,) = parse_proc_net_tcp(line("7F000001:1538", "0A000002:C390"), "big")
    assert (s.local_addr, s.remote_addr) == ("127.0.0.1", "10.0.0.2")


def test_a_real_connection_is_found_from_both_ends() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        found = parse_proc_net_tcp(Path("/proc/net/tcp").read_text())
        ends = {(s.local_port, s.remote_port): s for s in found if s.state == "ESTABLISHED"}
        near, far = client.getsockname()[1], server.getsockname()[1]
        inodes = {
            s.fileno(): int(Path(f"/proc/self/fd/{s.fileno()}").readlink().name[8:-1]) for s in (client, accepted)
        }
        assert ends[near, far].inode == inodes[client.fileno()]
        assert ends[far, near].inode == inodes[accepted.fileno()]
        assert far in listening(found).values()
        assert by_unique_peer(found)["127.0.0.1", near] == inodes[accepted.fileno()]
        assert "127.0.0.1" in addresses_in_use(found)


def test_a_client_of_two_servers_leads_to_neither() -> None:
    sockets = (
        TcpSocket("0.0.0.0", 5432, "0.0.0.0", 0, "LISTEN", 1),
        TcpSocket("0.0.0.0", 5433, "0.0.0.0", 0, "LISTEN", 2),
        TcpSocket("127.0.0.1", 5432, "127.0.0.1", 40000, "ESTABLISHED", 3),
        TcpSocket("127.0.0.1", 5433, "127.0.0.1", 40000, "ESTABLISHED", 4),
        TcpSocket("127.0.0.1", 5432, "127.0.0.1", 40001, "ESTABLISHED", 5),
        TcpSocket("127.0.0.1", 5432, "127.0.0.1", 40002, "TIME_WAIT", 0),
    )
    assert by_unique_peer(sockets) == {("127.0.0.1", 40001): 5}


@given(st.text(max_size=200) | st.text("0123456789ABCDEF: \n", max_size=200))
def test_damaged_lines_are_left_out(text: str) -> None:
    for s in parse_proc_net_tcp(HEAD + text):
        assert 0 <= s.local_port <= 65535


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=3), st.text("0123456789-x", max_size=30))
def test_damaged_fields_are_left_out(local: str, remote: str, state: str, inode: str) -> None:
    parse_proc_net_tcp(f"  0: {local} {remote} {state} a b c d e {inode} 1\n")
