"""slotwise scan from the outside: a folder in, a report and an exit code out."""

import ast
import gc
import json
import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from slotwise.collectors.addon_files import find_addons
from slotwise.commands.scan import ScanOptions, exit_code, scan, write_baseline
from slotwise.commands.scan_request import Outcome, ScanRequest, run
from slotwise.errors import ExitCode, OperatorError
from slotwise.findings import Severity
from slotwise.leaks.report import ScanReport

LEAK = """import psycopg2


def read(dsn):
    conn = psycopg2.connect(dsn)
    return conn.cursor().fetchall()
"""
CLEAN = "def add(a, b):\n    return a + b\n"
SCHEMA = Path(__file__).parents[1] / "formats" / "sarif-2.1.0-rtm.5.json"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two addons, one of which leaks; the current folder, and the cache beside it."""
    root = tmp_path / "repo"
    for name, source in (("leaky", LEAK), ("tidy", CLEAN)):
        addon = root / name
        addon.mkdir(parents=True)
        (addon / "__init__.py").write_text("from . import code\n")
        (addon / "__manifest__.py").write_text('{\n    "name": "x",\n    "version": "18.0.1.0.0",\n}\n')
        (addon / "code.py").write_text(source)
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def report(tree: Path, **changes: object) -> ScanReport:
    return scan(ScanOptions(**{"paths": (tree,), "base": tree, "cache": False, "jobs": 1, **changes}))  # type: ignore[arg-type]


def asked(**changes: object) -> Outcome:
    return run(ScanRequest(**{"paths": (".",), "cache": False, "jobs": 1, **changes}))  # type: ignore[arg-type]


def test_the_leaking_line_is_found_with_its_place_and_counts(tree: Path) -> None:
    found = report(tree)
    (judged,) = found.findings
    assert (judged.leak.pattern_id, judged.leak.path, judged.leak.line) == ("SW602", "leaky/code.py", 5)
    assert (found.addons, found.files, found.parsed) == (2, 6, 1)
    assert found.not_judged == ()


def test_exit_codes(tree: Path) -> None:
    found = report(tree)
    assert exit_code(found, Severity.WARNING) == ExitCode.FINDINGS
    assert exit_code(found, Severity.CRITICAL) == ExitCode.HEALTHY
    assert exit_code(found, None) == ExitCode.HEALTHY
    assert exit_code(report(tree / "tidy"), Severity.INFO) == ExitCode.HEALTHY


def test_a_file_that_cannot_be_judged_is_said_and_is_not_healthy(tree: Path) -> None:
    (tree / "tidy" / "broken.py").write_text("import psycopg2\npsycopg2.connect(\n")
    found = report(tree, paths=(tree / "tidy",))
    assert [item.path for item in found.not_judged] == ["tidy/broken.py"]
    assert exit_code(found, Severity.WARNING) == ExitCode.UNKNOWN


def test_text_shows_line_path_slots_cure_and_diff(tree: Path) -> None:
    outcome = asked()
    text = outcome.result.decode()
    assert "leaky/code.py:5:12: warning SW602 connection-never-closed" in text
    assert "opens a psycopg2 connection" in text
    assert "slots  One slot of max_connections that Odoo does not count" in text
    assert "+    with closing(psycopg2.connect(dsn)) as conn:" in text
    assert "1 finding (0 critical, 1 warning, 0 info) in 6 files" in text
    assert outcome.exit_code == ExitCode.FINDINGS


def test_json(tree: Path) -> None:
    document = json.loads(asked(format="json").result)
    assert document["version"] == 1
    (finding,) = document["findings"]
    assert (finding["id"], finding["file"], finding["standing"]) == ("SW602", "leaky/code.py", "active")
    assert finding["path"][0] == {"line": 5, "what": "opens a psycopg2 connection"}


def test_sarif_is_valid_and_marks_what_is_suppressed(tree: Path) -> None:
    marked = LEAK.replace("connect(dsn)", "connect(dsn)  # slotwise: ignore[SW602] the tool ends at once")
    (tree / "tidy" / "more.py").write_text(marked)
    (tree / "tidy" / "broken.py").write_text("import psycopg2\npsycopg2.connect(\n")
    document = json.loads(asked(format="sarif").result)
    jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).validate(document)
    results = {
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: r for r in document["runs"][0]["results"]
    }
    assert results["tidy/more.py"]["suppressions"] == [{"kind": "inSource", "justification": "the tool ends at once"}]
    assert "suppressions" not in results["leaky/code.py"]
    assert results["leaky/code.py"]["fixes"]
    assert len(document["runs"][0]["invocations"][0]["toolExecutionNotifications"]) == 1


def test_junit_github_and_gitlab(tree: Path) -> None:
    suite = ElementTree.fromstring(asked(format="junit").result)[0]
    assert suite.get("failures") == "1"
    assert asked(format="github").result.decode().startswith("::warning file=leaky/code.py,line=5,endLine=5,col=12,")
    (entry,) = json.loads(asked(format="gitlab").result)
    assert entry["location"] == {"path": "leaky/code.py", "lines": {"begin": 5, "end": 5}}
    assert entry["severity"] == "major"


def test_a_comment_ignores_one_pattern_and_is_counted(tree: Path) -> None:
    code = tree / "leaky" / "code.py"
    code.write_text(LEAK.replace("connect(dsn)", "connect(dsn)  # slotwise: ignore[SW601] another one"))
    assert len(report(tree).active) == 1
    code.write_text(LEAK.replace("connect(dsn)", "connect(dsn)  # slotwise: ignore[SW601, SW602] ends at once"))
    found = report(tree)
    assert found.active == ()
    assert found.findings[0].leak.ignored == "ends at once"
    assert "1 ignored by comment" in asked().result.decode()


def test_a_baseline_knows_old_findings_after_lines_moved_and_not_new_ones(tree: Path) -> None:
    baseline = tree / "baseline.json"
    assert write_baseline(report(tree), baseline) == 1
    code = tree / "leaky" / "code.py"
    code.write_text("# moved\n\n" + LEAK)
    assert report(tree, baseline=baseline).active == ()
    code.write_text(LEAK + LEAK.replace("read", "read_again"))
    found = report(tree, baseline=baseline)
    assert [judged.leak.function for judged in found.active] == ["read_again"]
    assert asked(baseline=str(baseline)).exit_code == ExitCode.FINDINGS


def test_select_and_ignore_take_ids_beginnings_and_slugs(tree: Path) -> None:
    assert len(report(tree, select=("SW6",)).findings) == 1
    assert len(report(tree, select=("SW7",)).findings) == 0
    assert len(report(tree, ignore=("connection-never-closed",)).findings) == 0
    with pytest.raises(OperatorError, match="no pattern is called SW999"):
        report(tree, select=("SW999",))


def test_pyproject_settings_are_used_and_checked(tree: Path) -> None:
    settings = tree / "pyproject.toml"
    settings.write_text('[tool.slotwise.scan]\nignore = ["SW602"]\n')
    assert asked().exit_code == ExitCode.HEALTHY
    settings.write_text('[tool.slotwise.scan]\nfail-on = "critical"\nexclude = ["tidy"]\n')
    outcome = asked()
    assert outcome.exit_code == ExitCode.HEALTHY
    assert b"3 files" in outcome.result
    settings.write_text("[tool.slotwise.scan]\nfailon = 'critical'\n")
    with pytest.raises(OperatorError, match="has no key failon"):
        asked()
    settings.write_text("[tool.slotwise.scan]\nselect = 'SW6'\n")
    with pytest.raises(OperatorError, match="wrong type"):
        asked()


def test_addons_are_read_from_odoo_conf_with_a_percent_sign_in_it(tree: Path, tmp_path: Path) -> None:
    config = tmp_path / "odoo.conf"
    config.write_text(f"[options]\ndb_password = 100%s%\naddons_path = {tree}/leaky, /nowhere\n")
    found = scan(ScanOptions(odoo_conf=config, base=tree, cache=False, jobs=1))
    assert [judged.leak.path for judged in found.findings] == ["leaky/code.py"]
    config.write_text("[options]\naddons_path = /nowhere\n")
    with pytest.raises(OperatorError, match="names no addons_path"):
        scan(ScanOptions(odoo_conf=config, base=tree, cache=False, jobs=1))


def test_odoos_own_addons_are_left_out_with_config_unless_asked_for(tree: Path, tmp_path: Path) -> None:
    (tree / "leaky" / "__manifest__.py").write_text("{'name': 'Base', 'author': 'Odoo S.A.', 'version': '1.0'}\n")
    config = tmp_path / "odoo.conf"
    config.write_text(f"[options]\naddons_path = {tree}\n")
    found = scan(ScanOptions(odoo_conf=config, base=tree, cache=False, jobs=1))
    assert (found.findings, found.skipped_addons) == ((), ("leaky",))
    assert len(scan(ScanOptions(odoo_conf=config, base=tree, cache=False, jobs=1, include_odoo=True)).findings) == 1


def test_nothing_to_scan_and_missing_paths_are_two_line_errors(tree: Path) -> None:
    with pytest.raises(OperatorError, match="nothing to scan"):
        scan(ScanOptions())
    with pytest.raises(OperatorError, match="does not exist"):
        report(tree / "missing")


def test_the_cache_gives_the_same_report_and_notices_every_change(tree: Path) -> None:
    first = report(tree, cache=True)
    second = report(tree, cache=True)
    assert second.findings == first.findings
    assert (first.cached_addons, second.cached_addons) == (0, 3 if first.addons == 3 else 2)
    code = tree / "leaky" / "code.py"
    code.write_text(CLEAN)
    assert report(tree, cache=True).findings == ()
    code.write_text(LEAK)
    os.utime(code, ns=(1, 1))
    assert len(report(tree, cache=True).findings) == 1


def test_a_fresh_checkout_is_known_by_content(tree: Path) -> None:
    report(tree, cache=True)
    for path in tree.rglob("*.py"):
        os.utime(path, ns=(5, 5))
    assert len(report(tree, cache=True).findings) == 1


def test_a_broken_cache_file_is_no_error(tree: Path, tmp_path: Path) -> None:
    report(tree, cache=True)
    (file,) = (tmp_path / "cache" / "slotwise").iterdir()
    file.write_bytes(b"\xffnonsense")
    assert len(report(tree, cache=True).findings) == 1


def test_two_processes_find_what_one_finds(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        shutil.copytree(tree / "leaky", tree / f"leaky_{number}")
        (tree / f"leaky_{number}" / "code.py").write_text(LEAK + "# filler, so that it is worth a process\n" * 1_300)
    forked: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: forked.append(1) or fork())
    one, two = report(tree, jobs=1), report(tree, jobs=2)
    assert one == two
    assert forked == [1]
    assert len(one.findings) == 13


def test_a_file_that_becomes_readable_is_scanned(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as locked:
        locked.setattr("slotwise.commands.scan_addon.read_bytes", lambda path: "Permission denied")
        assert len(report(tree, cache=True).not_judged) == 6
    assert len(report(tree, cache=True).findings) == 1


def test_a_file_that_goes_while_it_is_scanned_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found_then_removed(*asked: Any) -> Any:
        found = find_addons(*asked)
        (tree / "tidy" / "code.py").unlink()
        return found

    monkeypatch.setattr("slotwise.commands.scan.find_addons", found_then_removed)
    result = report(tree)
    assert [(item.path, item.reason) for item in result.not_judged] == [("tidy/code.py", "No such file or directory")]
    assert len(result.active) == 1


def test_a_pipe_in_the_place_of_the_baseline_is_not_waited_for(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OperatorError, match="no regular file"):
        report(tree, baseline=tmp_path / "pipe")


def test_single_files_leave_no_cache_behind(tree: Path, tmp_path: Path) -> None:
    assert len(report(tree, paths=(tree / "leaky" / "code.py",), cache=True).findings) == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("place", ["odoo/release.py", "release.py"])
def test_the_series_of_an_addon_without_one_is_that_of_the_odoo_around_it(tree: Path, place: str) -> None:
    (tree / "leaky" / "__manifest__.py").write_text('{"name": "x", "version": "1.0"}\n')
    (tree / "leaky" / "code.py").write_text("def f(self):\n    cr = self.pool.cursor()\n    cr.execute('SELECT 1')\n")
    addons = tree / "addons"
    addons.mkdir()
    (tree / "leaky").rename(addons / "leaky")
    assert "Odoo 19" not in asked(paths=("addons",)).result.decode()
    (tree / place).parent.mkdir(exist_ok=True)
    (tree / place).write_text("version_info = (19, 0, 0, FINAL, 0, '')\n")
    from slotwise.commands import scan_addon as use_case

    use_case._series_around.cache_clear()
    assert "Odoo 19" in asked(paths=("addons",)).result.decode()
    use_case._series_around.cache_clear()


def test_files_named_one_by_one_are_judged_once_and_as_part_of_their_addon(tree: Path) -> None:
    addon = tree / "leaky"
    (addon / "models").mkdir()
    (addon / "models" / "store.py").write_text(
        "import psycopg2\n\n\nclass Store:\n    def open(self, dsn):\n        self._cnx = psycopg2.connect(dsn)\n"
    )
    (addon / "models" / "ends.py").write_text("def end(store):\n    store._cnx.close()\n")
    (addon / "models" / "other.py").write_text(LEAK)
    (tree / "loose.py").write_text(LEAK)
    (tree / "loose_too.py").write_text(LEAK)
    files = (
        "leaky/models/store.py",
        "leaky/models/ends.py",
        "leaky/code.py",
        "loose.py",
        "leaky/code.py",
        "loose_too.py",
    )
    found = scan(ScanOptions(paths=tuple(Path(f) for f in files), base=tree, cache=False, jobs=1))
    places = [(judged.leak.path, judged.leak.line) for judged in found.findings]
    assert places == [("leaky/code.py", 5), ("loose.py", 5), ("loose_too.py", 5)]
    everything = scan(ScanOptions(paths=(Path("leaky/code.py"), tree), base=tree, cache=False, jobs=1))
    assert sorted(judged.leak.path for judged in everything.findings) == [
        "leaky/code.py", "leaky/models/other.py", "loose.py", "loose_too.py"
    ]  # fmt: skip


def test_a_named_file_that_is_excluded_is_left_out_and_one_in_a_folder_without_code_is_not(tree: Path) -> None:
    static = tree / "leaky" / "static"
    static.mkdir()
    (static / "made.py").write_text(LEAK)
    named = (Path("leaky/static/made.py"), Path("leaky/code.py"))
    found = scan(ScanOptions(paths=named, base=tree, cache=False, jobs=1, exclude=("leaky/code.py",)))
    assert [judged.leak.path for judged in found.findings] == ["leaky/static/made.py"]


def test_an_analysed_addon_leaves_no_cycles_behind(tree: Path) -> None:
    def trees() -> int:
        return sum(isinstance(found, ast.Module) for found in gc.get_objects())

    report(tree)
    gc.collect()
    before = trees()
    report(tree)
    assert trees() == before
    assert gc.isenabled()
