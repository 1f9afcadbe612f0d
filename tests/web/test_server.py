from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg

from slotwise.demo.postgres_server import PostgresServer, free_port
from tests.conftest import StartPostgres
from tests.formats.chromium import BROWSERS
from tests.servers import until


@contextmanager
def serving(server: PostgresServer, directory: Path, *before: str) -> Iterator[str]:
    """The URL of a ``slotwise serve``; ``before`` is what starts it, such as prlimit with its options."""
    port = free_port()
    dsn = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"
    history = str(directory / "history.db")
    command = [*before, sys.executable, "-m", "slotwise", "serve", "--dsn", dsn, "--listen", f"127.0.0.1:{port}",
               "--interval", "0.5", "--history", history]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: process.poll() is not None or up(url), within_seconds=40)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said.decode()


def up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/metrics", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def value(url: str, name: str) -> float | None:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{url}/metrics", timeout=20).text, re.MULTILINE)
    return float(found.group(1)) if found else None


def own_backends(server: PostgresServer) -> int:
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres") as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slotwise'").fetchone()
    assert row is not None
    return int(row[0])


def test_two_hundred_scrapes_at_once_and_one_connection(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres()
    with serving(server, tmp_path) as url:

        async def scrape() -> list[int]:
            limits = httpx.Limits(max_connections=200)
            async with httpx.AsyncClient(limits=limits, timeout=60) as client:
                answers = await asyncio.gather(*(client.get(f"{url}/metrics") for _ in range(200)))
            return [a.status_code for a in answers]

        assert asyncio.run(scrape()) == [200] * 200
        assert own_backends(server) == 1
        until(lambda: value(url, "slotwise_slots_used") is not None)


def test_slow_and_malformed_clients_do_not_shut_out_the_others(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres()
    with serving(server, tmp_path) as url, ExitStack() as slow:
        port = int(url.rpartition(":")[2])
        dawdlers = [slow.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(100)]
        for dawdler in dawdlers:
            dawdler.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        for bytes_ in (b"\x00\xff garbage\r\n\r\n", b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
                       b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
                       b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"):  # fmt: skip
            with socket.create_connection(("127.0.0.1", port), timeout=20) as bad:
                bad.sendall(bytes_)
                assert bad.recv(100).split(b" ")[1:2] == [b"400"]
        until(lambda: value(url, "slotwise_up") == 1)
        for dawdler in dawdlers[:3]:
            dawdler.settimeout(30)
            # Let go before it has sent its whole head.
            assert ended(dawdler)


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionResetError:
        return True


def test_metrics_follow_the_server_through_its_absence(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server = start_postgres()
    with serving(server, tmp_path) as url:
        until(lambda: value(url, "slotwise_up") == 1)
        server.stop("fast")
        until(lambda: value(url, "slotwise_up") == 0)
        assert value(url, "slotwise_slots_used") is None
        server.start()
        until(lambda: value(url, "slotwise_server_start_time_seconds") is not None, within_seconds=60)
        assert own_backends(server) == 1


def test_the_page_in_a_browser(start_postgres: StartPostgres, tmp_path: Path) -> None:
    browser = next(path for name in BROWSERS if (path := shutil.which(name)))
    server = start_postgres()
    with serving(server, tmp_path) as url:
        # The holder of a session that stays is on the page and in the metrics alike.
        with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres"):
            until(lambda: (value(url, "slotwise_slots_used") or 0) >= 2)
            command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                       f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
                       "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                       "--virtual-time-budget=8000", "--dump-dom", f"{url}/"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        shown = done.stdout
        used = re.search(r'id="used">(\d+)<', shown)
        assert used is not None and int(used.group(1)) >= 2, shown[:3000]
        assert '<span id="usable">97</span>' in shown
        assert "<canvas" in shown
        # The policy lets the page ask only its own server; an attempt at another one would be an error in the console.
        assert "CONSOLE" not in done.stderr, done.stderr
        assert "connect-src 'self'" in httpx.get(url).headers["content-security-policy"]
