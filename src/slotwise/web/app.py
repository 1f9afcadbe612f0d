"""The HTTP application: /metrics for Prometheus, / for people. Reads the board; asks no server; changes nothing."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from importlib.resources import files

from prometheus_client.exposition import CONTENT_TYPE_LATEST as PLAIN
from prometheus_client.exposition import generate_latest as plain
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slotwise.web import facts
from slotwise.web.board import Board
from slotwise.web.metrics import registry_of

CONTENT_TYPES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "uplot.css": "text/css",
    "uplot.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
MOST_HOURS = 24.0 * 31
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def application(board: Board, token: str | None) -> ASGIApp:
    """The whole application. Without ``token`` only requests that name this host by a loopback name are answered, so
    that no page of another site can read it through the browser (DNS rebinding)."""
    static = {name: (files("slotwise.web") / "static" / name).read_bytes() for name in CONTENT_TYPES}
    page = (files("slotwise.web") / "static" / "page.html").read_bytes()
    registry = registry_of(board)

    async def index(request: Request) -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in static:
            return PlainTextResponse("not found\n", 404)
        return Response(static[name], media_type=CONTENT_TYPES[name])

    async def metrics(request: Request) -> Response:
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            return Response(openmetrics(registry), headers={"content-type": OPENMETRICS})  # type: ignore[no-untyped-call]
        return Response(plain(registry), headers={"content-type": PLAIN})

    async def now(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(facts.now, board))

    async def history(request: Request) -> Response:
        try:
            hours = float(request.query_params.get("hours", "6"))
        except ValueError:
            hours = 0.0
        if not 0 < hours <= MOST_HOURS:
            return PlainTextResponse(f"hours is a number above 0, at most {MOST_HOURS:g}\n", 400)
        return JSONResponse(await run_in_threadpool(facts.history, board, time.time(), hours))

    routes = [
        Route("/", index),
        Route("/metrics", metrics),
        Route("/static/{name}", file),
        Route("/api/now", now),
        Route("/api/history", history),
    ]
    return _Guard(Starlette(routes=routes), token)


class _Guard:
    """Lets in who may come in, and puts the security headers on every answer."""

    def __init__(self, inner: ASGIApp, token: str | None) -> None:
        self._inner = inner
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        refused = self._refusal(dict(scope["headers"]))
        await (refused or self._inner)(scope, receive, with_headers)

    def _refusal(self, headers: dict[bytes, bytes]) -> Response | None:
        if self._token is None:
            name = _host_name(headers.get(b"host", b"").decode("latin-1"))
            if name in LOOPBACK_NAMES:
                return None
            return PlainTextResponse("this address is served to this host only\n", 421)
        if allowed(headers.get(b"authorization", b""), self._token):
            return None
        challenge = {"www-authenticate": 'Basic realm="slotwise", charset="UTF-8"'}
        return PlainTextResponse("a token is needed\n", 401, headers=challenge)


def allowed(authorization: bytes, token: str) -> bool:
    """Whether the header carries the token: as a Bearer token, or as the password of any user (Basic)."""
    scheme, _, rest = authorization.partition(b" ")
    given = rest.strip()
    if scheme.lower() == b"basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return False
    elif scheme.lower() != b"bearer":
        return False
    return hmac.compare_digest(given, token.encode())


def _host_name(host: str) -> str:
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
