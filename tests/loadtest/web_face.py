"""The stand-in of Odoo's web face as a process, for tests over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen


class Face:
    """A running face at ``url``."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def condition(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/standin", timeout=10) as response:
            return dict(json.loads(response.read()))

    def records(self) -> int:
        return sum(self.condition()["records"].values())


@contextmanager
def web_face(*options: str) -> Iterator[Face]:
    words = [sys.executable, "-m", "slotwise.standin.web_face", *options]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stdin is not None
        yield Face(int(program.stdout.readline()))
        program.stdin.close()
        program.wait(10)
