"""Where logs usually lie on a Debian, Ubuntu or Red Hat host, and where odoo.conf says."""

from __future__ import annotations

import configparser
from pathlib import Path

_PLACES = (
    "var/log/odoo",
    "var/log/postgresql",
    "var/log/pgbouncer",
    "var/lib/pgsql/*/data/log",
    "var/lib/pgsql/data/log",
)
_CONFIGS = ("etc/odoo/*.conf", "etc/odoo*.conf", "opt/odoo/*.conf")


def log_places(root: Path) -> list[Path]:
    """Directories and files below ``root`` that exist and hold something, each once, in a fixed order.

    ``root`` is ``/``; tests give another one. A directory that may not be read is left out.
    """
    found: dict[Path, None] = {}
    for pattern in _PLACES:
        for directory in sorted(root.glob(pattern)):
            if directory.is_dir() and _holds_something(directory):
                found[directory] = None
    for pattern in _CONFIGS:
        for config in sorted(root.glob(pattern)):
            logfile = _logfile(config)
            path = root / logfile.lstrip("/") if logfile else None
            if path is not None and path.is_file() and path.parent not in found:
                found[path] = None
    return list(found)


def _holds_something(directory: Path) -> bool:
    try:
        return any(directory.iterdir())
    except PermissionError:
        return False


def _logfile(config: Path) -> str | None:
    """``logfile`` of an odoo.conf (section ``options``), or None when it is not set or the file cannot be read."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(config, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None
    value = parser.get("options", "logfile", fallback="")
    return value if value not in ("", "False", "None") else None
