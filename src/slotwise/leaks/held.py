"""Calls that wait for somebody else: the network, another program, the clock. Bad company for an open transaction.

Sources of the defaults: requests (no time-out unless given: https://requests.readthedocs.io/en/latest/user/quickstart/
#timeouts), httpx (5 s by default: https://www.python-httpx.org/advanced/timeouts/), and the Python 3.13 documentation
of urllib.request, http.client, smtplib, ftplib, imaplib, socket, subprocess and xmlrpc.client.
"""

from __future__ import annotations

import ast

import msgspec

from slotwise.leaks.names import chain, dotted

NETWORK, PROGRAM, SLEEP = "network", "program", "sleep"

#: Dotted name -> (what it is, position of the time-out among the positional arguments, or None when keyword only).
WAITING_CALLS: dict[str, tuple[str, int | None]] = {
    "urllib.request.urlopen": (NETWORK, 2),
    "http.client.HTTPConnection": (NETWORK, 2),
    "http.client.HTTPSConnection": (NETWORK, None),
    "smtplib.SMTP": (NETWORK, 3),
    "smtplib.SMTP_SSL": (NETWORK, None),
    "ftplib.FTP": (NETWORK, 4),
    "ftplib.FTP_TLS": (NETWORK, None),
    "imaplib.IMAP4": (NETWORK, 2),
    "imaplib.IMAP4_SSL": (NETWORK, None),
    "poplib.POP3": (NETWORK, 2),
    "poplib.POP3_SSL": (NETWORK, None),
    "socket.create_connection": (NETWORK, 1),
    "xmlrpc.client.ServerProxy": (NETWORK, None),
    "subprocess.run": (PROGRAM, None),
    "subprocess.call": (PROGRAM, None),
    "subprocess.check_call": (PROGRAM, None),
    "subprocess.check_output": (PROGRAM, None),
    "os.system": (PROGRAM, None),
    "time.sleep": (SLEEP, None),
}
_HTTP_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})
#: Shorter pauses are polling noise, not a slot that is missed.
_SHORTEST_SLEEP_SECONDS = 0.5


class SlowCall(msgspec.Struct, frozen=True):
    """A call that waits: ``what`` is network, program or sleep; ``name`` how the source calls it."""

    what: str
    name: str


class SlowNames:
    """Local names that stand for HTTP sessions, SSH clients and programs, so that calls on them are understood."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.sessions: set[str] = set()
        self.ssh: set[str] = set()
        self.programs: set[str] = set()

    def note(self, target: str, value: ast.expr) -> None:
        """Remember what ``target`` stands for after ``target = value``."""
        if isinstance(value, ast.Call):
            name = dotted(value.func, self.names) or ""
            if name in ("requests.Session", "requests.session", "requests.sessions.Session"):
                self.sessions.add(target)
            elif name in ("paramiko.SSHClient", "paramiko.client.SSHClient"):
                self.ssh.add(target)
            elif name == "subprocess.Popen":
                self.programs.add(target)

    def slow(self, call: ast.Call) -> SlowCall | None:
        """What ``call`` waits for without a limit, or None: also when it has one, or may get one by ``**kwargs``."""
        name = dotted(call.func, self.names)
        if name is None or any(keyword.arg is None for keyword in call.keywords):
            return None
        if name == "time.sleep":
            return None if _short(call) else SlowCall(SLEEP, name)
        known = WAITING_CALLS.get(name)
        if known is not None:
            what, position = known
            return None if _limited(call, position) else SlowCall(what, name)
        if isinstance(call.func, ast.Attribute):
            return self._slow_method(call, call.func, name)
        return None

    def _slow_method(self, call: ast.Call, func: ast.Attribute, name: str) -> SlowCall | None:
        receiver = chain(func.value) or ""
        last = func.attr
        if last in _HTTP_VERBS and (name == f"requests.{last}" or name == f"requests.api.{last}"):
            return None if _limited(call, None) else SlowCall(NETWORK, name)
        if last in _HTTP_VERBS and receiver in self.sessions:
            return None if _limited(call, None) else SlowCall(NETWORK, f"{receiver}.{last}")
        if last in _HTTP_VERBS and name == f"httpx.{last}":
            off = any(k.arg == "timeout" and _is_none(k.value) for k in call.keywords)
            return SlowCall(NETWORK, name) if off else None
        if last == "connect" and receiver in self.ssh:
            return None if _limited(call, None) else SlowCall(NETWORK, f"{receiver}.connect")
        if last in ("communicate", "wait") and receiver in self.programs:
            position = 1 if last == "communicate" else 0
            return None if _limited(call, position) else SlowCall(PROGRAM, f"{receiver}.{last}")
        return None


def _limited(call: ast.Call, position: int | None) -> bool:
    for keyword in call.keywords:
        if keyword.arg == "timeout":
            return not _is_none(keyword.value)
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return True
    return position is not None and len(call.args) > position and not _is_none(call.args[position])


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _short(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return (
        isinstance(first, ast.Constant)
        and isinstance(first.value, (int, float))
        and first.value < _SHORTEST_SLEEP_SECONDS
    )
