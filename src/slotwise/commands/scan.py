"""Scan: find the addons, read them, hand them to the analysis, judge what it found by what the project has said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slotwise.collectors.addon_files import AddonFolder, Stamp, addons_paths, find_addons, read_bytes
from slotwise.collectors.scan_cache import ScanCache, analyser_version, default_cache_path
from slotwise.commands.scan_addon import AddonDone, AddonTask, scan_one, source_bytes
from slotwise.commands.shared_work import share
from slotwise.errors import ExitCode, OperatorError
from slotwise.findings import Severity
from slotwise.leaks.report import ACTIVE, BASELINED, IGNORED, Judged, ScanReport, fingerprints
from slotwise.leaks.verdicts import AddonResult, Leak, NotJudged, Pattern

# Below this much source, another process costs more than it saves: reading and sifting so much takes 5 ms.
_WORTH_A_PROCESS_BYTES = 500_000


class ScanOptions(msgspec.Struct, frozen=True):
    """What to scan and how. ``paths`` may be empty when ``odoo_conf`` names the addons.

    ``select`` and ``ignore`` hold pattern ids or their beginnings ("SW7"). ``jobs`` 0 means one for each core.
    ``cache`` False neither reads nor writes remembered results.
    """

    paths: tuple[Path, ...] = ()
    odoo_conf: Path | None = None
    base: Path = msgspec.field(default_factory=Path.cwd)
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    baseline: Path | None = None
    pedantic: bool = False
    include_odoo: bool = False
    jobs: int = 0
    cache: bool = True


class Surveyed(msgspec.Struct, frozen=True):
    """A scan and what it depended on: paths with their stamps (None: not there). ``seen`` is None where stamps cannot
    tell whether another scan would give the same, because something could not be read.
    """

    report: ScanReport
    seen: tuple[tuple[str, Stamp | None], ...] | None


def scan(options: ScanOptions) -> ScanReport:
    """Scan and judge. Raises OperatorError for paths, ids or files that cannot be used."""
    return survey(options).report


def survey(options: ScanOptions) -> Surveyed:
    """As :func:`scan`, with what the result depended on."""
    paths = options.paths or (addons_paths(options.odoo_conf) if options.odoo_conf else ())
    if not paths:
        raise OperatorError("nothing to scan", "name folders or files, or --config /etc/odoo/odoo.conf")
    patterns = _chosen(options.select, options.ignore)
    known = _read_baseline(options.baseline) if options.baseline else frozenset()
    found, unreadable, places = find_addons(paths, options.base, options.exclude)
    addons, skipped = _worth_scanning(found, options.include_odoo or options.odoo_conf is None)
    cache = _open_cache(options, paths)
    results: dict[str, AddonResult] = {}
    for addon in addons:
        remembered = cache.recall(addon) if cache else None
        if remembered is not None:
            results[addon.path] = remembered
    cached = len(results)
    whole = not unreadable
    for addon, done, result in _scan_all([a for a in addons if a.path not in results], options.jobs, cache):
        results[addon.path] = result
        whole = whole and done.whole
        if cache and done.whole:  # a file that becomes readable keeps its stamp
            cache.remember(addon, done.digest, result)
    if cache:
        cache.save({addon.path for addon in addons})
    ordered = [_asked_for(results[addon.path], addon) for addon in addons]
    not_judged = [NotJudged(item.shown, item.reason) for item in unreadable]
    not_judged += [item for result in ordered for item in result.not_judged]
    wanted = {pattern.id for pattern in patterns}
    leaks = tuple(
        leak
        for result in ordered
        for leak in result.leaks
        if leak.pattern_id in wanted and (options.pedantic or not leak.possible)
    )
    report = ScanReport(
        patterns=patterns,
        findings=tuple(_judge(leaks, known)),
        not_judged=tuple(not_judged),
        addons=sum(1 for addon in addons if addon.manifest is not None),
        files=sum(result.files for result in ordered),
        parsed=sum(result.parsed for result in ordered),
        lines=sum(result.lines for result in ordered),
        cached_addons=cached,
        skipped_addons=skipped,
    )
    files = ((file.path, file.stamp) for addon in found for file in addon.files)
    return Surveyed(report, (*places, *files) if whole else None)


def _asked_for(result: AddonResult, addon: AddonFolder) -> AddonResult:
    """What was found in the files that were named, when they were named one by one."""
    if addon.named is None:
        return result
    return msgspec.structs.replace(
        result,
        leaks=tuple(leak for leak in result.leaks if leak.path in addon.named),
        not_judged=tuple(item for item in result.not_judged if item.path in addon.named),
    )


def exit_code(report: ScanReport, fail_on: Severity | None) -> ExitCode:
    """1 with an active finding at or above ``fail_on`` (None: never), 3 when a file could not be judged, else 0."""
    if fail_on is not None and any(judged.leak.severity >= fail_on for judged in report.active):
        return ExitCode.FINDINGS
    return ExitCode.UNKNOWN if report.not_judged else ExitCode.HEALTHY


def write_baseline(report: ScanReport, path: Path) -> int:
    """Write the fingerprints of all findings that no comment ignores, and return how many. Raises OperatorError."""
    import json

    kept = [judged for judged in report.findings if judged.standing != IGNORED]
    entries = [
        {"fingerprint": j.fingerprint, "pattern": j.leak.pattern_id, "file": j.leak.path, "function": j.leak.function}
        for j in kept
    ]
    document = {"version": 1, "findings": sorted(entries, key=lambda e: (e["file"], e["pattern"], e["fingerprint"]))}
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}", "name a file that may be written") from error
    return len(entries)


def _read_baseline(path: Path) -> frozenset[str]:
    import json

    content = read_bytes(str(path))
    if isinstance(content, str):
        raise OperatorError(f"{path}: {content}", "make it with --write-baseline FILE")
    try:
        document = json.loads(content.decode("utf-8"))
        return frozenset(entry["fingerprint"] for entry in document["findings"])
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorError(f"{path} is no baseline of slotwise", "make it anew with --write-baseline FILE") from error


def _chosen(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Pattern, ...]:
    from slotwise.leaks.catalogue import catalogue

    patterns = catalogue()
    for prefix in (*select, *ignore):
        if not any(_named(pattern, prefix) for pattern in patterns):
            raise OperatorError(f"no pattern is called {prefix}", f"they are {patterns[0].id} to {patterns[-1].id}")
    chosen = [p for p in patterns if not select or any(_named(p, prefix) for prefix in select)]
    return tuple(p for p in chosen if not any(_named(p, prefix) for prefix in ignore))


def _named(pattern: Pattern, name: str) -> bool:
    return pattern.id.startswith(name.upper()) or pattern.slug == name.lower()


def _judge(leaks: tuple[Leak, ...], known: frozenset[str]) -> Iterator[Judged]:
    for leak, fingerprint in zip(leaks, fingerprints(leaks), strict=True):
        if leak.ignored is not None:
            yield Judged(leak, fingerprint, IGNORED)
        else:
            yield Judged(leak, fingerprint, BASELINED if fingerprint in known else ACTIVE)


def _worth_scanning(addons: tuple[AddonFolder, ...], with_odoo: bool) -> tuple[list[AddonFolder], tuple[str, ...]]:
    """The addons to scan, and the names of Odoo's own, which nobody here can mend (only with ``--config``)."""
    if with_odoo:
        return list(addons), ()
    own = [addon for addon in addons if _is_odoos(addon)]
    names = {addon.path for addon in own}
    return [addon for addon in addons if addon.path not in names], tuple(sorted(addon.name for addon in own))


