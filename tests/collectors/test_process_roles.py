from __future__ import annotations

from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.process_roles import odoo_processes
from slotwise.snapshot.processes import ProcessRole

HTTP = 500


def facts(pid: int, ppid: int, command: str, *inodes: int) -> ProcessFacts:
    return ProcessFacts(pid, ppid, tuple(command.split()), inodes=inodes)


def roles(
    *processes: ProcessFacts, listening: tuple[int, ...] = (HTTP,), workers: int | None = None
) -> dict[int, ProcessRole]:
    found = odoo_processes(processes, dict.fromkeys(listening, 8069), lambda f, c: workers)
    return {p.facts.pid: p.role for p in found}


SERVER = "python3 /usr/bin/odoo -c /etc/odoo.conf"
GEVENT = "python3 /usr/bin/odoo gevent -c /etc/odoo.conf"


def test_a_prefork_host() -> None:
    assert roles(
        facts(1, 0, "init"),
        facts(10, 1, SERVER, HTTP),
        facts(11, 10, SERVER, HTTP, 7),
        facts(12, 10, SERVER, 8),
        facts(13, 10, GEVENT, 501),
        facts(14, 11, "wkhtmltopdf odoo"),
    ) == {10: "master", 11: "http_worker", 12: "cron_worker", 13: "gevent"}


def test_without_http_every_child_is_a_cron_worker() -> None:
    assert roles(facts(10, 1, SERVER + " --no-http"), facts(11, 10, SERVER + " --no-http", 3)) == {
        10: "master",
        11: "cron_worker",
    }


def test_titles_name_the_worker() -> None:
    assert roles(
        facts(10, 1, SERVER, HTTP),
        facts(11, 10, "odoo: WorkerHTTP 11"),
        facts(12, 10, "odoo: WorkerCron 12 prod", HTTP),
        facts(13, 10, "odoo: WorkerJobRunner 13", HTTP),
    ) == {10: "master", 11: "http_worker", 12: "cron_worker", 13: "queue_job"}


def test_a_container_whose_listening_sockets_cannot_be_read() -> None:
    """The socket that some children share with the master and others do not is the one of HTTP; that of the log is
    shared by all."""
    log = 900
    assert roles(
        facts(10, 1, SERVER, HTTP, log),
        facts(11, 10, SERVER, HTTP, log, 7),
        facts(12, 10, SERVER, log, 8),
        listening=(),
    ) == {10: "master", 11: "http_worker", 12: "cron_worker"}


def test_sockets_that_may_not_be_read_leave_workers_unknown() -> None:
    master = ProcessFacts(10, 1, tuple(SERVER.split()), inodes=None)
    child = ProcessFacts(11, 10, tuple(SERVER.split()), inodes=None)
    assert roles(master, child) == {10: "master", 11: "unknown"}


def test_a_server_alone_is_what_its_configuration_says() -> None:
    assert roles(facts(10, 1, SERVER, HTTP), workers=0) == {10: "threaded"}
    assert roles(facts(10, 1, SERVER, HTTP), workers=4) == {10: "master"}
    assert roles(facts(10, 1, SERVER, HTTP)) == {10: "threaded"}
    assert roles(facts(10, 1, SERVER)) == {10: "unknown"}


def test_what_ends_by_itself_is_no_server() -> None:
    command = "python3 odoo-bin -c x.conf -d prod"
    assert roles(facts(10, 1, command + " -u all --stop-after-init", HTTP), workers=0) == {10: "cli"}
    assert roles(facts(10, 1, command + " -u all"), workers=0) == {10: "cli"}
    assert roles(facts(10, 1, command + " -u all", HTTP), workers=0) == {10: "threaded"}
    assert roles(facts(10, 1, "python3 odoo-bin scaffold x"), facts(11, 1, "python3 odoo-bin shell -d prod")) == {
        10: "cli",
        11: "shell",
    }


def test_an_update_that_a_server_starts_is_not_its_worker() -> None:
    update = SERVER + " -d prod -u sale --stop-after-init"
    assert roles(facts(10, 1, SERVER, HTTP), facts(11, 10, update), workers=0) == {10: "threaded", 11: "cli"}


def test_two_services_do_not_mix() -> None:
    other = "python3 /usr/bin/odoo -c /etc/other.conf"
    found = odoo_processes(
        (
            facts(10, 1, SERVER, HTTP),
            facts(11, 10, SERVER, HTTP),
            facts(20, 1, other, 600),
            facts(21, 20, other, 600),
            facts(22, 20, other),
        ),
        {HTTP: 8069, 600: 8070},
        lambda f, c: None,
    )
    assert {p.facts.pid: (p.role, p.root) for p in found} == {
        10: ("master", 10),
        11: ("http_worker", 10),
        20: ("master", 20),
        21: ("http_worker", 20),
        22: ("cron_worker", 20),
    }
