"""Runs the application: where it listens, who may come in, and how long a client may dawdle."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

from slotwise.collectors.runner import Request
from slotwise.errors import OperatorError
from slotwise.history.recorder import Recorder
from slotwise.history.sampler import Sampler
from slotwise.history.store import Store
from slotwise.web.app import application
from slotwise.web.board import Board
from slotwise.web.listener import listener
from slotwise.web.tls import check_certificate, warning

MOST_CLIENTS = 1_000
"""Connections at a time; further ones are refused (503)."""
MOST_HEADER_BYTES = 16_384
CHECK_SECONDS = 5.0
IDLE_CHECKS = 2
BUSY_CHECKS = 6
_SHORTEST_TOKEN = 16


class Listening(Struct, frozen=True):
    """Where to listen and with what: ``token`` and TLS files are needed beyond loopback."""

    host: str
    port: int
    token_file: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None


def listening(listen: str, token_file: Path | None, certificate: Path | None, key: Path | None) -> Listening:
    """Read ``--listen HOST:PORT``. Raises OperatorError where it is wrong, or open to others without token and TLS."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise OperatorError(f"--listen {listen!r} is not HOST:PORT", "write --listen 127.0.0.1:9719 or [::1]:9719")
    if (certificate is None) != (key is None):
        raise OperatorError("TLS needs a certificate and its key", "give both --tls-cert FILE and --tls-key FILE")
    if not is_loopback(host) and (token_file is None or certificate is None):
        raise OperatorError(
            f"{host} can be reached by others",
            "give --token-file, --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy of yours",
        )
    return Listening(host, int(port), token_file, certificate, key)


def is_loopback(host: str) -> bool:
    """Whether only this host can connect to ``host``. A name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """The token: the first line of the file. Raises OperatorError for one that others may read, or that is short."""
    try:
        text = path.read_text("utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"the token file {path} cannot be read: {error}", "check --token-file") from error
    if mode & 0o007:
        raise OperatorError(f"others may read the token file {path}", f"chmod 640 {path}")
    if len(text) < _SHORTEST_TOKEN or "\n" in text:
        remedy = f"head -c 24 /dev/urandom | base64 > {path}"
        raise OperatorError(f"the token in {path} is not one line of {_SHORTEST_TOKEN} characters or more", remedy)
    return text


def serve(
    where: Listening, request: Request, interval_seconds: float, history: Path, say: Callable[[str], None]
) -> None:
    """Look, keep and serve until SIGTERM or ^C. Raises OperatorError where something is wrong from the start."""
    token = read_token(where.token_file) if where.token_file else None
    if where.tls_certificate and where.tls_key:
        check_certificate(where.tls_certificate, where.tls_key)
        if ending := warning(where.tls_certificate, where.tls_key, time.time()):
            say(ending)
    taking_in = listener(where.host, where.port)
    store = Store(history, say=say)
    with taking_in, Sampler(request, interval_seconds) as sampler:
        board = Board(store, interval_seconds)
        config = uvicorn.Config(
            application(board, token),
            loop="asyncio",
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CLIENTS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            ssl_certfile=str(where.tls_certificate) if where.tls_certificate else None,
            ssl_keyfile=str(where.tls_key) if where.tls_key else None,
        )
        server = uvicorn.Server(config)
        looking = threading.Thread(target=_look, args=(board, Recorder(sampler, store, say), server), daemon=True)
        looking.start()
        board.first.wait()
        if isinstance(board.failed, OperatorError):
            raise board.failed
        scheme = "https" if where.tls_certificate else "http"
        say(f"serving {scheme}://{where.host}:{taking_in.getsockname()[1]}/ and /metrics, history in {history}")
        _run(server, taking_in, sampler)
        looking.join(timeout=interval_seconds + request.timeout_seconds)
    store.close()
    if board.failed is not None:
        raise board.failed


def _look(board: Board, recorder: Recorder, server: uvicorn.Server) -> None:
    """Look until the sampler ends. Whatever ends it ends the server too: a page that never changes again would look
    like a server that does not."""
    try:
        board.fill(recorder)
    except OperatorError:
        # Told by `serve`, which reads it from the board.
        return
    finally:
        server.should_exit = True


def _run(server: uvicorn.Server, listener: socket.socket, sampler: Sampler) -> None:
    """Serve until a signal; uvicorn raises it again when it has ended, and then the sampler ends too."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sampler.stop())
    asyncio.run(server.serve([listener]))


class PatientProtocol(H11Protocol):
    """HTTP that is patient for a while: a client that sends or takes its bytes too slowly is let go.

    uvicorn itself waits for ever for the end of a request's head.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after the new connection."""
        super().connection_made(transport)
        self._cycle_seen: object = None
        self._checks = 0
        self._watch = self.loop.call_later(CHECK_SECONDS, self._look_after)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking after it."""
        self._watch.cancel()
        super().connection_lost(exc)

    def _look_after(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        same = self.cycle is self._cycle_seen
        self._checks = self._checks + 1 if same else 1
        self._cycle_seen = self.cycle
        if self._checks >= (BUSY_CHECKS if busy else IDLE_CHECKS + 4 if self.cycle is not None else IDLE_CHECKS):
            self.transport.abort()
            return
        self._watch = self.loop.call_later(CHECK_SECONDS, self._look_after)
