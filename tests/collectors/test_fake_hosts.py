from __future__ import annotations

from pathlib import Path

import pytest

from slotwise.collectors.earlier_look import Standing
from slotwise.collectors.host import look_at_host
from slotwise.collectors.network import read_network
from slotwise.collectors.odoo_services import OdooServices, find_odoo
from slotwise.collectors.procfs import KnownSockets, Sweep, sweep
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Process, Processes, Sockets
from slotwise.snapshot.sessions import sessions
from tests.collectors.fake_host import add_process, tcp, write_host

ODOO = ("/usr/bin/python3", "/usr/bin/odoo")


def swept(root: Path, known: KnownSockets | None = None) -> Sweep:
    found = sweep(root, known)
    assert isinstance(found, Sweep)
    return found


def services(root: Path, **given: object) -> OdooServices:
    return find_odoo(swept(root).facts, {500: 8069}, root=root, **given)  # type: ignore[arg-type]


def only(found: OdooServices) -> OdooInstance:
    assert isinstance(found.odoo, Odoo), found.odoo
    (instance,) = found.odoo.instances
    return instance


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_sweep_reads_what_proc_shows(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    add_process(tmp_path, 7, 1, ["/usr/bin/psql", "-d", "prod"], inodes=[11, 12])
    add_process(tmp_path, 2, 0, [])
    add_process(tmp_path, 3, 2, [])  # a kernel thread: its parent is kthreadd
    (facts,) = swept(tmp_path).facts
    assert (facts.pid, facts.ppid, facts.arguments, facts.command) == (7, 1, ("/usr/bin/psql", "-d", "prod"), "psql")
    assert facts.inodes is not None and set(facts.inodes) == {11, 12}
    assert facts.started_at == pytest.approx(1700000010, abs=5)


def test_a_backend_is_not_asked_for_what_its_title_and_the_sockets_tell(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    known = KnownSockets(frozenset({21, 22}), {("127.0.0.1", 40000): 21})
    add_process(tmp_path, 7, 1, ["postgres: odoo prod 127.0.0.1(40000) idle"], inodes=[99])
    add_process(tmp_path, 8, 1, ["postgres: odoo prod [local] idle"], inodes=[98, 22])
    found = {f.pid: f.inodes for f in swept(tmp_path, known).facts}
    assert found[7] == (21,)
    assert 22 in (found[8] or ())


def test_a_session_that_still_lives_is_not_read_again_and_another_with_its_pid_is(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    add_process(tmp_path, 7, 1, ["postgres: odoo prod 10.0.0.1(40000) idle"], inodes=[21])
    before = swept(tmp_path)
    (facts,) = before.facts
    standing = {7: Standing(facts, before.stamps[7], Process(7, 1, "postgres", (), "postgres"))}
    (tmp_path / "proc/7/cmdline").write_text("postgres: odoo other 10.0.0.1(40001) idle")
    again = sweep(tmp_path, None, standing)
    assert isinstance(again, Sweep)
    assert again.facts[0] is facts
    assert again.stamps == before.stamps
    (tmp_path / "proc/7").rename(tmp_path / "gone")
    add_process(tmp_path, 7, 1, ["postgres: odoo other 10.0.0.1(40001) idle"], inodes=[22])
    anew = sweep(tmp_path, None, standing)
    assert isinstance(anew, Sweep)
    assert anew.facts[0].title == "postgres: odoo other 10.0.0.1(40001) idle"


def test_a_process_whose_files_may_not_be_read_makes_the_sweep_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    write_host(tmp_path, {})
    add_process(tmp_path, 7, 1, [*ODOO])
    listed = os.listdir

    def refused(path: str) -> list[str]:
        if str(path).endswith("/7/fd"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr("os.listdir", refused)
    found = swept(tmp_path)
    assert not found.complete and found.facts[0].inodes is None


def test_no_proc_at_all_is_a_gap(tmp_path: Path) -> None:
    assert isinstance(sweep(tmp_path), Unavailable) and isinstance(read_network(tmp_path), Unavailable)


def test_addresses_of_interfaces_are_known_without_a_connection(tmp_path: Path) -> None:
    trie = "Main:\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n"
    write_host(
        tmp_path,
        {
            "proc/net/fib_trie": trie,
            "proc/net/if_inet6": "20010db8000000000000000000000001 02 40 00 80 eth0\nbroken\n",
        },
    )
    network = read_network(tmp_path)
    assert not isinstance(network, Unavailable)
    assert network.local_addresses == ("10.0.0.5", "2001:db8::1")


def test_a_container_on_the_host_of_the_server(tmp_path: Path) -> None:
    """PostgreSQL on the host, Odoo in a container: its sockets and files are reached through its own namespaces."""
    write_host(
        tmp_path,
        {
            "proc/net/tcp": tcp(
                ("172.17.0.1:5432", "0.0.0.0:0", "0A", 1),
                ("172.17.0.1:5432", "172.17.0.2:40000", "01", 2),
                ("127.0.0.1:5432", "127.0.0.1:41000", "01", 3),
            )
        },
    )
    add_process(tmp_path, 50, 1, ["/usr/lib/postgresql/15/bin/postgres", "-D", "/data"], inodes=[1])
    add_process(tmp_path, 51, 50, ["postgres: odoo prod 172.17.0.2(40000) idle"], inodes=[2])
    add_process(tmp_path, 52, 50, ["postgres: odoo prod 127.0.0.1(41000) idle"], inodes=[3])
    command = [*ODOO, "-c", "/etc/odoo/odoo.conf"]
    directory = add_process(tmp_path, 70, 1, command, inodes=[500], namespace=9, depth=2)
    add_process(tmp_path, 71, 70, command, inodes=[500, 600], namespace=9, depth=2)
    add_process(tmp_path, 72, 70, command, inodes=[601], namespace=9, depth=2)
    for pid in (70, 71, 72):
        write(
            tmp_path,
            f"proc/{pid}/net/tcp",
            tcp(
                ("0.0.0.0:8069", "0.0.0.0:0", "0A", 500),
                ("172.17.0.2:40000", "172.17.0.1:5432", "01", 600),
                ("127.0.0.1:41000", "127.0.0.1:5432", "01", 601),
            ),
        )
    write(directory / "root", "etc/odoo/odoo.conf", "[options]\nworkers = 1\ndb_host = 172.17.0.1\n")
    write(
        directory / "root", "usr/lib/python3/dist-packages/odoo/release.py", "version_info = (17, 0, 0, FINAL, 0, '')\n"
    )
    host = look_at_host(root=tmp_path)
    assert isinstance(host.odoo, Odoo) and isinstance(host.processes, Processes) and isinstance(host.sockets, Sockets)
    (instance,) = host.odoo.instances
    assert (instance.version, instance.container, instance.value("db_host")) == ("17.0", True, "172.17.0.1")
    assert {p.pid: (p.role, p.container) for p in host.processes.processes if p.pid >= 70} == {
        70: ("master", True),
        71: ("http_worker", True),
        72: ("cron_worker", True),
    }
    snapshot = Snapshot(
        taken_at=0,
        host="h",
        slotwise_version="t",
        titles=host.titles[50],
        processes=host.processes,
        sockets=host.sockets,
        server_processes=host.server_processes,
    )
    seen = sessions(snapshot)
    assert isinstance(seen, Sessions)
    owners = {h.backend.pid: (h.owner.certainty, h.owner.pid) for h in seen.held}
    assert owners[51] == ("known", 71)
    # The container's own loopback is not the host's: its socket must not be taken for the client of the host's server.
    assert owners[52][1] is None


def test_the_environment_names_the_file_in_a_docker_image(tmp_path: Path) -> None:
    write_host(tmp_path, {"etc/odoo/odoo.conf": "[options]\nworkers = 0\ndb_host = db\n"})
    add_process(tmp_path, 70, 1, [*ODOO, "--db_host", "pg", "--db_password", "hunter2"], inodes=[500],
                environment={"ODOO_RC": "/etc/odoo/odoo.conf", "SECRET": "x"})  # fmt: skip
    found = services(tmp_path)
    instance = only(found)
    assert instance.config_file == "/etc/odoo/odoo.conf" and instance.value("db_host") == "pg"
    assert found.clients[0].password == "hunter2" and "hunter2" not in repr(found.clients) + str(instance)


def test_a_file_that_only_the_environment_names_need_not_be_there(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    odoo = [*ODOO, "--db_host", "pg"]
    add_process(tmp_path, 70, 1, odoo, inodes=[500], environment={"ODOO_RC": "/etc/odoo/gone.conf"})
    instance = only(services(tmp_path))
    assert instance.config_file is None and instance.value("db_host") == "pg" and instance.value("workers") == 0


def test_a_file_that_the_command_line_names_must_be_there(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    add_process(tmp_path, 70, 1, [*ODOO, "-c", "/etc/odoo/gone.conf"], inodes=[500], environment={})
    gap = services(tmp_path).odoo
    assert isinstance(gap, Unavailable) and gap.reason == "there is no such file"


def test_a_relative_file_is_relative_to_where_the_process_works(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        {"srv/odoo/conf/odoo.conf": "[options]\nworkers = 0\n", "srv/odoo/odoo/release.py": "version_info = (18, 0)"},
    )
    add_process(
        tmp_path, 70, 1, ["python3", "./odoo-bin", "-c", "../odoo/conf/odoo.conf"], inodes=[500], cwd="/srv/odoo"
    )
    instance = only(services(tmp_path))
    assert (instance.config_file, instance.version) == ("/srv/odoo/conf/odoo.conf", "18.0")


def test_without_a_named_file_the_users_own_counts(tmp_path: Path) -> None:
    write_host(tmp_path, {"home/odoo/.odoorc": "[options]\ndb_maxconn = 9\n"})
    add_process(tmp_path, 70, 1, [*ODOO], inodes=[500], environment={"HOME": "/home/odoo"})
    assert only(services(tmp_path)).value("db_maxconn") == 9


def test_defaults_hold_where_there_is_no_file(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    add_process(tmp_path, 70, 1, [*ODOO, "--workers=2"], inodes=[500], environment={"HOME": "/home/odoo"})
    instance = only(services(tmp_path))
    assert (instance.config_file, instance.value("workers"), instance.value("db_maxconn")) == (None, 2, 64)
    assert instance.id == "pid 70"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file"),
        ("[options]\nworkers = four\n", "sets workers"),
        ("workers = 4\n", "before any section"),
    ],
)
def test_half_of_the_services_is_not_all(tmp_path: Path, text: str | None, words: str) -> None:
    write_host(tmp_path, {"etc/good.conf": "[options]\nworkers = 0\n"})
    if text is not None:
        write(tmp_path, "etc/bad.conf", text)
    add_process(tmp_path, 70, 1, [*ODOO, "-c", "/etc/good.conf"], inodes=[500])
    add_process(tmp_path, 80, 1, [*ODOO, "-c", "/etc/bad.conf"], inodes=[501])
    found = services(tmp_path)
    assert isinstance(found.odoo, Unavailable) and words in found.odoo.reason and "--config" in found.odoo.remedy
    assert [c.name for c in found.clients] == ["/etc/good.conf"]


def test_two_servers_with_one_file_are_two_instances(tmp_path: Path) -> None:
    write_host(tmp_path, {"etc/odoo.conf": "[options]\nworkers = 2\n"})
    web, cron = [*ODOO, "-c", "/etc/odoo.conf", "--max-cron-threads=0"], [*ODOO, "-c", "/etc/odoo.conf", "--no-http"]
    add_process(tmp_path, 70, 1, web, inodes=[500])
    add_process(tmp_path, 71, 70, web, inodes=[500])
    add_process(tmp_path, 80, 1, cron)
    add_process(tmp_path, 81, 80, cron)
    found = services(tmp_path)
    assert isinstance(found.odoo, Odoo)
    assert [(i.id, i.value("max_cron_threads"), i.value("http_enable"), i.processes) for i in found.odoo.instances] == [
        ("/etc/odoo.conf (pid 70)", 0, True, (70, 71)),
        ("/etc/odoo.conf (pid 80)", 2, False, (80, 81)),
    ]


def test_a_file_that_changed_after_the_start_says_so(tmp_path: Path) -> None:
    write_host(tmp_path, {"etc/odoo.conf": "[options]\nworkers = 0\n"})
    add_process(tmp_path, 70, 1, [*ODOO, "-c", "/etc/odoo.conf"], inodes=[500])
    option = only(services(tmp_path)).option("workers")
    assert option is not None and option.source == "/etc/odoo.conf:2 (changed after pid 70 started)"


@pytest.mark.parametrize(
    ("files", "environment", "found"),
    [
        (["etc/odoo/a.conf", "etc/odoo/b.conf", "etc/odoo.conf"], {}, ["/etc/odoo/a.conf", "/etc/odoo/b.conf"]),
        (["etc/odoo.conf", "home/me/.odoorc"], {}, ["/etc/odoo.conf"]),
        (["home/me/.odoorc"], {}, ["/home/me/.odoorc"]),
        (["etc/odoo/a.conf", "srv/x.conf"], {"ODOO_RC": "/srv/x.conf"}, ["/srv/x.conf"]),
        (["etc/odoo/a.conf"], {"ODOO_RC": "/srv/gone.conf"}, ["/etc/odoo/a.conf"]),
    ],
)
def test_where_nothing_runs_the_files_of_the_next_start_count(
    tmp_path: Path, files: list[str], environment: dict[str, str], found: list[str]
) -> None:
    write_host(tmp_path, dict.fromkeys(files, "[options]\nworkers = 1\n"))
    odoo = services(tmp_path, environment=environment, home="/home/me").odoo
    assert isinstance(odoo, Odoo)
    assert [i.config_file for i in odoo.instances] == found
    assert all(i.processes == () for i in odoo.instances)


def test_nothing_at_all_is_a_gap(tmp_path: Path) -> None:
    write_host(tmp_path, {})
    gap = services(tmp_path).odoo
    assert isinstance(gap, Unavailable) and "--config" in gap.remedy


def test_19_without_its_environment_is_not_known(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        {"etc/odoo.conf": "[options]\n", "usr/lib/python3/dist-packages/odoo/release.py": "version_info = (19, 0, 0)"},
    )
    directory = add_process(tmp_path, 70, 1, [*ODOO, "-c", "/etc/odoo.conf"], inodes=[500])
    (directory / "environ").unlink()
    gap = services(tmp_path).odoo
    assert isinstance(gap, Unavailable) and "environment of pid 70" in gap.reason
