from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.odoo_command import odoo_command


@pytest.mark.parametrize(
    ("arguments", "subcommand", "options"),
    [
        ("/usr/bin/python3 /usr/bin/odoo --config /etc/odoo/odoo.conf", "server", ("--config", "/etc/odoo/odoo.conf")),
        ("/opt/venv/bin/python /opt/odoo/odoo-bin -c x.conf", "server", ("-c", "x.conf")),
        ("python3.11 -u odoo-bin -d prod", "server", ("-d", "prod")),
        ("python3 -W ignore -X dev odoo-bin", "server", ()),
        ("python3 -m odoo --workers=4", "server", ("--workers=4",)),
        ("python3 -modoo shell -d prod", "shell", ("-d", "prod")),
        ("python3 /usr/bin/odoo server -d prod", "server", ("-d", "prod")),
        ("python /srv/odoo-bin gevent -c x.conf", "gevent", ("-c", "x.conf")),
        ("python odoo-bin --addons-path=/a shell -d prod", "shell", ("--addons-path=/a", "-d", "prod")),
        ("python odoo-bin populate -d prod", "populate", ("-d", "prod")),
        ("python /opt/odoo17/odoo17 -d prod", "server", ("-d", "prod")),
        ("python bin/start_odoo -d prod", "server", ("-d", "prod")),
        ("python odoo.py -d prod", "server", ("-d", "prod")),
        ("odoo-bin -d prod", "server", ("-d", "prod")),
        ("python3 -m debugpy --listen 5678 /srv/odoo-bin -d prod", "server", ("-d", "prod")),
        ("python3 /usr/bin/coverage run /srv/odoo-bin -d prod", "server", ("-d", "prod")),
        ("python3 /usr/local/bin/click-odoo-update -d prod", "click-odoo", ("-d", "prod")),
    ],
)
def test_odoo_is_recognised_as_it_really_starts(arguments: str, subcommand: str, options: tuple[str, ...]) -> None:
    command = odoo_command(arguments.split())
    assert command is not None
    assert (command.subcommand, command.options) == (subcommand, options)


@pytest.mark.parametrize(
    "arguments",
    [
        "vim /etc/odoo/odoo.conf",
        "grep -r odoo-bin /srv",
        "tail -f /var/log/odoo/odoo.log",
        "sudo -u odoo /usr/bin/odoo shell",
        "/bin/sh -c odoo-bin",
        "bash /usr/local/bin/odoo",
        "python3 backup.py odoo",
        "python3 /usr/bin/odoo_exporter",
        "python3 -c import odoo",
        "python3 -m http.server --directory odoo",
        "python3 -m pytest odoo",
        "docker exec odoo odoo shell",
        "psql -U odoo odoo",
        "/usr/bin/odoo-bin.sh",
        "python3",
        "",
    ],
)
def test_what_only_mentions_odoo_is_not_odoo(arguments: str) -> None:
    assert odoo_command(arguments.split()) is None


@pytest.mark.parametrize(
    ("title", "worker"),
    [("odoo: WorkerHTTP 123 ", "WorkerHTTP"), ("odoo: WorkerCron 9 prod", "WorkerCron")],
)
def test_a_worker_that_shows_a_title_is_recognised(title: str, worker: str) -> None:
    whole, split = odoo_command([title, "", ""]), odoo_command(title.split())
    assert whole is not None and split is not None
    assert whole.worker == split.worker == worker


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(["python3", "-m", "odoo", "odoo-bin", "-c", "-W", "shell", "--"]))
)
def test_no_command_line_is_too_odd(arguments: list[str]) -> None:
    command = odoo_command(arguments)
    assert command is None or command.subcommand
