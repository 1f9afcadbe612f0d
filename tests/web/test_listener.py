from __future__ import annotations

import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.web import listener as listening
from slotwise.web.listener import files_left, listener
from tests.conftest import StartPostgres
from tests.servers import until
from tests.web.test_server import own_backends, serving, value

MEBIBYTE = 1 << 20


def test_a_client_is_hung_up_on_where_files_run_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener("127.0.0.1", 0) as bound:
        address = bound.getsockname()
        with socket.create_connection(address) as client:
            taken, _ = bound.accept()
            taken.close()
            assert client.recv(1) == b""
        monkeypatch.setattr(listening, "files_left", lambda: 3)
        with socket.create_connection(address) as client:
            with pytest.raises(ConnectionAbortedError):
                bound.accept()
            assert client.recv(1) == b""


def test_open_files_are_counted() -> None:
    before = files_left()
    with socket.socket(), socket.socket():
        assert files_left() == before - 2


def test_more_clients_than_files_do_not_blind_it(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres()
    with serving(server, tmp_path, "prlimit", "--nofile=100:100") as url:
        until(lambda: value(url, "slotwise_slots_used") is not None)
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with ExitStack() as many:
            held = [many.enter_context(socket.create_connection(address)) for _ in range(300)]
            until(lambda: sum(map(hung_up, held)) > 200)
            assert own_backends(server) == 1
            looked = last_look(server)
            until(lambda: last_look(server) > looked + 2)
        assert own_backends(server) == 1
        until(lambda: (age(url) or 99.0) < 2)


def test_huge_and_odd_requests_cost_no_memory_and_no_connection(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres()
    with serving(server, tmp_path) as url:
        until(lambda: value(url, "slotwise_slots_used") is not None)
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        before = resident(address)
        pushed(address, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ", 100 * MEBIBYTE)
        pushed(address, b"GET /" + b"a" * 100, 100 * MEBIBYTE)
        for path in (b"/metrics", b"/api/now", b"/nothing"):
            head = b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (100 * MEBIBYTE)
            pushed(address, head, 100 * MEBIBYTE)
        assert own_backends(server) == 1
        for path in (
            "/%2e%2e/%2e%2e/etc/passwd", "/static/../../../etc/passwd", "//etc/passwd", "/static/%00",
            "/static/..%5c..%5cx", "http://127.0.0.1:1/metrics", "/static//etc/passwd", "*", "/static/%c0%ae%c0%ae/",
        ):  # fmt: skip
            answer = asked(address, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            assert b"root:" not in answer and not answer.startswith(b"HTTP/1.1 5"), (path, answer[:200])
        for request in (
            b"GET /metrics\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            b"\0" * 2000,
        ):
            assert not asked(address, request).startswith(b"HTTP/1.1 2")
        piped = (
            b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
            + b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        assert asked(address, piped).count(b"HTTP/1.1 200") == 21
        assert own_backends(server) == 1
        assert resident(address) - before < 32 * MEBIBYTE


def last_look(server: PostgresServer) -> int:
    """When slotwise's own session last asked, in tenths of a second."""
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres") as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM max(state_change)) * 10 FROM pg_stat_activity"
            " WHERE application_name = 'slotwise'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def hung_up(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def resident(address: tuple[str, int]) -> int:
    """The memory of the process that listens there, bytes."""
    wanted = f"{address[0]}:{address[1]}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "cmdline").read_bytes().split(b"\0"):
                return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    raise AssertionError(f"nothing listens on {address}")


def age(url: str) -> float | None:
    try:
        found = re.search(
            r"^slotwise_observation_age_seconds (\S+)$", httpx.get(f"{url}/metrics", timeout=5).text, re.MULTILINE
        )
    except httpx.HTTPError:
        return None
    return float(found.group(1)) if found else None


def pushed(address: tuple[str, int], head: bytes, size: int) -> None:
    """Send ``head`` and then ``size`` bytes, as far as they are taken."""
    with socket.create_connection(address, timeout=20) as client:
        try:
            client.sendall(head)
            for _ in range(size // MEBIBYTE):
                client.sendall(b"x" * MEBIBYTE)
        except OSError:
            return


def asked(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, timeout=20) as client:
        answer = b""
        try:
            client.sendall(request)
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:
            return answer
    return answer
