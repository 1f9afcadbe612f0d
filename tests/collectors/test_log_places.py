from __future__ import annotations

from pathlib import Path

from slotwise.collectors.log_places import log_places


def test_usual_places_and_the_logfile_of_odoo_conf(tmp_path: Path) -> None:
    for name in ("var/log/postgresql/postgresql-15-main.log", "srv/logs/odoo.log", "etc/odoo/odoo.conf"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "var/log/pgbouncer").mkdir()
    (tmp_path / "etc/odoo/odoo.conf").write_text("[options]\nlogfile = /srv/logs/odoo.log\n")
    (tmp_path / "etc/odoo/broken.conf").write_bytes(b"\xff\xfe no section")
    assert log_places(tmp_path) == [tmp_path / "var/log/postgresql", tmp_path / "srv/logs/odoo.log"]


def test_a_host_without_logs(tmp_path: Path) -> None:
    assert log_places(tmp_path) == []
