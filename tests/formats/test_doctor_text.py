from __future__ import annotations

import re

from msgspec import structs

from slotwise.formats.doctor_text import doctor_text
from slotwise.rules.diagnosis import diagnose
from slotwise.snapshot.evidence import SourceReport, Unavailable
from tests.build import FIRST_HTTP, backend, host, topology


def test_a_healthy_host_is_one_screen_with_the_numbers() -> None:
    text = doctor_text(diagnose(host(), select=("SW2",)))
    assert "11 of 97 usable taken (11%), 86 free" in text
    assert re.search(r"http_worker +4 × \(110, 111, 112, 113\) +8 +prod +odoo-100 +8 idle", text)
    assert re.search(r"cron_worker +2 × \(150, 151\) +2 +postgres .* 2 listening", text)
    assert len(text.splitlines()) <= 40
    assert max(len(line) for line in text.splitlines()) <= 120


def test_findings_come_worst_first_with_evidence_and_remedy() -> None:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=100 + n)) for n in range(20)]
    text = doctor_text(diagnose(host(held, settings_={"max_connections": "23"}), select=("slots-saturated",)))
    assert "✗ critical SW201 slots-saturated" in text
    assert "20 of 20 usable taken (100%), 0 free" in text
    assert "  do: end " in text and "1019" in text
    assert "1 critical" in text.splitlines()[-1] and "(exit 1)" in text.splitlines()[-1]


def test_what_is_not_known_is_said_with_its_remedy_and_never_as_zero() -> None:
    gap = Unavailable("pg_stat_activity", "the server refused the connection", "run as the OS user postgres")
    report = SourceReport("postgresql", "failed", 0.1, gap.reason, gap.remedy)
    text = doctor_text(diagnose(structs.replace(host(), activity=gap, sources=(report,)), select=("SW201",)))
    assert "Slots   not known: the server refused the connection" in text
    assert "Could not be judged" in text and "do: run as the OS user postgres" in text
    assert "0 of" not in text and "(exit 3)" in text


def test_a_name_cannot_steer_the_terminal() -> None:
    evil = "x\x1b[2J\x07\r\n\u202ey"
    row = backend(1, evil, application_name=evil, user=evil, query=evil)
    text = doctor_text(diagnose(host([(None, row)]), select=("SW2",)), verbose=True)
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}


def test_many_processes_stay_short_unless_verbose() -> None:
    held = [(FIRST_HTTP + n % 30, backend(1000 + n, f"db{n}", idle_for=n)) for n in range(90)]
    snapshot = host(held, roles=topology(30))
    short = doctor_text(diagnose(snapshot, select=("SW201",)))
    full = doctor_text(diagnose(snapshot, select=("SW201",)), verbose=True)
    assert len(short.splitlines()) < 45 and len(full.splitlines()) > len(short.splitlines())


def test_colour_is_never_the_only_carrier() -> None:
    diagnosis = diagnose(host(), select=("SW2",))
    plain = doctor_text(diagnosis)
    coloured = doctor_text(diagnosis, colour=True)
    assert "\x1b[" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
