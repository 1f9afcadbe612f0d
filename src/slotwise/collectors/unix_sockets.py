"""Reads Unix-domain sockets and their peers from text: `ss -xp` (iproute2) and /proc/net/unix."""

from __future__ import annotations

import re

from slotwise.snapshot.processes import UnixSocket

_SS_LINE = re.compile(
    r"^(?:u_\w+\s+)?[A-Z][A-Z0-9-]*\s+\d+\s+\d+\s+"
    r"(?P<path>\S.*?)\s+(?P<inode>\d+)\s+(?P<peer_path>\S+)\s+(?P<peer>\d+)(?:\s|$)"
)
_PROC_LINE = re.compile(
    r"^[0-9a-fA-F]+: [0-9a-fA-F]+ [0-9a-fA-F]+ (?P<flags>[0-9a-fA-F]+) [0-9a-fA-F]+ [0-9a-fA-F]+\s+"
    r"(?P<inode>\d+)(?: (?P<path>.*))?$"
)
_LISTENING = 0x10000  # SO_ACCEPTCON, include/linux/net.h


def parse_ss_unix(text: str) -> tuple[UnixSocket, ...]:
    """The Unix-domain sockets in the output of `ss -xp`: inode, inode of the peer (0 for none), path where bound."""
    sockets: list[UnixSocket] = []
    for line in text.splitlines():
        match = _SS_LINE.match(line.strip())
        if match is None:
            continue
        path = None if match["path"] == "*" else match["path"]
        sockets.append(UnixSocket(int(match["inode"]), int(match["peer"]), path))
    return tuple(sockets)


def parse_proc_net_unix(text: str) -> dict[int, str]:
    """Inode -> path of the Unix-domain sockets that listen, from /proc/net/unix (net/unix/af_unix.c, unix_seq_show)."""
    paths: dict[int, str] = {}
    for line in text.splitlines():
        match = _PROC_LINE.match(line.rstrip("\n"))
        if match and match["path"] and int(match["flags"], 16) & _LISTENING:
            paths[int(match["inode"])] = match["path"]
    return paths
