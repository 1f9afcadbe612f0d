"""Reads TCP sockets from the text of /proc/net/tcp and /proc/net/tcp6 (Documentation/networking/proc_net_tcp.rst)."""

from __future__ import annotations

import ipaddress
import sys
from functools import lru_cache

from slotwise.snapshot.processes import TcpSocket

# include/net/tcp_states.h
_STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
    "0C": "NEW_SYN_RECV",
}
_WILDCARDS = frozenset({"0.0.0.0", "::"})


def parse_proc_net_tcp(text: str, byte_order: str = sys.byteorder) -> tuple[TcpSocket, ...]:
    """The sockets that a /proc/net/tcp or tcp6 text shows. Lines that are no socket (the head, damage) are left out.

    ``byte_order`` is that of the machine that printed it: addresses stand as 32-bit words in its order.
    """
    sockets: list[TcpSocket] = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 10 or not fields[0].endswith(":"):
            continue
        local, remote, inode = fields[1], fields[2], fields[9]
        try:
            local_addr, local_port = _end(local, byte_order)
            remote_addr, remote_port = _end(remote, byte_order)
            state = _STATES.get(fields[3].upper(), fields[3])
            sockets.append(TcpSocket(local_addr, local_port, remote_addr, remote_port, state, int(inode)))
        except ValueError:
            continue
    return tuple(sockets)


def _end(text: str, byte_order: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    number = int(port, 16)
    if not 0 <= number <= 0xFFFF:
        raise ValueError(text)
    return _address(address, byte_order), number


@lru_cache(maxsize=4096)
def _address(text: str, byte_order: str) -> str:
    """Canonical text of an address printed as hexadecimal words; IPv4-mapped IPv6 becomes IPv4."""
    raw = bytes.fromhex(text)
    if len(raw) not in (4, 16):
        raise ValueError(text)
    if byte_order == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(raw) == 4:
        return str(ipaddress.IPv4Address(raw))
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)


def addresses_in_use(sockets: tuple[TcpSocket, ...]) -> tuple[str, ...]:
    """The local addresses that these sockets are bound to: each belongs to this host. Wildcards are left out."""
    return tuple(sorted({s.local_addr for s in sockets} - _WILDCARDS))


def listening(sockets: tuple[TcpSocket, ...]) -> dict[int, int]:
    """Inode -> port of the sockets that listen."""
    return {s.inode: s.local_port for s in sockets if s.state == "LISTEN" and s.inode}


def by_unique_peer(sockets: tuple[TcpSocket, ...]) -> dict[tuple[str, int], int]:
    """Far end -> inode of the one socket that leads there from a listening port; left out where several do.

    The near ends of connections that a server of this host accepted: a backend's title names the far end.
    """
    ports = set(listening(sockets).values())
    found: dict[tuple[str, int], int] = {}
    several: set[tuple[str, int]] = set()
    for socket in sockets:
        if not socket.inode or socket.state == "LISTEN" or socket.local_port not in ports:
            continue
        peer = (socket.remote_addr, socket.remote_port)
        if peer in found:
            several.add(peer)
        found[peer] = socket.inode
    return {peer: inode for peer, inode in found.items() if peer not in several}
