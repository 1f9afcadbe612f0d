"""The units of Odoo, read from made-up /etc, /usr and /proc."""

from __future__ import annotations

from pathlib import Path

from slotwise.commands.fix_units import odoo_units, unit_of
from slotwise.snapshot.odoo import Odoo, OdooInstance


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def odoo(container: bool = False) -> Odoo:
    return Odoo((OdooInstance("main", "18.0", "x", "/etc/odoo.conf", (), (), (70, 71), container),))


def test_the_unit_of_an_instance_with_its_drop_ins(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/71/cgroup": "0::/system.slice/system-odoo.slice/odoo@main.service\n",
            "usr/lib/systemd/system/odoo@.service": "[Service]\nExecStart=/usr/bin/odoo --db_port 5432\n",
            "etc/systemd/system/odoo@.service.d/10.conf": "[Service]\nExecStart=\nExecStart=/opt/odoo --db_port 5433\n",
            "etc/systemd/system/odoo@main.service.d/slotwise.conf": "[Service]\nLimitNOFILE=9\n",
        },
    )
    unit = odoo_units(odoo(), root)["main"]
    assert (unit.name, unit.command, unit.overruled) == ("odoo@main.service", "/opt/odoo --db_port 5433", False)
    assert unit.flags["db_port"] == ("--db_port",) and unit.drop_in == b"[Service]\nLimitNOFILE=9\n"
    write(root, {"etc/systemd/system/odoo@main.service.d/zz.conf": "[Service]\nExecStart=\nExecStart=/z\n"})
    assert odoo_units(odoo(), root)["main"].overruled


def test_the_first_place_wins_and_two_commands_are_none(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/70/cgroup": "1:name=systemd:/system.slice/odoo.service\n0::/\n",
            "etc/systemd/system/odoo.service": "[Service]\nExecStart=/a\nExecStart=/b\n",
            "lib/systemd/system/odoo.service": "[Service]\nExecStart=/c\n",
        },
    )
    assert odoo_units(odoo(), root)["main"].command is None


def test_what_is_no_service_of_this_host(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/70/cgroup": "0::/user.slice/user-0.slice/user@0.service/app.slice\n"})
    assert unit_of(70, root) is None and unit_of(99, root) is None and odoo_units(odoo(), root) == {}
    write(root, {"proc/71/cgroup": "0::/system.slice/odoo.service\n"})
    assert odoo_units(odoo(container=True), root) == {}
