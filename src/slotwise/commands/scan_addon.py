"""Reads one addon and analyses it, or finds out without parsing that there is nothing to analyse."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import msgspec

from slotwise.collectors.addon_files import AddonFolder, read_bytes
from slotwise.collectors.scan_cache import content_digest
from slotwise.leaks.source import SourceFile, count_lines, may_matter
from slotwise.leaks.verdicts import AddonResult, NotJudged


class AddonTask(msgspec.Struct, frozen=True):
    """An addon to scan. ``known_digest`` is that of its remembered content; ``digested``: its content is asked for."""

    addon: AddonFolder
    known_digest: str | None
    digested: bool


class AddonDone(msgspec.Struct, frozen=True):
    """The scan of one addon: ``result`` is None when the content is as remembered, ``whole`` when all was readable.

    ``digest`` is "" where none was asked for.
    """

    path: str
    digest: str
    result: AddonResult | None
    whole: bool


def source_bytes(task: AddonTask) -> int:
    """How much there is to read, as the search saw it."""
    return sum(file.stamp[1] for file in task.addon.files)


def scan_one(task: AddonTask) -> AddonDone:
    """Read one addon, and analyse it when a file of it may matter."""
    sources, unread, manifest = _read(task.addon)
    digest = content_digest([(source.path, source.data) for source in sources]) if task.digested else ""
    whole = not unread
    if digest and digest == task.known_digest and whole:
        return AddonDone(task.addon.path, digest, None, whole)
    telling = [source for source in sources if may_matter(source.data)]
    if not telling:
        result = AddonResult((), tuple(unread), len(sources), 0, count_lines(sources))
        return AddonDone(task.addon.path, digest, result, whole)
    from slotwise.leaks.scanning import scan_addon, series_of

    series = series_of(manifest) or _series_around(os.path.dirname(task.addon.path))  # noqa: PTH120
    with _collected_at_the_end():
        result = scan_addon(task.addon.name, sources, series, telling)
    result = AddonResult(result.leaks, (*unread, *result.not_judged), result.files, result.parsed, result.lines)
    return AddonDone(task.addon.path, digest, result, whole)


@contextmanager
def _collected_at_the_end() -> Iterator[None]:
    """No search for cycles while trees are made, which would look at them in vain, and one of what is young at the end,
    when all of it is garbage: memory then holds one addon, however many there are."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if was_on:
            gc.enable()


@lru_cache(maxsize=64)
def _series_around(folder: str) -> str | None:
    """The series of the Odoo that the addons in ``folder`` belong to (its own have no series in their manifests)."""
    from slotwise.collectors.odoo_version import parse_release

    above = os.path.dirname(folder)  # noqa: PTH120
    for name in (f"{above}/release.py", f"{above}/odoo/release.py", f"{folder}/odoo/release.py"):
        data = read_bytes(name)
        series = parse_release(data) if isinstance(data, bytes) else None
        if series is not None:
            return series
    return None


def _read(addon: AddonFolder) -> tuple[list[SourceFile], list[NotJudged], str]:
    """The files of an addon, those that cannot be read, and the manifest's text ("" without one)."""
    sources, unread, manifest = [], [], ""
    of_manifest = addon.manifest.removesuffix(".py") if addon.manifest is not None else None
    for file in addon.files:
        data = read_bytes(file.path)
        if isinstance(data, str):
            unread.append(NotJudged(file.shown, data))
            continue
        if file.module == of_manifest:
            manifest = data.decode("utf-8", "replace")
        sources.append(SourceFile(file.shown, file.module, data))
    return sources, unread, manifest
