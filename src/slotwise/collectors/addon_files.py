"""Finds the addons beneath some folders and reads their Python files. Follows links once, fails on nothing."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from slotwise.errors import OperatorError

#: Modification time in nanoseconds, size in bytes, inode: while they stay, so does a file's content, or the names in a
#: folder.
Stamp = tuple[int, int, int]

MANIFESTS = ("__manifest__.py", "__openerp__.py")
# Folders that hold no code that Odoo imports.
_NOT_CODE = frozenset({"__pycache__", "node_modules", "static", "i18n", ".git", ".hg", ".svn", ".tox", ".venv", "venv"})


class PythonFile(msgspec.Struct, frozen=True):
    """A Python file that was seen: where it is, what outputs call it, its dotted module in the addon, and its stat.

    ``stamp`` was taken before anything of the file was read.
    """

    path: str
    shown: str
    module: str
    stamp: Stamp


class AddonFolder(msgspec.Struct, frozen=True):
    """One addon (or a folder of loose Python files, which has no manifest) and its files in order of path.

    ``named`` holds the files (as shown) that were asked for one by one, as pre-commit does: the others of the addon are
    there to follow calls into them. None means all.
    """

    name: str
    path: str
    manifest: str | None
    files: tuple[PythonFile, ...]
    named: frozenset[str] | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A file or a folder that could not be read, and why."""

    shown: str
    reason: str


class _Search:
    """One walk over some roots: what was seen already, and what could not be read."""

    def __init__(self, base: str, exclude: tuple[str, ...]) -> None:
        self.base = base
        self.exclude = exclude
        self.inside = self.base + os.sep
        self.seen: set[tuple[int, int]] = set()
        self.places: list[tuple[str, Stamp | None]] = []
        self.unreadable: list[Unreadable] = []
        self.pending: list[tuple[str, str | None, list[PythonFile]]] = []

    def shown(self, path: str) -> str:
        return path[len(self.inside) :] if path.startswith(self.inside) else path

    def excluded(self, path: str) -> bool:
        if not self.exclude:
            return False
        shown = self.shown(path).replace(os.sep, "/")
        return any(fnmatch(shown, p) or fnmatch(shown, f"*/{p}") or fnmatch(shown, f"{p}/*") for p in self.exclude)

    def folder(self, path: str, addon: list[PythonFile] | None, root: str) -> None:
        """Walk one folder; ``addon`` collects the files of the addon (or loose folder) that it belongs to."""
        stack = [(path, addon, root)]
        while stack:
            current, files, origin = stack.pop()
            try:
                status = os.stat(current)  # noqa: PTH116 a Path for each of many thousand entries costs more than the walk
                if (status.st_dev, status.st_ino) in self.seen:
                    continue
                self.seen.add((status.st_dev, status.st_ino))
                self.places.append((current, _stamp(status)))
                entries = sorted(os.scandir(current), key=lambda entry: entry.name)
            except OSError as error:
                self.unreadable.append(Unreadable(self.shown(current), error.strerror or "cannot be read"))
                continue
            names = {entry.name for entry in entries}
            manifest = next((name for name in MANIFESTS if name in names), None)
            if manifest is not None:
                files, origin = [], current
                self.pending.append((current, manifest, files))
            elif files is None:
                files = []
                self.pending.append((current, None, files))
            stack += self._entries(entries, files, origin)

    def _entries(
        self, entries: list[os.DirEntry[str]], files: list[PythonFile], origin: str
    ) -> list[tuple[str, list[PythonFile], str]]:
        folders = []
        inside = len(origin.rstrip(os.sep)) + 1
        for entry in entries:
            if entry.name.startswith(".") or self.excluded(entry.path):
                continue
            if entry.is_symlink():
                self.places.append((entry.path, _stamp_behind(entry)))
            try:
                if entry.is_dir():
                    if entry.name not in _NOT_CODE:
                        folders.append((entry.path, files, origin))
                elif not entry.name.endswith(".py"):
                    pass
                elif not entry.is_file():
                    self.unreadable.append(Unreadable(self.shown(entry.path), _no_file(entry)))
                else:
                    status = entry.stat()
                    module = _module(entry.path[inside:])
                    files.append(PythonFile(entry.path, self.shown(entry.path), module, _stamp(status)))
            except OSError as error:
                self.unreadable.append(Unreadable(self.shown(entry.path), error.strerror or "cannot be read"))
        return list(reversed(folders))