def _is_odoos(addon: AddonFolder) -> bool:
    if addon.manifest is None:
        return False
    data = read_bytes(os.path.join(addon.path, addon.manifest))  # noqa: PTH118
    return isinstance(data, bytes) and (b"'author': 'Odoo" in data or b'"author": "Odoo' in data)


def _open_cache(options: ScanOptions, paths: tuple[Path, ...]) -> ScanCache | None:
    # Single files, as pre-commit names them, are another set each time: each would leave a file of its own.
    if not options.cache or not all(path.is_dir() for path in paths):
        return None
    where = default_cache_path(options.base.resolve(), tuple(path.resolve() for path in paths))
    return ScanCache(where, analyser_version())


def _scan_all(
    addons: list[AddonFolder], jobs: int, cache: ScanCache | None
) -> Iterator[tuple[AddonFolder, AddonDone, AddonResult]]:
    """Scan addons, in other processes too when there is enough to do; results come in any order."""
    tasks = []
    for addon in addons:
        known = cache.addons.get(addon.path) if cache else None
        tasks.append(AddonTask(addon, known.content if known else None, digested=cache is not None))
    by_path = {addon.path: addon for addon in addons}
    for done in _run(tasks, jobs):
        result = done.result
        if result is None:
            assert cache is not None
            result = cache.addons[done.path].result
        yield by_path[done.path], done, result


def _run(tasks: list[AddonTask], jobs: int) -> Iterator[AddonDone]:
    """Scan what is worth it with every core, the largest first, so that no process is alone with one at the end."""
    if sum(map(source_bytes, tasks)) < _WORTH_A_PROCESS_BYTES:
        return map(scan_one, tasks)
    return share(sorted(tasks, key=source_bytes, reverse=True), scan_one, jobs or _cores())


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
