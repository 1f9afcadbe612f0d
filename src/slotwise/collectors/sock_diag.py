"""Asks the kernel for Unix-domain sockets and their peers: NETLINK_SOCK_DIAG (sock_diag(7), linux/unix_diag.h).

/proc/net/unix does not show peers, and a connection over a Unix-domain socket has no port to join by. Anyone may ask;
no privilege is needed. Only sockets of the asker's own network namespace are listed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import UnixSocket

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
_ALL_STATES = 0xFFFFFFFF
_SHOW_NAME, _SHOW_PEER = 0x1, 0x4
_ATTRIBUTE_NAME, _ATTRIBUTE_PEER = 0, 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBHIIIII")  # struct unix_diag_req
_MESSAGE = struct.Struct("=BBBBIII")  # struct unix_diag_msg
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr
_TIMEOUT_SECONDS = 2.0
_BUFFER_BYTES = 1 << 17


def unix_sockets_and_peers() -> tuple[UnixSocket, ...] | Unavailable:
    """Every Unix-domain socket of this network namespace with its peer's inode (0: none). Unavailable where the kernel
    does not answer: no sock_diag (the unix_diag module), or forbidden by a sandbox."""
    remedy = "load the module unix_diag (modprobe unix_diag) or run slotwise outside the sandbox"
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _SHOW_NAME | _SHOW_PEER, 0, 0)
    head = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(_TIMEOUT_SECONDS)
            netlink.send(head + request)
            found: list[UnixSocket] = []
            while True:
                sockets, done = parse_unix_diag(netlink.recv(_BUFFER_BYTES))
                found += sockets
                if done:
                    return tuple(found)
    except OSError as error:
        return Unavailable("sock_diag", error.strerror or str(error) or type(error).__name__, remedy)


def parse_unix_diag(data: bytes) -> tuple[list[UnixSocket], bool]:
    """The sockets of one netlink datagram, and whether it was the last one. Raises OSError where the kernel refused."""
    found: list[UnixSocket] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise OSError(0, "a netlink message is cut off")
        body = data[at + _HEADER.size : at + length]
        if kind == _NLMSG_DONE:
            return found, True
        if kind == _NLMSG_ERROR:
            code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
            raise OSError(code, f"the kernel refused (error {code})")
        if kind == _SOCK_DIAG_BY_FAMILY and len(body) >= _MESSAGE.size:
            found.append(_socket(body))
        at += (length + 3) & ~3
    return found, False


def _socket(body: bytes) -> UnixSocket:
    inode = _MESSAGE.unpack_from(body)[4]
    peer, path = 0, None
    for kind, value in _attributes(body[_MESSAGE.size :]):
        if kind == _ATTRIBUTE_PEER and len(value) >= 4:
            peer = struct.unpack_from("=I", value)[0]
        elif kind == _ATTRIBUTE_NAME and value and value[0]:
            path = value.rstrip(b"\0").decode("utf-8", "replace")
    return UnixSocket(inode, peer, path)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
