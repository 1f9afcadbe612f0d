"""systemd drop-ins: settings of a service beside its unit, which an upgrade of the package leaves alone."""

from __future__ import annotations


def open_files(limit: int) -> str:
    """A drop-in that raises the limit of open files: a client that finds none left hangs without any message."""
    return f"# Written by `slotwise fix`.\n[Service]\nLimitNOFILE={limit}\n"


def path_of(unit: str) -> str:
    """Where the drop-in of a unit goes. Raises ValueError for a name that is no unit's."""
    if not unit or "/" in unit or unit.startswith("."):
        raise ValueError(f"{unit!r} is no unit")
    return f"/etc/systemd/system/{unit}.d/slotwise.conf"
