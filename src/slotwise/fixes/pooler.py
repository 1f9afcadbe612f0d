"""PgBouncer as a remedy: the file of one that runs, changed in place, or a whole new one with users and limits."""

from __future__ import annotations

from slotwise.capacity.pooling import PoolSizing
from slotwise.findings import SetPgBouncer, SetPoolDatabase
from slotwise.fixes.connection_words import parse_words, written
from slotwise.fixes.ground import Ground, PgBouncerGround
from slotwise.fixes.ini_text import get_value, set_value
from slotwise.fixes.pgbouncer_auth import Auth
from slotwise.fixes.pgbouncer_ini import (
    OLDEST,
    Backend,
    Listening,
    expected,
    merged_ini,
    new_ini,
    open_files_needed,
    pool_settings,
)
from slotwise.fixes.remedy import ReloadPgBouncer, Remedy, Step, WriteFile
from slotwise.fixes.requested import Requested, told
from slotwise.fixes.systemd import open_files, path_of

UNIT = "pgbouncer.service"


def is_pooler(request: Requested) -> bool:
    """Whether a request changes a PgBouncer."""
    return isinstance(request.change, (SetPgBouncer, SetPoolDatabase))


def changed_pooler(
    requests: tuple[Requested, ...], sizing: PoolSizing | None, users: tuple[str, ...], ground: Ground
) -> tuple[tuple[Remedy, ...], tuple[str, ...]]:
    """The PgBouncer that Odoo goes through: its file, in place. With a ``sizing`` that fits all pools are set by it,
    because caps and pools only hold together; without one, or with several PgBouncers on the way, just what the rules
    asked for."""
    every = [r for r in requests if is_pooler(r)]
    here = ground.pgbouncer
    asked = [r for r in every if here is not None and here.ini is not None and _address(r) == here.address]
    notes = [
        f"in the file of PgBouncer {_address(r)}, which is not changed from here: {_words(r)}"
        for r in every
        if r not in asked
    ]
    if not asked:
        return (), tuple(notes)
    assert here is not None and here.ini is not None and here.address is not None
    text = here.ini.decode("utf-8", "surrogateescape")
    version = here.version or OLDEST
    after = text
    names: list[str] = []
    if sizing is not None and sizing.fits and ground.poolers_on_the_way == 1:
        after = merged_ini(text, sizing, version, len(users))
        names = list(pool_settings(sizing, version, len(users)))
    else:
        for one in asked:
            after = _with(after, one)
        names = [r.change.key for r in asked if isinstance(r.change, SetPgBouncer)]
    content = after.encode("utf-8", "surrogateescape")
    if content == here.ini:
        return (), tuple(notes)
    reasons, risks, rules = told(asked)
    if "%include" in text:
        notes.append(f"{here.ini_path} includes other files: a later line there wins, and apply will then put all back")
    notes += [
        f"[users] {user} in {here.ini_path} sets pool_mode, which wins over that of database postgres: take it away"
        for user in users
        if "pool_mode" in parse_words(get_value(text, "users", user, "pgbouncer") or "")
    ]
    limit = ground.pgbouncer_open_files
    if sizing is not None and limit is not None and not ground.systemd_unit and limit < open_files_needed(sizing):
        notes.append(
            f"PgBouncer may open {limit} files and needs {open_files_needed(sizing)}: raise its limit, restart it"
        )
    steps: list[Step] = [WriteFile(here.ini_path, here.ini, content)]
    if here.reloadable:
        steps.append(ReloadPgBouncer(here.address, expected(after, tuple(names)), {"postgres": "session"}))
    risk = "clients stay connected; those on database postgres listen through the new pool only after Odoo restarts"
    remedy = Remedy(
        target=f"PgBouncer {here.address}",
        title="pools",
        reasons=reasons,
        risks=(*risks, risk),
        rules=rules,
        activation="reload",
        steps=tuple(steps),
        commands=() if here.reloadable else ("psql -h HOST -p PORT -U ADMIN pgbouncer -c RELOAD",),
    )
    return (remedy, *_limits(sizing, ground)), tuple(notes)


