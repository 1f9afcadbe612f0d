"""One administrator's session over HTTP: prepares a load test, and removes what it has created."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit

from slotwise.errors import OperatorError
from slotwise.load.people import MARKER

_TIMEOUT_SECONDS = 30.0
_BATCH = 500
PATIENCE_SECONDS = 30.0
_AGAIN_SECONDS = 0.5
PRIMING_REQUESTS_AT_ONCE = 8
CLEANED_MODELS = ("discuss.channel", "res.partner")
"""Where a load test creates records; the messages of a channel go with it."""


class OdooSession:
    """A session of ``login`` on ``database``. Raises OperatorError where Odoo does not answer or refuses."""

    def __init__(self, url: str, database: str, login: str, password: str) -> None:
        self._url = url.rstrip("/")
        if urlsplit(self._url).scheme not in ("http", "https") or not urlsplit(self._url).hostname:
            raise OperatorError(f"--url {url} is no address of a web client", "write http://staging.example.com:8069")
        self._database = database
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        params = {"db": database, "login": login, "password": password}
        answer = self._ask("/web/session/authenticate", params)
        if not (answer and answer.get("uid")):
            raise OperatorError(
                f"{login} may not log in to {database} on {url}", "check --login, --password-file and --databases"
            )

    def call(self, model: str, method: str, args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> Any:
        """A method of a model."""
        params = {"model": model, "method": method, "args": list(args), "kwargs": kwargs or {}}
        return self._ask(f"/web/dataset/call_kw/{model}/{method}", params)

    def prime(self) -> None:
        """Ask a few things at once, so that every worker has loaded the database before anything is measured."""
        views = {"views": [[False, "form"], [False, "search"]], "options": {}}
        with ThreadPoolExecutor(PRIMING_REQUESTS_AT_ONCE) as asking:
            for _ in range(2):
                asked = [
                    asking.submit(self.call, "res.partner", "get_views", [], views)
                    for _ in range(PRIMING_REQUESTS_AT_ONCE)
                ]
                for one in asked:
                    # A wall that is met so early is for the test to find.
                    with suppress(OperatorError):
                        one.result()

    def open_channel(self, name: str) -> int | None:
        """A channel to post in; None where Discuss is not installed."""
        if not self.call("ir.model", "search_count", [[["model", "=", "discuss.channel"]]]):
            return None
        made = self.call("discuss.channel", "create", [{"name": name, "channel_type": "channel"}])
        return int(made[0] if isinstance(made, list) else made)

    def remove_marked(self, marker: str = MARKER, *, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Delete every record whose name begins with ``marker``; how many that were.

        A server at its wall refuses this too: it is tried again for ``patience_seconds``. Raises OperatorError then.
        """
        end = time.monotonic() + patience_seconds
        removed: set[tuple[str, int]] = set()
        models = list(CLEANED_MODELS)
        while models:
            try:
                self._remove(models[0], marker, removed)
                models.pop(0)
            except OperatorError:
                if time.monotonic() > end:
                    raise
                # The next model first: what refuses a channel's notification need not refuse a contact.
                models.append(models.pop(0))
                time.sleep(_AGAIN_SECONDS)
        return len(removed)

    def _remove(self, model: str, marker: str, removed: set[tuple[str, int]]) -> None:
        if model != "res.partner" and not self.call("ir.model", "search_count", [[["model", "=", model]]]):
            return
        domain = [["name", "=like", f"{marker}%"]]
        kwargs = {"limit": _BATCH, "context": {"active_test": False}}
        while found := self.call(model, "search", [domain], kwargs):
            removed.update((model, record) for record in found)
            self.call(model, "unlink", [found])

    def _ask(self, path: str, params: dict[str, Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, body, headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                answer = json.loads(response.read())
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise OperatorError(
                f"{self._url}{path}: {error}", "check --url; Odoo 17, 18 or 19 must answer there"
            ) from error
        if "error" in answer:
            data = answer["error"].get("data") or {}
            words = data.get("message") or answer["error"].get("message")
            raise OperatorError(f"Odoo refused {path} on {self._database}: {words}", "check the login and its rights")
        return answer.get("result")
