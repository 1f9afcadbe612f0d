from __future__ import annotations

from pathlib import Path

import pytest

from slotwise.collectors.host_files import View
from slotwise.collectors.odoo_version import find_version, parse_release


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b"version_info = (17, 0, 0, FINAL, 0, '')", "17.0"),
        (b"x = 1\nversion_info = ('saas~18', 2, 0, FINAL, 0, '')\n", "saas~18.2"),
        (b"version_info = (19, 0, 0, 'final', 0, 'e')", "19.0"),
        (b"# version_info = (1, 2)", None),
        (b"\xff\xfe", None),
    ],
)
def test_release(line: bytes, version: str | None) -> None:
    assert parse_release(line) == version


@pytest.mark.parametrize(
    ("place", "script", "interpreter", "addons"),
    [
        ("srv/o/odoo/release.py", "/srv/o/odoo-bin", None, []),
        ("srv/o/odoo/release.py", "./odoo-bin", None, []),
        ("srv/o/odoo/release.py", None, None, ["/srv/mine", "/srv/o/odoo/addons"]),
        ("srv/o/odoo/release.py", None, None, ["/srv/o/addons"]),
        ("usr/lib/python3/dist-packages/odoo/release.py", "/usr/bin/odoo", "/usr/bin/python3", []),
        ("opt/v/lib/python3.12/site-packages/odoo/release.py", "/opt/v/bin/odoo", "/opt/v/bin/python", []),
    ],
)
def test_where_it_is_looked_for(
    tmp_path: Path, place: str, script: str | None, interpreter: str | None, addons: list[str]
) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text("version_info = (18, 0, 0)\n")
    assert find_version(View(tmp_path, "/srv/o"), script, interpreter, addons) == ("18.0", f"/{place}")
    assert find_version(View(tmp_path / "empty"), script, interpreter, addons) is None
