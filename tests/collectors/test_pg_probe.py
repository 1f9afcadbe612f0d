from __future__ import annotations

import socket
import struct
import threading

from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.pg_probe import refusing_routine, routine_of, startup_packet

REFUSED = b"SFATAL\x00VFATAL\x00C53300\x00Msorry, too many clients already\x00Fproc.c\x00L353\x00RInitProcess\x00\x00"


def error(body: bytes) -> bytes:
    return b"E" + struct.pack("!I", len(body) + 4) + body


def test_the_packet_says_its_own_length_and_version_3() -> None:
    packet = startup_packet("odoo")
    assert struct.unpack("!II", packet[:8]) == (len(packet), 3 << 16)
    assert packet[8:].split(b"\x00")[:4] == [b"user", b"odoo", b"database", b"postgres"]
    assert packet.endswith(b"\x00\x00")


def test_the_routine_is_read_from_the_answer() -> None:
    assert routine_of(error(REFUSED)) == "InitProcess"


def test_a_request_for_a_password_names_no_routine() -> None:
    assert routine_of(b"R" + struct.pack("!II", 8, 3)) is None


@given(st.binary())
def test_no_bytes_break_it(message: bytes) -> None:
    routine_of(message)


def test_one_attempt_against_a_server_that_answers_in_pieces() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[bytes] = []

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                seen.append(client.recv(1000))
                for piece in (error(REFUSED)[:7], error(REFUSED)[7:]):
                    client.sendall(piece)

        server = threading.Thread(target=serve)
        server.start()
        assert refusing_routine("127.0.0.1", listener.getsockname()[1], "odoo", 5.0) == "InitProcess"
        server.join()
        assert seen == [startup_packet("odoo")]


def test_nobody_there_is_no_routine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusing_routine("127.0.0.1", port, "odoo", 1.0) is None
    assert refusing_routine("/nowhere", 5432, "odoo", 1.0) is None
