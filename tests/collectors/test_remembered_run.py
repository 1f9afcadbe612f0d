"""An unchanged tree is answered from memory, and nothing that could change the answer is overlooked."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slotwise.collectors.remembered_run import answer, remember

LEAK = "import psycopg2\n\n\ndef read(dsn):\n    conn = psycopg2.connect(dsn)\n    return conn.cursor().fetchall()\n"
ARGUMENTS = ["scan", "addons", "--format", "json"]
LONG_AGO_NS = 1_600_000_000_000_000_000


def age(root: Path) -> None:
    """Give everything beneath ``root`` a time stamp of long ago: what is fresh is not remembered."""
    for path in (root, *root.rglob("*")):
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    addon = tmp_path / "repo" / "addons" / "leaky"
    addon.mkdir(parents=True)
    (addon / "__manifest__.py").write_text('{"name": "x", "version": "18.0.1.0.0"}\n')
    (addon / "code.py").write_text(LEAK)
    age(tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "repo")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "repo"


def ran(*more: str) -> tuple[bytes, int, bool]:
    """What a process of its own prints and returns, and whether it imported the scan to do so."""
    # The program's own files may be younger than two seconds in a fresh checkout; then nothing is remembered.
    code = (
        "import slotwise.collectors.remembered_run as r, sys; r._DISTRUSTED_NS = -10**18\n"
        "import slotwise.__main__ as m\n"
        "try:\n    m.main()\n"
        "finally:\n    sys.stderr.write(str('slotwise.commands.scan' in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *ARGUMENTS, *more], capture_output=True, check=False, env=dict(os.environ)
    )
    assert done.stderr in (b"True", b"False"), done.stderr
    return done.stdout, done.returncode, done.stderr == b"True"


def test_the_second_run_prints_the_same_and_imports_nothing(tree: Path) -> None:
    printed, code, scanned = ran()
    assert (code, scanned) == (1, True)
    assert ran() == (printed, code, False)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file changed": lambda addon: (addon / "code.py").write_text(LEAK + "\n"),
    "a file of the same size was put in its place": lambda addon: (
        (addon / "new").write_text(LEAK.replace("read", "load")),
        os.utime(addon / "new", ns=(LONG_AGO_NS, LONG_AGO_NS)),
        (addon / "new").replace(addon / "code.py"),
    ),
    "a file came": lambda addon: (addon / "more.py").write_text(LEAK),
    "a file went": lambda addon: (addon / "code.py").unlink(),
    "a folder came": lambda addon: (addon / "models").mkdir(),
    "settings came": lambda addon: (addon.parent / "pyproject.toml").write_text(
        '[tool.slotwise.scan]\nfail-on = "critical"\n'
    ),
    "settings came further up": lambda addon: (addon.parents[1] / "pyproject.toml").write_text(
        '[tool.slotwise.scan]\nfail-on = "critical"\n'
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_noticed(tree: Path, change: Callable[[Path], object]) -> None:
    ran()
    change(tree / "addons" / "leaky")
    changed, code, scanned = ran()
    assert scanned
    fresh = ran("--no-cache")
    assert (changed, code) == fresh[:2]


def test_what_a_link_leads_to_is_watched(tree: Path, tmp_path: Path) -> None:
    (tree / "addons" / "later").symlink_to(tmp_path / "elsewhere")
    age(tree)
    ran()
    assert not ran()[2]
    (tmp_path / "elsewhere").mkdir()
    assert ran()[2]


def test_another_command_line_is_another_run_and_no_cache_means_none(tree: Path) -> None:
    ran()
    assert ran("--pedantic")[2]
    assert ran("--no-cache")[2]
    assert ran("--no-cache")[2]


def test_a_run_that_writes_is_never_answered_from_memory(tree: Path) -> None:
    for _ in range(2):
        assert ran("--output", "result.json")[2]


def test_what_changed_just_now_is_not_trusted(tree: Path) -> None:
    file = tree / "addons" / "leaky" / "code.py"
    stamp = (LONG_AGO_NS, 1, 1)
    now_ns = 4_000_000_000_000_000_000
    fresh = (str(file), (now_ns - 1_000_000_000, 1, 1))
    assert not remember(["scan"], [fresh], (), b"", 0, now_ns)
    assert answer(["scan"]) is None
    assert remember(["scan"], [(str(file), stamp)], (), b"", 0, now_ns)


def test_a_damaged_memory_is_no_answer(tree: Path, tmp_path: Path) -> None:
    assert remember(["scan"], [], [str(tree)], b"printed", 3, 4_000_000_000_000_000_000)
    assert answer(["scan"]) == (b"printed", 3)
    (file,) = (tmp_path / "cache" / "slotwise").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:40], b"\0" * 90, whole.replace(b"printed", b"pr1nted")):
        file.write_bytes(damaged)
        assert answer(["scan"]) is None
