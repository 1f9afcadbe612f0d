from __future__ import annotations

from pathlib import Path

from msgspec import structs

from slotwise.commands.suspicion import suspicious_lines, with_suspicious_lines
from slotwise.rules.diagnosis import Diagnosis, diagnose
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from tests.build import FIRST_HTTP, backend, host, listeners

LEAK = """
from odoo import models


class Export(models.Model):
    _name = "x.export"

    def run(self):
        cr = self.env.registry.cursor()
        cr.execute("SELECT 1")
        return cr.fetchone()
"""


def addon(folder: Path, code: str = LEAK) -> Path:
    (folder / "exports" / "models").mkdir(parents=True)
    (folder / "exports" / "__manifest__.py").write_text("{'name': 'exports'}")
    (folder / "exports" / "models" / "export.py").write_text(code)
    return folder


def leaking(addons: Path) -> Snapshot:
    held = [
        (FIRST_HTTP, backend(1000 + n, state="idle in transaction", idle_for=30, query=f"SELECT {n}")) for n in range(9)
    ]
    snapshot = host([*held, *listeners()])
    assert isinstance(snapshot.odoo, Odoo)
    instances = tuple(structs.replace(i, addons_paths=(str(addons),)) for i in snapshot.odoo.instances)
    return structs.replace(snapshot, odoo=structs.replace(snapshot.odoo, instances=instances))


def cited(diagnosis: Diagnosis) -> list[str]:
    return [
        f"{e.value} {e.source}" for v in diagnosis.verdicts for f in v.findings for e in f.evidence if "line" in e.name
    ]


def test_a_leaking_worker_is_linked_to_the_line(tmp_path: Path) -> None:
    said = cited(with_suspicious_lines(diagnose(leaking(addon(tmp_path)), select=("leaking-process",))))
    assert said == [f"SW601 in Export.run {tmp_path}/exports/models/export.py:9"]


def test_nothing_is_scanned_where_nothing_leaks(tmp_path: Path) -> None:
    healthy = diagnose(host(), select=("leaking-process",))
    assert with_suspicious_lines(healthy) is healthy


def test_clean_addons_and_absent_ones_add_nothing(tmp_path: Path) -> None:
    clean = addon(tmp_path / "a", "x = 1\n")
    for folder in (clean, tmp_path / "absent"):
        diagnosis = diagnose(leaking(folder), select=("leaking-process",))
        assert with_suspicious_lines(diagnosis) is diagnosis
    assert suspicious_lines((tmp_path / "absent",)) == ()


def test_odoos_own_addons_are_left_out(tmp_path: Path) -> None:
    (addon(tmp_path) / "base").mkdir()
    diagnosis = diagnose(leaking(tmp_path), select=("leaking-process",))
    assert with_suspicious_lines(diagnosis) is diagnosis
