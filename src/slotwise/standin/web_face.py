"""A small web face of Odoo, for tests of load over HTTP: it answers what the load test's users ask, without Odoo.

``python -m slotwise.standin.web_face --port 8069 --workers 4 --service 0.05`` serves so many requests at once, each for
so long; the others queue, as at Odoo's prefork workers. It keeps what users create in memory. A route for a websocket
accepts and stays silent. Not a test double of Odoo's answers, but of its queue.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from xmlrpc.client import dumps

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""

Headers = dict[str, str]


class WebFace:
    """The server. ``refuse_after``: so many requests at once are served or wait, more get ``refusal`` as an error."""

    def __init__(
        self,
        workers: int,
        service_seconds: float,
        *,
        exponential: bool = False,
        refuse_after: int | None = None,
        refusal: str = "psycopg2.pool.PoolError: The Connection Pool Is Full",
        seed: int = 1,
    ) -> None:
        self._free = asyncio.Semaphore(workers)
        self._service = service_seconds
        self._exponential = exponential
        self._refuse_after = refuse_after
        self._refusal = refusal
        self._random = random.Random(seed)
        self._inside = 0
        self._next_id = 1
        self.records: dict[str, dict[int, str]] = {"res.partner": {}, "discuss.channel": {}, "mail.message": {}}
        """Names by id, of each model."""
        self.served = 0
        self.inside_seconds = 0.0
        """How long all requests together were here, waiting included."""
        self.websockets = 0

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on loopback."""
        return await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=2048)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await _read_request(reader)
                if request is None:
                    break
                path, headers, body = request
                if headers.get("upgrade", "").lower() == "websocket":
                    await self._websocket(reader, writer, headers)
                    break
                await self._answer(writer, path, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Headers) -> None:
        key = headers.get("sec-websocket-key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.websockets += 1
        try:
            while await reader.read(4096):
                pass
        finally:
            self.websockets -= 1

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: bytes) -> None:
        if path == "/standin":
            await _send(writer, json.dumps(self.condition()))
            return
        if path.startswith("/xmlrpc"):
            await self._work(self._nothing)
            await _send(writer, dumps(([],), methodresponse=True), kind="text/xml")
            return
        question = json.loads(body or b"{}")
        result = await self._work(lambda: self._result(path, question.get("params") or {}))
        answer = {"jsonrpc": "2.0", "id": question.get("id"), **result}
        await _send(writer, json.dumps(answer))

    def condition(self) -> dict[str, Any]:
        """What is there now: for tests."""
        counts = {model: len(found) for model, found in self.records.items()}
        return {
            "served": self.served,
            "inside_seconds": self.inside_seconds,
            "websockets": self.websockets,
            "records": counts,
        }

    async def _nothing(self) -> dict[str, Any]:
        return {}

    async def _work(self, then: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """One request in one of the workers."""
        if self._refuse_after is not None and self._inside >= self._refuse_after:
            trace = f"Traceback (most recent call last):\n  File odoo/sql_db.py\n{self._refusal}\n"
            return {"error": {"code": 200, "message": "Odoo Server Error", "data": {"debug": trace}}}
        self._inside += 1
        began = time.perf_counter()
        try:
            async with self._free:
                seconds = self._random.expovariate(1 / self._service) if self._exponential else self._service
                await asyncio.sleep(seconds)
                self.served += 1
                return await then()
        finally:
            self._inside -= 1
            self.inside_seconds += time.perf_counter() - began

    async def _result(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/authenticate"):
            if params.get("password") == "wrong":
                return {"error": {"code": 200, "message": "Access Denied", "data": {"message": "Access Denied"}}}
            return {"result": {"uid": 2, "db": params.get("db"), "server_version": "18.0"}}
        if path == "/jsonrpc":
            return {"result": 2 if params.get("service") == "common" else []}
        return {"result": self._call(params.get("model", ""), params.get("method", ""), params)}

    def _call(self, model: str, method: str, params: dict[str, Any]) -> Any:
        args = params.get("args") or []
        known = self.records.setdefault(model, {})
        if method == "create":
            self._next_id += 1
            values = args[0][0] if isinstance(args[0], list) else args[0]
            known[self._next_id] = str(values.get("name", ""))
            return self._next_id
        if method == "message_post":
            self._next_id += 1
            self.records["mail.message"][self._next_id] = str(params["kwargs"].get("body"))
            return self._next_id
        if method == "unlink":
            for record in args[0]:
                known.pop(record, None)
            if model == "discuss.channel":
                self.records["mail.message"].clear()
            return True
        if method == "search":
            prefix = next((str(term[2]).rstrip("%") for term in args[0] if term[1] == "=like"), "")
            return [record for record, name in known.items() if name.startswith(prefix)][:500]
        if method == "search_count":
            return 1
        return []


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, Headers, bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    return first.split(" ")[1], headers, body


async def _send(writer: asyncio.StreamWriter, text: str, kind: str = "application/json") -> None:
    body = text.encode()
    writer.write(
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Set-Cookie: session_id=standin; Path=/\r\n\r\n".encode()
        + body
    )
    await writer.drain()


async def _run(options: argparse.Namespace) -> None:
    face = WebFace(options.workers, options.service, exponential=options.exponential, refuse_after=options.refuse_after)
    server = await face.serve(options.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    # It ends with whoever started it.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    """Serve until standard input ends; the port is the first line of standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--service", type=float, default=0.05, help="seconds of a request")
    parser.add_argument("--exponential", action="store_true")
    parser.add_argument("--refuse-after", type=int)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
