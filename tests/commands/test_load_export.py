from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from slotwise.commands.load_export import export, k6_script, locustfile, stages
from slotwise.load.people import People
from slotwise.load.ramp import Limits

PEOPLE = People(url="https://staging.example.com/", databases=("a", "b"), think_seconds=3.0, run="r")


def test_the_locustfile_stands_alone_and_holds_no_password() -> None:
    tree = ast.parse(locustfile(PEOPLE))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not any(name.startswith("slotwise") for name in imported)
    (settings,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SETTINGS" and node.value is not None
    ]
    assert settings["url"] == "https://staging.example.com" and settings["databases"] == ["a", "b"]
    assert settings["password"] == "" and settings["think_seconds"] == 3.0


def test_the_k6_script_has_the_same_settings() -> None:
    script = k6_script(PEOPLE, Limits(seconds=600, step_seconds=60, users=40))
    found = re.search(r"const SETTINGS = (\{.*?^\});", script, re.DOTALL | re.MULTILINE)
    assert found is not None
    settings = json.loads(found[1])
    assert settings["websocket_url"] == "wss://staging.example.com/websocket"
    assert settings["marker"].startswith("slotwise-load") and settings["password"] == ""
    assert "__SETTINGS__" not in script and "export function browser" in script


def test_stages_follow_the_ramp() -> None:
    assert stages(Limits(steps=(2, 10), step_seconds=30), 0.5) == [
        {"duration": "30s", "target": 1},
        {"duration": "30s", "target": 5},
    ]
    ramp = stages(Limits(seconds=300, step_seconds=30, users=1000), 1.0)
    assert len(ramp) == 10 and ramp[0]["target"] == 1
    assert max(int(one["target"]) for one in stages(Limits(seconds=1e6, users=50), 1.0)) <= 50


def test_both_files_are_written(tmp_path: Path) -> None:
    written = export(PEOPLE, Limits(), tmp_path / "a.js", tmp_path / "b.py")
    assert [path.name for path in written] == ["a.js", "b.py"] and all(path.stat().st_size for path in written)
