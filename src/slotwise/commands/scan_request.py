"""What a face asks of a scan: options and pyproject.toml together, the scan, the cures, the chosen format."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from slotwise import __version__
from slotwise.collectors.addon_files import Stamp, read_bytes
from slotwise.collectors.scan_cache import analyser_files
from slotwise.commands.scan import ScanOptions, exit_code, scan, survey, write_baseline
from slotwise.errors import OperatorError
from slotwise.findings import Severity
from slotwise.leaks.report import ScanReport

_MOST_FIX_ROUNDS = 10
_KEYS = {
    "select": list,
    "ignore": list,
    "exclude": list,
    "fail-on": str,
    "baseline": str,
    "pedantic": bool,
}


class ScanRequest(msgspec.Struct, frozen=True):
    """The options as given; None or empty means: not given."""

    paths: tuple[str, ...] = ()
    odoo_conf: str | None = None
    format: str = "text"
    output: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fail_on: str | None = None
    pedantic: bool = False
    baseline: str | None = None
    write_baseline: str | None = None
    fix: bool = False
    include_odoo: bool = False
    jobs: int = 0
    cache: bool = True


class Outcome(msgspec.Struct, frozen=True):
    """What to print on stdout and stderr, and the exit code.

    ``seen`` and ``watched`` are what it depended on (slotwise.collectors.remembered_run); ``seen`` is None where the
    run did more than print, or where stamps cannot tell that it would print the same again.
    """

    result: bytes
    notes: tuple[str, ...]
    exit_code: int
    seen: tuple[tuple[str, Stamp | None], ...] | None = None
    watched: tuple[str, ...] = ()


def run(request: ScanRequest, *, colour: bool = False) -> Outcome:
    """Scan as asked. Raises OperatorError for settings and files that cannot be used."""
    settings = _settings(request)
    options = ScanOptions(
        paths=tuple(Path(path) for path in request.paths),
        odoo_conf=Path(request.odoo_conf) if request.odoo_conf else None,
        select=request.select or tuple(settings.get("select", ())),
        ignore=request.ignore or tuple(settings.get("ignore", ())),
        exclude=(*settings.get("exclude", ()), *request.exclude),
        baseline=_baseline(request, settings),
        pedantic=request.pedantic or bool(settings.get("pedantic", False)),
        include_odoo=request.include_odoo,
        jobs=request.jobs,
        cache=request.cache,
    )
    surveyed = survey(options)
    report = surveyed.report
    notes: list[str] = []
    if request.write_baseline:
        count = write_baseline(report, Path(request.write_baseline))
        notes.append(f"{count} findings written to {request.write_baseline}")
        return Outcome(b"", tuple(notes), 0)
    if request.fix:
        report, notes = _fixed(report, options)
    word = request.fail_on or str(settings.get("fail-on", "warning"))
    result = rendered(report, request.format, options.base, colour=colour and "NO_COLOR" not in os.environ)
    if request.output:
        _write(Path(request.output), result)
        result = b""
    code = exit_code(report, _severity(word))
    if request.fix or request.output or request.odoo_conf or not request.cache:
        return Outcome(result, tuple(notes), code)
    return Outcome(result, tuple(notes), code, surveyed.seen, _watched(request, options))


def _watched(request: ScanRequest, options: ScanOptions) -> tuple[str, ...]:
    """The files besides the addons that decide about the result, those included that would if they were there."""
    settings = tuple(str(path) for path in _settings_files(request))
    return (*settings, *analyser_files(), *((str(options.baseline),) if options.baseline else ()))


def _fixed(report: ScanReport, options: ScanOptions) -> tuple[ScanReport, list[str]]:
    """Cure and scan again until nothing changes: one cure may make room for the next in the same block."""
    from slotwise.commands.scan_fix import Rewritten, fix_files, said

    done: list[Rewritten] = []
    for _ in range(_MOST_FIX_ROUNDS):
        now = fix_files(report, options.base)
        done += now
        if not any(not item.problem for item in now):
            break
        report = scan(options)
    return report, said(done)


def rendered(report: ScanReport, format_: str, base: Path, *, colour: bool = False) -> bytes:
    """The report in one of the formats."""
    if format_ == "json":
        from slotwise.formats.scan_json import scan_json

        return scan_json(report, __version__)
    if format_ == "text":
        from slotwise.commands.scan_fix import differ
        from slotwise.formats.scan_text import scan_text

        return scan_text(report, colour=colour, diff_of=differ(base)).encode("utf-8", "backslashreplace")
    from slotwise.formats import scan_reports

    if format_ == "sarif":
        return scan_reports.scan_sarif(report, __version__)
    if format_ == "junit":
        return scan_reports.scan_junit(report)
    if format_ == "gitlab":
        return scan_reports.scan_gitlab(report)
    return scan_reports.scan_github(report).encode("utf-8", "backslashreplace")


def _severity(word: str) -> Severity | None:
    if word == "never":
        return None
    try:
        return Severity[word.upper()]
    except KeyError as error:
        raise OperatorError(f"fail-on cannot be {word}", "it is critical, warning, info or never") from error


def _baseline(request: ScanRequest, settings: dict[str, Any]) -> Path | None:
    if request.write_baseline:
        return None
    if request.baseline:
        return Path(request.baseline)
    named = settings.get("baseline")
    return Path(settings["_folder"]) / named if named else None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}", "name a file that may be written") from error


def _settings(request: ScanRequest) -> dict[str, Any]:
    """``[tool.slotwise.scan]`` of the nearest pyproject.toml above the first path, checked key by key."""
    *_, nearest = _settings_files(request)
    return _checked(nearest, _toml(nearest)) if nearest.is_file() else {}


def _settings_files(request: ScanRequest) -> list[Path]:
    """Where settings are looked for, up to the first file that is there."""
    start = Path(request.paths[0]).resolve() if request.paths else Path.cwd()
    looked = []
    for folder in (start, *start.parents):
        looked.append(folder / "pyproject.toml")
        if looked[-1].is_file():
            break
    return looked


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content = read_bytes(str(path))
    if isinstance(content, str):
        raise OperatorError(f"{path}: {content}", "mend the file, or scan from another folder")
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OperatorError(f"{path}: {error}", "mend the file, or scan from another folder") from error
    section: Any = document.get("tool", {})
    for key in ("slotwise", "scan"):
        section = section.get(key, {}) if isinstance(section, dict) else {}
    return section if isinstance(section, dict) else {}


def _checked(path: Path, section: dict[str, Any]) -> dict[str, Any]:
    for key, value in section.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise OperatorError(f"{path}: [tool.slotwise.scan] has no key {key}", f"the keys are {', '.join(_KEYS)}")
        listed = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not (listed if kind is list else isinstance(value, kind)):
            raise OperatorError(f"{path}: {key} has the wrong type", f"it is a {kind.__name__}")
    return {**section, "_folder": str(path.parent)}
