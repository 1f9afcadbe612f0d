"""Remembers what the scan of each addon gave, so that an unchanged tree is not scanned again.

One file for each set of roots, beneath the user's cache folder. An entry is used when every file of the addon has the
same modification time, size and inode as then, or failing that (a fresh checkout) the same content. The
Python version and the files of the analysis are part of the key: another analyser never finds an older one's results.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from slotwise import __version__
from slotwise.collectors.addon_files import AddonFolder
from slotwise.leaks.verdicts import AddonResult

Stamps = tuple[tuple[str, int, int, int], ...]


class Remembered(msgspec.Struct, frozen=True):
    """The result of one addon with the state of its files when it was scanned. ``content`` is a digest of them all."""

    stamps: Stamps
    content: str
    result: AddonResult


class _File(msgspec.Struct, frozen=True):
    analyser: str
    addons: dict[str, Remembered]


def stamps_of(addon: AddonFolder) -> Stamps:
    """The state of the addon's files, without reading them."""
    return tuple((file.shown, *file.stamp) for file in addon.files)


def content_digest(contents: list[tuple[str, bytes]]) -> str:
    """A digest of file names and contents."""
    import hashlib

    digest = hashlib.blake2b(digest_size=16)
    for name, data in contents:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class ScanCache:
    """The remembered results of one set of roots. Reading and writing it never fails a scan."""

    def __init__(self, path: Path, analyser: str) -> None:
        self.path = path
        self.analyser = analyser
        self.addons: dict[str, Remembered] = {}
        self.changed = False
        with contextlib.suppress(OSError, msgspec.DecodeError):
            stored = msgspec.msgpack.decode(path.read_bytes(), type=_File)
            if stored.analyser == analyser:
                self.addons = stored.addons

    def recall(self, addon: AddonFolder) -> AddonResult | None:
        """The result of ``addon`` when none of its files changed."""
        known = self.addons.get(addon.path)
        return known.result if known is not None and known.stamps == stamps_of(addon) else None

    def recall_content(self, addon: AddonFolder, digest: str) -> AddonResult | None:
        """The result of ``addon`` when the content is what it was, whatever its time stamps say."""
        known = self.addons.get(addon.path)
        same_names = known is not None and [s[0] for s in known.stamps] == [f.shown for f in addon.files]
        return known.result if known is not None and same_names and known.content == digest else None

    def remember(self, addon: AddonFolder, digest: str, result: AddonResult) -> None:
        """Keep the result of ``addon``."""
        self.addons[addon.path] = Remembered(stamps_of(addon), digest, result)
        self.changed = True

    def save(self, present: set[str]) -> None:
        """Write what changed, without the addons that are gone. A cache that cannot be written is no error."""
        import tempfile

        gone = set(self.addons) - present
        if not self.changed and not gone:
            return
        kept = {path: known for path, known in self.addons.items() if path in present}
        data = msgspec.msgpack.encode(_File(self.analyser, kept))
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".scan-")
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(temporary).replace(self.path)


def analyser_files() -> tuple[str, ...]:
    """The files of the program that decide about a result, in order."""
    package = Path(__file__).parent.parent / "leaks"
    return tuple(sorted(str(path) for path in package.rglob("*.py")))


def analyser_version() -> str:
    """What a cached result depends on besides the source: the Python's grammar and the analysis itself."""
    import hashlib

    python = ".".join(map(str, sys.version_info[:2]))
    digest = hashlib.blake2b(digest_size=10)
    for path in analyser_files():
        status = os.stat(path)  # noqa: PTH116 some dozens of them
        digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\0".encode("utf-8", "surrogateescape"))
    return f"{__version__} {python} {digest.hexdigest()}"


def default_cache_path(base: Path, roots: tuple[Path, ...]) -> Path:
    """Where the results of these roots are kept: ``$XDG_CACHE_HOME/slotwise`` or ``~/.cache/slotwise``."""
    import hashlib

    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    text = "\0".join([str(base), *(str(root) for root in roots)])
    name = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
    return Path(cache_home) / "slotwise" / f"scan-{name}.msgpack"