def new_pooler(
    sizing: PoolSizing,
    backend: Backend,
    users: tuple[str, ...],
    auth: Auth,
    listening: Listening,
    here: PgBouncerGround,
    databases: tuple[str, ...],
    reasons: tuple[str, ...],
) -> tuple[tuple[Remedy, ...], tuple[str, ...]]:
    """A PgBouncer where there is none on the way: pgbouncer.ini, its users, the limit of open files."""
    version = here.version or OLDEST
    text = new_ini(backend, sizing, version, users, listening, databases)
    notes = [
        f"role {name} has no password that could be read: give it one, then run fix again" for name in auth.missing
    ]
    steps: list[Step] = list(auth.statements)
    directory = here.ini_path.rpartition("/")[0] or "/"
    # The file of users first: PgBouncer started in between would let nobody in.
    for path, before, content, secret in (
        (here.userlist_path, here.userlist, auth.userlist, True),
        (here.ini_path, here.ini, text, False),
    ):
        after = content.encode()
        if after != before:
            steps.append(WriteFile(path, before, after, mode=0o640, like=directory, secret=secret))
    if not steps:
        return (), tuple(notes)
    remedy = Remedy(
        target=f"PgBouncer in {here.ini_path}",
        title="a PgBouncer between Odoo and PostgreSQL",
        reasons=reasons,
        risks=(
            "one more service on the way; when it stops, Odoo stops",
            "-u, -i, shells and pg_dump must go to PostgreSQL itself: a transaction pool loses session settings",
        ),
        rules=("plan",),
        activation="restart",
        stops="starting PgBouncer interrupts nobody; Odoo goes through it after its own restart",
        steps=tuple(steps),
        commands=("systemctl restart pgbouncer",),
    )
    return (remedy,), tuple(notes)


def limits_drop_in(sizing: PoolSizing, before: bytes | None, unit: str = UNIT) -> Remedy | None:
    """LimitNOFILE for PgBouncer's service; None where the drop-in says that already."""
    need = open_files_needed(sizing)
    after = open_files(need).encode()
    if after == before:
        return None
    return Remedy(
        target=f"systemd {unit}",
        title="limit of open files",
        reasons=(f"{sizing.max_client_conn} clients and their servers need {need} open files; beyond, clients hang",),
        activation="restart",
        stops="a restart of PgBouncer ends every client's connection",
        steps=(WriteFile(path_of(unit), before, after),),
        commands=("systemctl daemon-reload",),
    )


def _limits(sizing: PoolSizing | None, ground: Ground) -> tuple[Remedy, ...]:
    path = path_of(UNIT)
    if sizing is None or not ground.systemd_unit or ground.pgbouncer_open_files is None:
        return ()
    if ground.pgbouncer_open_files >= open_files_needed(sizing):
        return ()
    made = limits_drop_in(sizing, ground.drop_ins.get(path))
    return (made,) if made is not None else ()


def _with(text: str, request: Requested) -> str:
    change = request.change
    if isinstance(change, SetPgBouncer):
        return set_value(text, "pgbouncer", change.key, change.value, "pgbouncer")
    assert isinstance(change, SetPoolDatabase)
    now = get_value(text, "databases", change.entry, "pgbouncer")
    base = now if now is not None else get_value(text, "databases", "*", "pgbouncer")
    words = {**parse_words(base or ""), **change.parameters}
    return set_value(text, "databases", change.entry, written(words), "pgbouncer")


def _address(request: Requested) -> str:
    change = request.change
    assert isinstance(change, (SetPgBouncer, SetPoolDatabase))
    return change.address


def _words(request: Requested) -> str:
    change = request.change
    if isinstance(change, SetPgBouncer):
        return f"{change.key} = {change.value}"
    assert isinstance(change, SetPoolDatabase)
    return f"[databases] {change.entry} = … {written(change.parameters)}"
