"""Asks a full PostgreSQL which of its functions refuses: full slots and a full table of processes share one text.

A start-up packet of protocol 3 without credentials: the answer of a server that refuses before it asks who comes holds
the name of the C function (field R of ErrorResponse; documentation, "Message Formats"). One attempt, never a loop: it
takes a place in the server's queue like any connection.
"""

from __future__ import annotations

import socket
import struct

_PROTOCOL_3 = 196608
_MOST_BYTES = 8192
_HEADER_BYTES = 5


def refusing_routine(host: str, port: int, user: str, seconds: float) -> str | None:
    """The C function that refused (``InitProcess``), or None: the server asked for a password, or said nothing.

    ``host`` is an address, a host name or the directory of the Unix-domain socket.
    """
    packet = startup_packet(user)
    try:
        with _connected(host, port, seconds) as connection:
            connection.sendall(packet)
            return routine_of(_first_message(connection))
    except OSError:
        return None


def startup_packet(user: str) -> bytes:
    """The first packet of a client: its length, the protocol's version, and names with their values."""
    body = struct.pack("!I", _PROTOCOL_3) + b"".join(
        word.encode() + b"\x00" for word in ("user", user, "database", "postgres", "application_name", "slotwise")
    )
    return struct.pack("!I", len(body) + 5) + body + b"\x00"


def routine_of(message: bytes) -> str | None:
    """The field R of an ErrorResponse; None for any other message or a damaged one."""
    if len(message) < _HEADER_BYTES or message[:1] != b"E":
        return None
    for fields in message[_HEADER_BYTES:].split(b"\x00"):
        if fields[:1] == b"R":
            return fields[1:].decode("ascii", "replace")
    return None


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    if host.startswith("/"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        try:
            connection.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection((host, port), timeout=seconds)


def _first_message(connection: socket.socket) -> bytes:
    """The first message of the server, whole, as far as it comes."""
    received = b""
    while len(received) < _MOST_BYTES:
        if len(received) >= _HEADER_BYTES and len(received) >= 1 + struct.unpack("!I", received[1:5])[0]:
            break
        chunk = connection.recv(_MOST_BYTES)
        if not chunk:
            break
        received += chunk
    return received
