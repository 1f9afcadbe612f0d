"""An existing PgBouncer: sized as a whole where it is the only one, and never the wrong one's file."""

from __future__ import annotations

from msgspec import structs

from slotwise.findings import SetPgBouncer, SetPoolDatabase
from slotwise.fixes.ground import Ground, PgBouncerGround
from slotwise.fixes.pgbouncer_ini import merged_ini, open_files_needed
from slotwise.fixes.pooler import changed_pooler
from slotwise.fixes.remedy import ReloadPgBouncer, WriteFile
from slotwise.fixes.requested import Requested
from tests.fixes.test_pgbouncer_ini import sizing

INI = "[databases]\n* = host=h\n[pgbouncer]\nmax_client_conn = 100\n[users]\nodoo = pool_mode=transaction\n"
HERE = Ground(
    pgbouncer=PgBouncerGround(
        address="h:6432",
        version=(1, 18),
        ini_path="/etc/pgbouncer/pgbouncer.ini",
        ini=INI.encode(),
        userlist_path="/etc/pgbouncer/userlist.txt",
        userlist=None,
        reloadable=True,
    ),
    poolers_on_the_way=1,
    pgbouncer_open_files=100_000,
)


def cap(address: str = "h:6432") -> Requested:
    return Requested(SetPgBouncer(address, "max_user_connections", "33"), "no cap", "waits", "SW304")


def written(ground: Ground, *requests: Requested) -> str:
    (remedy, *_), _ = changed_pooler(requests, sizing(), ("odoo",), ground)
    file, reload = remedy.steps
    assert isinstance(file, WriteFile) and isinstance(reload, ReloadPgBouncer) and file.after is not None
    return file.after.decode()


def test_the_only_one_is_sized_as_a_whole() -> None:
    assert written(HERE, cap()) == merged_ini(INI, sizing(), (1, 18), 1)


def test_one_of_several_gets_what_was_asked_for() -> None:
    several = structs.replace(HERE, poolers_on_the_way=2)
    session = Requested(SetPoolDatabase("h:6432", "postgres", {"pool_mode": "session"}), "lost", None, "SW301")
    after = written(several, cap(), session)
    assert "max_user_connections = 33" in after and "default_pool_size" not in after
    assert "postgres = host=h pool_mode=session" in after


def test_what_belongs_to_another_one_is_left_to_a_person() -> None:
    remedies, notes = changed_pooler((cap("other:6432"),), sizing(), ("odoo",), HERE)
    assert remedies == () and "other:6432" in notes[0] and "max_user_connections = 33" in notes[0]


def test_a_mode_of_the_user_is_told() -> None:
    _, notes = changed_pooler((cap(),), sizing(), ("odoo",), HERE)
    assert any("[users] odoo" in note for note in notes)


def test_too_few_open_files_are_told() -> None:
    few = structs.replace(HERE, pgbouncer_open_files=64)
    _, notes = changed_pooler((cap(),), sizing(), ("odoo",), few)
    assert any(str(open_files_needed(sizing())) in note for note in notes)
    remedies, notes = changed_pooler((cap(),), sizing(), ("odoo",), structs.replace(few, systemd_unit=True))
    assert "systemd pgbouncer.service" in [r.target for r in remedies]


def test_a_side_way_made_on_purpose_stays() -> None:
    text = "[databases]\njobs = host=h dbname=prod pool_mode=session pool_size=5\nprod = host=h pool_mode=session\n"
    after = merged_ini(text, sizing(), (1, 18), 1)
    assert "jobs = host=h dbname=prod pool_mode=session pool_size=5\n" in after
    assert "prod = host=h application_name=odoo\n" in after
