"""The linters that an Odoo shop already runs: their command lines, and where they come from.

They are taken from beside this Python or from PATH; those that are in neither are installed from PyPI, once, into a
virtual environment of their own beneath the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slotwise-bench" / "linters"
_PACKAGES = ("ruff>=0.9", "ruff-odoo>=0.17", "odoo-linter>=0.1.0a17", "pylint-odoo>=10.0")
_RUFF = ("check", "--isolated", "--no-cache", "--preview", "--exit-zero", "--output-format", "concise", "--select")
# Each with every rule it has about Odoo or resources, without its cache, and with every core.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "ruff (all rules)": ("ruff", *_RUFF, "ALL"),
    "ruff-odoo (OD rules)": ("ruff-odoo", *_RUFF, "OD"),
    "odoo-linter": ("odl", "check"),
    "pylint-odoo": (
        "pylint",
        "--load-plugins=pylint_odoo",
        "--disable=all",
        "--enable=odoolint,consider-using-with",
        "--recursive=y",
        "-j2",
    ),
}


def linters() -> dict[str, list[str]]:
    """Command lines by name; the tree is appended. One that cannot be had is said to be missing and left out."""
    if not all(_found(command[0]) for command in _COMMANDS.values()):
        _install()
    there: dict[str, list[str]] = {}
    for name, (program, *arguments) in _COMMANDS.items():
        path = _found(program)
        if path is None:
            print(f"{name}: not there, and not to be installed")
        else:
            there[name] = [path, *arguments]
    return there


def _found(program: str) -> str | None:
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", ""), str(CACHE / "bin"))
    return shutil.which(program, path=os.pathsep.join(places))


def _install() -> None:
    if not (CACHE / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
    command = [str(CACHE / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    for package in _PACKAGES:  # one that the registry does not have keeps none of the others out
        subprocess.run([*command, package], check=False)
