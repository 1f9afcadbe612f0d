"""Users of an Odoo 17, 18 or 19 for Locust: people in browsers, with a websocket, and programs that call RPC.

It needs nothing of slotwise: ``locust -f`` takes it as it is. ``SETTINGS`` says where and as whom; the variable
SLOTWISE_LOAD (JSON) replaces what it names. Every task makes one request, so that a task's time is a response's time.
What users create carries ``marker`` in its name.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
import websocket
from locust import task
from locust.contrib.fasthttp import FastHttpUser

SETTINGS: dict[str, Any] = {
    "url": "http://127.0.0.1:8069",
    "databases": ["test"],
    "logins": ["admin"],
    "password": "",
    "marker": "slotwise-load",
    "seed": 1,
    "think_seconds": 5.0,
    "rpc_ratio": 0.1,
    "rpc": "json",
    "websocket_ratio": 1.0,
    "websocket_url": None,
    "writes": True,
    "posts": True,
    "channels": {},
    "timeout_seconds": 60.0,
}
SETTINGS.update(json.loads(os.environ.get("SLOTWISE_LOAD", "{}")))

PARTNER_FIELDS = ["name", "email", "phone", "city", "country_id"]
MOST_WORDS = 300


class RefusedByOdoo(Exception):
    """Odoo answered with an error; the text is the last line of its traceback."""


class OdooUser(FastHttpUser):
    """What every user has: a database, a login, a pause between requests."""

    abstract = True
    host = str(SETTINGS["url"])
    connection_timeout = float(SETTINGS["timeout_seconds"])
    network_timeout = float(SETTINGS["timeout_seconds"])
    max_retries = 0
    numbers: ClassVar[itertools.count[int]] = itertools.count()

    def on_start(self) -> None:
        """Choose who this is."""
        # Each user draws for itself: the same seed, the same users, whatever the order of the answers.
        self.random = random.Random(f"{SETTINGS['seed']}/{type(self).__name__}/{next(self.numbers)}")
        self.database = self.random.choice(SETTINGS["databases"])
        self.login = self.random.choice(SETTINGS["logins"])
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """Log in, where this kind of user does."""

    def wait_time(self) -> float:
        """The pause: around its mean, so that users do not move in step."""
        mean = float(SETTINGS["think_seconds"])
        return self.random.uniform(0.5 * mean, 1.5 * mean)

    def ask(self, path: str, params: dict[str, Any], name: str) -> Any:
        """One JSON-RPC request; the result, or None where it failed (Locust has counted it)."""
        self.number += 1
        body = {"jsonrpc": "2.0", "method": "call", "id": self.number, "params": params}
        with self.client.post(path, json=body, name=name, catch_response=True) as response:
            try:
                return read_answer(response)
            except RefusedByOdoo as refused:
                response.failure(str(refused))
                return None

    def marked(self, what: str) -> str:
        """A name that the clean-up finds."""
        return f"{SETTINGS['marker']} {what} {self.random.getrandbits(32):08x}"


def read_answer(response: Any) -> Any:
    """The result in a JSON-RPC response. Raises RefusedByOdoo with the words that tell why."""
    if response.status_code != 200:
        raise RefusedByOdoo(
            f"HTTP {response.status_code} {last_line(response.text or str(response.error or ''))}".strip()
        )
    try:
        answer = json.loads(response.text)
    except ValueError:
        raise RefusedByOdoo("the answer is no JSON: Odoo sent a page, as after logging the user out") from None
    if "error" in answer:
        data = answer["error"].get("data") or {}
        words = last_line(str(data.get("debug") or "")) or data.get("message") or answer["error"].get("message")
        raise RefusedByOdoo(str(words)[:MOST_WORDS])
    return answer.get("result")


def last_line(text: str) -> str:
    """The line of a traceback that names the error, the first FATAL before all others."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "Pool Is Full" in line]
    return (telling or lines[-1:] or [""])[0][:MOST_WORDS]