def find_addons(
    roots: tuple[Path, ...], base: Path, exclude: tuple[str, ...] = ()
) -> tuple[tuple[AddonFolder, ...], tuple[Unreadable, ...], tuple[tuple[str, Stamp | None], ...]]:
    """The addons beneath ``roots`` (folders or single files), what could not be read, and where the search went.

    The last are the folders that were entered and the links that were met, with the stamps of what is there (None:
    nothing): while these and the files stay, another search finds the same.

    Paths are shown relative to ``base`` where they lie beneath it. ``exclude`` holds patterns of such paths.
    A folder is entered once, so links in a circle end. Files that are named one by one bring the addon around them
    along. Raises OperatorError for a root that does not exist.
    """
    search = _Search(str(base.resolve()), exclude)
    single: list[str] = []
    for root in roots:
        path = os.path.abspath(root)  # noqa: PTH100 links stay as they are named
        if os.path.isdir(path):  # noqa: PTH112
            search.folder(path, None, path)
        elif os.path.isfile(path):  # noqa: PTH113
            single.append(path)
        elif os.path.lexists(path):
            raise OperatorError(f"{root} is no folder and no regular file", "give a folder of addons or a Python file")
        else:
            raise OperatorError(f"{root} does not exist", "give a folder of addons, an addon, or a Python file")
    named = _around_single(single, search)
    found = [
        AddonFolder(os.path.basename(path), path, manifest, tuple(sorted(files, key=lambda f: f.path)), named.get(path))  # noqa: PTH119
        for path, manifest, files in search.pending
        if files
    ]
    return tuple(found), tuple(search.unreadable), tuple(search.places)


def _around_single(paths: list[str], search: _Search) -> dict[str, frozenset[str]]:
    """Search the addons around files that were named one by one, and return which of their files were named."""
    whole = {path for path, _, _ in search.pending}
    by_addon: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        folder = os.path.dirname(path)  # noqa: PTH120
        by_addon.setdefault(_addon_above(folder) or folder, []).append(path)
    named = {}
    for folder, mine in by_addon.items():
        if folder in whole:
            continue
        start = len(search.pending)
        if _addon_above(folder) is not None:
            search.folder(folder, None, folder)
        there = {file.path for _, _, files in search.pending[start:] for file in files}
        left = [path for path in mine if path not in there and not search.excluded(path)]
        loose = [found for p in left if (found := _loose(p, folder, search)) is not None]
        known = next((files for path, _, files in search.pending[start:] if path == folder), None)
        if known is not None:
            known += loose
        elif loose:
            search.pending.append((folder, None, loose))
        named[folder] = frozenset(search.shown(path) for path in mine)
    return named


def _loose(path: str, folder: str, search: _Search) -> PythonFile | None:
    """A file that was named and lies in no addon; None where it has gone since, which ``search`` then says."""
    try:
        stamp = _stamp(os.stat(path))  # noqa: PTH116
    except OSError as error:
        search.unreadable.append(Unreadable(search.shown(path), error.strerror or "cannot be read"))
        return None
    return PythonFile(path, search.shown(path), _module(path[len(folder) + 1 :]), stamp)


def _addon_above(folder: str) -> str | None:
    """The nearest folder with a manifest, from ``folder`` upwards."""
    while True:
        if any(os.path.isfile(os.path.join(folder, name)) for name in MANIFESTS):  # noqa: PTH113, PTH118
            return folder
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return None
        folder = above


def _no_file(entry: os.DirEntry[str]) -> str:
    """Why an entry that is called like a Python file is none: reading a pipe or a device may wait for ever."""
    return "a link that leads nowhere" if entry.is_symlink() and not Path(entry).exists() else "no regular file"


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _stamp_behind(link: os.DirEntry[str]) -> Stamp | None:
    try:
        return _stamp(link.stat())
    except OSError:
        return None


def read_bytes(path: str) -> bytes | str:
    """The content of a regular file, or one line that says why it cannot be read. Never waits.

    What is opened is looked at, and not what the name led to a moment before: opening a pipe without O_NONBLOCK waits
    for a writer (open(2)).
    """
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                return "no regular file"
            return handle.read()
    except OSError as error:
        return error.strerror or "cannot be read"


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def addons_paths(config: Path) -> tuple[Path, ...]:
    """The folders of ``addons_path`` in an odoo.conf, in order; those that do not exist are left out.

    Read as Odoo reads it (odoo/tools/config.py 17.0-19.0: RawConfigParser, section ``options``, comma-separated,
    ``~`` and environment variables expanded), so that a ``%`` in a password is no syntax.
    Raises OperatorError when the file cannot be read or names no folder that is there.
    """
    import configparser

    content = read_bytes(str(config))
    if isinstance(content, str):
        raise OperatorError(f"{config}: {content}", "name an odoo.conf that this user may read")
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise OperatorError(
            f"{config} is no odoo.conf: {first}", "it needs a line [options] and key = value"
        ) from error
    text = parser.get("options", "addons_path", fallback="")
    named = [Path(os.path.expanduser(os.path.expandvars(part.strip()))) for part in text.split(",") if part.strip()]  # noqa: PTH111
    there = tuple(path for path in named if path.is_dir())
    if not there:
        raise OperatorError(
            f"{config} names no addons_path that is there", "give the folders themselves: slotwise scan PATH..."
        )
    return there


def _module(relative: str) -> str:
    dotted = relative.removesuffix(".py").replace(os.sep, ".")
    return "" if dotted == "__init__" else dotted.removesuffix(".__init__")
