"""The services of systemd by which Odoo is started here, as their unit files have them."""

from __future__ import annotations

import re
from pathlib import Path

from slotwise.collectors.odoo_options import option_specs, table_version
from slotwise.fixes.systemd import OdooUnit, commands_of, path_of
from slotwise.snapshot.odoo import Odoo, OdooInstance

PLACES = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
"""Where units are, the first one wins (systemd.unit(5), "Unit File Load Path")."""

OWN = "slotwise.conf"
_UNIT = re.compile(r"/(?P<unit>[^/\n]+\.service)(?:/|$)", re.MULTILINE)


def unit_of(pid: int, root: Path = Path("/")) -> str | None:
    """The systemd service of a process, from its control group."""
    try:
        text = (root / f"proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    units = [m["unit"] for m in _UNIT.finditer(text)]
    return next((u for u in reversed(units) if not u.startswith(("user@", "session"))), None)


def odoo_units(odoo: Odoo, root: Path = Path("/")) -> dict[str, OdooUnit]:
    """The unit of each instance that runs as a service of this host, by the instance's id."""
    found: dict[str, OdooUnit] = {}
    for instance in odoo.instances:
        if instance.container:
            continue
        name = next(filter(None, (unit_of(pid, root) for pid in instance.processes)), None)
        if name is not None:
            found[instance.id] = _read(name, instance, root)
    return found


def _read(name: str, instance: OdooInstance, root: Path) -> OdooUnit:
    template = re.sub(r"@[^@]*\.service$", "@.service", name)
    texts = [text for text in (_text(root / place / one) for one in (name, template) for place in PLACES) if text]
    drop_ins: dict[str, Path] = {}
    for place in reversed(PLACES):
        for one in dict.fromkeys((template, name)):
            drop_ins.update({path.name: path for path in (root / place / f"{one}.d").glob("*.conf")})
    commands: tuple[str, ...] = commands_of(texts[0]) if texts else ()
    overruled = False
    for file in sorted(drop_ins):
        text = _text(drop_ins[file]) or ""
        overruled = overruled or (file > OWN and bool(commands_of(text)))
        commands = commands_of(text, commands)
    own = root / path_of(name).lstrip("/")
    specs = option_specs(table_version(instance.version))
    return OdooUnit(
        name=name,
        command=commands[0] if len(commands) == 1 else None,
        flags={option: spec.flags for option, spec in specs.items()},
        drop_in=own.read_bytes() if own.is_file() else None,
        overruled=overruled,
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