class Browser(OdooUser):
    """Somebody who works in the web client."""

    weight = max(1, round(1000 * (1 - float(SETTINGS["rpc_ratio"]))))
    numbers = itertools.count()

    def begin(self) -> None:
        """Log in, open the websocket."""
        self.socket: websocket.WebSocket | None = None
        self.uid: int | None = None
        self.authenticate()
        if self.uid is not None and self.random.random() < float(SETTINGS["websocket_ratio"]):
            self.open_websocket()

    def authenticate(self) -> None:
        """``/web/session/authenticate`` exists in 17, 18 and 19 (addons/web/controllers/session.py)."""
        params = {"db": self.database, "login": self.login, "password": SETTINGS["password"]}
        result = self.ask("/web/session/authenticate", params, "log in")
        self.uid = result.get("uid") if result else None

    def on_stop(self) -> None:
        """Close the websocket."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def call(self, model: str, method: str, args: list[Any], kwargs: dict[str, Any], name: str) -> Any:
        """A method of a model, as the web client calls it. Whoever was logged out logs in instead."""
        if self.uid is None:
            self.authenticate()
            return None
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        return self.ask(f"/web/dataset/call_kw/{model}/{method}", params, name)

    @task
    def act(self) -> None:
        """One of the things that people do."""
        self.random.choices(ACTS, WEIGHTS)[0](self)

    def search(self) -> None:
        """A list, filtered by a letter."""
        domain = [["name", "ilike", self.random.choice("aeiorst")]]
        specification: dict[str, Any] = {field: {} for field in PARTNER_FIELDS if not field.endswith("_id")}
        kwargs = {"domain": domain, "specification": specification, "limit": 40}
        self.call("res.partner", "web_search_read", [], kwargs, "search")

    def read(self) -> None:
        """Records by name, as a many2one field asks."""
        self.call("res.partner", "search_read", [[]], {"fields": PARTNER_FIELDS, "limit": 20}, "read")

    def open_form(self) -> None:
        """The views of a form."""
        kwargs = {"views": [[False, "form"], [False, "search"]], "options": {}}
        self.call("res.partner", "get_views", [], kwargs, "open form")

    def create(self) -> None:
        """A new record with the marker in its name."""
        if SETTINGS["writes"]:
            self.call("res.partner", "create", [{"name": self.marked("partner")}], {}, "create")
        else:
            self.read()

    def post(self) -> None:
        """A message in a channel, which the bus hands to every websocket that follows it."""
        channel = SETTINGS["channels"].get(self.database)
        if SETTINGS["writes"] and SETTINGS["posts"] and channel is not None:
            kwargs = {"body": self.marked("message"), "message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
            self.call("discuss.channel", "message_post", [channel], kwargs, "post in a channel")
        else:
            self.search()

    def open_websocket(self) -> None:
        """Subscribe to the bus. Without a User-Agent Odoo asks for no client version (addons/bus/websocket.py)."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookiejar)
        began = gevent.get_hub().loop.now()
        error: Exception | None = None
        try:
            self.socket = websocket.create_connection(websocket_url(), cookie=cookies, timeout=30, origin=self.host)
            channel = SETTINGS["channels"].get(self.database)
            channels = [] if channel is None else [f"discuss.channel_{channel}"]
            self.socket.send(json.dumps({"event_name": "subscribe", "data": {"channels": channels, "last": 0}}))
            self.socket.settimeout(None)
            gevent.spawn(listen, self.socket)
        except (OSError, websocket.WebSocketException) as caught:
            error = caught
        if error is not None:
            # Not a response of Odoo's workers: only its failure is worth a line.
            self.environment.events.request.fire(
                request_type="WS",
                name="websocket",
                response_time=(gevent.get_hub().loop.now() - began) * 1000,
                response_length=0,
                exception=RefusedByOdoo(f"websocket: {error}"[:MOST_WORDS]),
                context={},
            )


ACTS: list[Callable[[Browser], None]] = [
    Browser.search,
    Browser.read,
    Browser.open_form,
    Browser.create,
    Browser.post,
]
WEIGHTS = [4, 4, 3, 1, 1]
"""Searches, reads, forms opened, records created, messages posted: how often each, relative to the others."""


def websocket_url() -> str:
    """Where the websocket is: beside the web client unless said otherwise."""
    if SETTINGS["websocket_url"]:
        return str(SETTINGS["websocket_url"])
    parts = urlsplit(str(SETTINGS["url"]))
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/websocket"


def listen(socket: websocket.WebSocket) -> None:
    """Take notifications until the connection ends."""
    try:
        while socket.recv():
            pass
    except (OSError, websocket.WebSocketException):
        pass


class Caller(OdooUser):
    """A program that calls ``/jsonrpc`` or ``/xmlrpc/2/object``, without a session."""

    weight = max(0, round(1000 * float(SETTINGS["rpc_ratio"])))
    numbers = itertools.count()
    uid: int | None = None

    def begin(self) -> None:
        """Ask for the user's id, as every such program does first."""
        arguments = [self.database, self.login, SETTINGS["password"], {}]
        self.uid = self.ask(
            "/jsonrpc", {"service": "common", "method": "authenticate", "args": arguments}, "rpc log in"
        )

    @task
    def read(self) -> None:
        """Search and read through execute_kw."""
        if self.uid is None:
            self.begin()
            return
        kwargs = {"fields": ["name", "email"], "limit": 20}
        arguments = [self.database, self.uid, SETTINGS["password"], "res.partner", "search_read", [[]], kwargs]
        if SETTINGS["rpc"] == "xml":
            self.ask_by_xml(arguments)
        else:
            self.ask("/jsonrpc", {"service": "object", "method": "execute_kw", "args": arguments}, "rpc read")

    def ask_by_xml(self, arguments: list[Any]) -> None:
        """The same by XML-RPC."""
        from xmlrpc.client import Fault, dumps, loads

        body = dumps(tuple(arguments), "execute_kw", allow_none=True)
        headers = {"Content-Type": "text/xml"}
        path = "/xmlrpc/2/object"
        with self.client.post(path, data=body, headers=headers, name="rpc read", catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"HTTP {response.status_code}")
                return
            try:
                loads(response.text or "")
            except Fault as fault:
                response.failure(last_line(str(fault.faultString)))


if Caller.weight == 0:
    # Locust takes no class without weight.
    Caller.abstract = True
elif float(SETTINGS["rpc_ratio"]) >= 1:
    Browser.abstract = True
