"""The use case: the same users for those who have a harness of their own."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from slotwise.commands.load_output import write
from slotwise.load.people import People, settings_of
from slotwise.load.ramp import Limits

_SETTINGS = re.compile(r"^SETTINGS: dict\[str, Any\] = \{.*?^\}$", re.DOTALL | re.MULTILINE)


def export(people: People, limits: Limits, k6: Path | None, locust: Path | None) -> list[Path]:
    """Write the files that were asked for; which those are. No password is written: both take it from outside.

    Raises OperatorError where a file cannot be written.
    """
    written = []
    for path, text in ((k6, k6_script(people, limits)), (locust, locustfile(people))):
        if path is not None:
            write(text, path)
            written.append(path)
    return written


def locustfile(people: People) -> str:
    """A locustfile that needs nothing of slotwise; the password comes from SLOTWISE_LOAD='{"password": ...}'."""
    text = files("slotwise.loadtest").joinpath("odoo_locustfile.py").read_text(encoding="utf-8")
    settings = "\n".join(f"    {name!r}: {value!r}," for name, value in settings_of(people, "", {}).items())
    return _SETTINGS.sub(lambda _: f"SETTINGS: dict[str, Any] = {{\n{settings}\n}}", text, count=1)


def k6_script(people: People, limits: Limits) -> str:
    """A script for k6; the password comes from ``-e PASSWORD=...``."""
    text = files("slotwise.loadtest").joinpath("k6_users.js").read_text(encoding="utf-8")
    settings = settings_of(people, "", {})
    rpc = people.rpc_ratio
    settings |= {
        "stages": stages(limits, 1 - rpc),
        "rpc_stages": stages(limits, rpc),
        "websocket_stages": stages(limits, (1 - rpc) * people.websocket_ratio),
        "p95_ms": 2000,
        "websocket_url": people.websocket_url or re.sub(r"^http", "ws", people.url.rstrip("/")) + "/websocket",
    }
    return text.replace("__SETTINGS__", json.dumps(settings, indent=2))


def stages(limits: Limits, share: float) -> list[dict[str, str | int]]:
    """k6's stages: the steps of a ramp, for this share of the users."""
    steps = list(limits.steps)
    users = 1
    while not limits.steps and users <= limits.users and len(steps) * limits.step_seconds < limits.seconds:
        steps.append(users)
        users = max(users + 1, round(users * limits.growth))
    return [{"duration": f"{limits.step_seconds:g}s", "target": round(step * share)} for step in steps]
