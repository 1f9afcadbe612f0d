"""Opens a log as a stream of bytes, however it is packed (gzip, bzip2, xz, zstd); says when a stream ends early."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from slotwise.errors import OperatorError

CHUNK_BYTES = 4 << 20
_EXPORT = b"__CURSOR="
"""``journalctl -o export`` begins every entry with it (systemd's Journal Export Format)."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
_MAGIC |= {_EXPORT[:6]: "export"}


class EndsEarly(Exception):
    """The packed stream is cut off or damaged: what came before was read."""


def packing_of(path: Path) -> str | None:
    """``gzip``, ``xz``, ``bzip2``, ``zstd``, ``export`` by the first bytes (names lie), or None for a plain file."""
    with path.open("rb") as file:
        start = file.read(6)
    for magic, packing in _MAGIC.items():
        if start.startswith(magic):
            return packing
    return None


def chunks_of(path: Path) -> Iterator[bytes]:
    """The unpacked bytes of ``path``. Raises EndsEarly for a damaged stream, after what could be read; OperatorError
    when a package is missing; OSError when the file cannot be read."""
    packing = packing_of(path)
    if packing is None:
        with path.open("rb", buffering=0) as file:
            yield from read_chunks(file)
        return
    if packing == "export":
        with path.open("rb") as file:
            yield from entries_of(read_chunks(file))
        return
    with _unpacked(path, packing) as stream:
        try:
            # Small pieces: a stream that ends early gives what it still held.
            yield from entries_of(read_chunks(stream, 1 << 20))
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, _zstd_error()) as error:
            raise EndsEarly(f"{packing} stream ends early or is damaged") from error


def read_chunks(stream: Any, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Chunks of a binary stream until its end."""
    while data := stream.read(size):
        yield data


def entries_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as they are, or, of the journal's export format, each entry as a line of JSON where it ends.

    Its other lines become empty ones, so that a line keeps its number.
    """
    source = iter(chunks)
    first = next(source, b"")
    while len(first) < len(_EXPORT) and (more := next(source, b"")):
        first += more
    if not first.startswith(_EXPORT):
        yield first
        yield from source
        return
    rest = b""
    for data in chain((first,), source):
        *entries, rest = (rest + data).split(b"\n\n" + _EXPORT)
        for entry in entries:
            yield _entry_line(entry) + b"\n\n"
    yield _entry_line(rest.rstrip(b"\n")) + b"\n"


def _entry_line(entry: bytes) -> bytes:
    """One entry of the journal as ``journalctl -o json`` writes it, below as many empty lines as it had before."""
    fields: dict[str, str] = {}
    lines = entry.split(b"\n")
    for line in lines:
        name, equals, value = line.partition(b"=")
        if equals and name.replace(b"_", b"A").isalnum() and name.isupper():
            fields[name.decode("ascii", "replace")] = value.decode("utf-8", "replace")
    if b"\nMESSAGE\n" in entry:
        # A value that holds a line end or no text: its length in eight bytes, then the value.
        raw = entry[entry.index(b"\nMESSAGE\n") + 9 :]
        size = int.from_bytes(raw[:8], "little")
        fields["MESSAGE"] = raw[8 : 8 + size].decode("utf-8", "replace")
    return b"\n" * (len(lines) - 1) + json.dumps(fields).encode()


def _unpacked(path: Path, packing: str) -> IO[bytes] | Any:
    if packing == "gzip":
        return gzip.open(path, "rb")
    if packing == "xz":
        return lzma.open(path, "rb")
    if packing == "bzip2":
        return bz2.open(path, "rb")
    try:
        import zstandard
    except ImportError as error:
        raise OperatorError(
            f"{path} is packed with zstd, and the Python package zstandard is not installed",
            "pip install 'slotwise[zstd]', or unpack it: zstd -dc FILE | slotwise logs -",
        ) from error
    return zstandard.open(path, "rb")


def _zstd_error() -> type[Exception]:
    try:
        import zstandard
    except ImportError:
        return EOFError
    return zstandard.ZstdError
