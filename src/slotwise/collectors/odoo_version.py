"""Finds the version of an Odoo from its own files: `version_info` in odoo/release.py."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from slotwise.collectors.host_files import View, read_file
from slotwise.snapshot.evidence import Unavailable

_VERSION_INFO = re.compile(
    rb"^version_info\s*=\s*\(\s*(?:['\"](?P<name>[\w~-]+)['\"]|(?P<major>\d+))\s*,\s*(?P<minor>\d+)", re.M
)
_SITE_PACKAGES = ("lib/python3/dist-packages", "local/lib/python3/dist-packages")


def parse_release(content: bytes) -> str | None:
    """The series that a release.py names: ``17.0``, ``saas~18.2``; None where it names none."""
    match = _VERSION_INFO.search(content)
    if match is None:
        return None
    return f"{(match['name'] or match['major']).decode()}.{match['minor'].decode()}"


def find_version(
    view: View, script: str | None, interpreter: str | None, addons_paths: Iterable[str]
) -> tuple[str, str] | None:
    """The version and the file that says it, or None.

    Looked for beside the script (a source tree), around each addons path (`…/odoo/addons`, `…/addons`) and in the
    interpreter's packages (pip, the Debian package): the first one that is there is the one that runs.
    """
    seen: set[str] = set()
    for directory in _packages(view, script, interpreter, tuple(addons_paths)):
        name = f"{directory}/release.py"
        if name in seen:
            continue
        seen.add(name)
        content = read_file(view.place(name), name)
        version = None if isinstance(content, Unavailable) else parse_release(content)
        if version is not None:
            return version, name
    return None


def _packages(view: View, script: str | None, interpreter: str | None, addons_paths: tuple[str, ...]) -> Iterator[str]:
    """Directories that may be the package `odoo`, the likeliest first."""
    if script and "/" in script:
        yield posixpath.join(posixpath.dirname(view.absolute(script)), "odoo")
    for path in addons_paths:
        parent = posixpath.dirname(view.absolute(path))
        yield parent
        yield posixpath.join(parent, "odoo")
    for prefix in _prefixes(script, interpreter):
        library = view.place(f"{prefix}/lib")
        found = sorted(p.name for p in library.glob("python3.*")) if library.is_dir() else []
        for name in found:
            yield f"{prefix}/lib/{name}/site-packages/odoo"
            yield f"{prefix}/lib/{name}/dist-packages/odoo"
        for packages in _SITE_PACKAGES:
            yield f"{prefix}/{packages}/odoo"


def _prefixes(script: str | None, interpreter: str | None) -> Iterator[str]:
    """Where Python is installed: the parent of the `bin` that the script or the interpreter is in."""
    for program in (script, interpreter):
        directory = posixpath.dirname(program or "")
        if directory.startswith("/") and posixpath.basename(directory) in ("bin", "sbin"):
            yield posixpath.dirname(directory)
    yield "/usr"
    yield "/usr/local"
