"""PostgreSQL settings: where each belongs, what would break, and the file or the statement that sets it."""

from __future__ import annotations

from slotwise.findings import SetServerSetting
from slotwise.fixes.conf_text import setting_line, with_settings
from slotwise.fixes.ground import MANAGED, Ground, PostgresGround
from slotwise.fixes.managed_text import managed_commands
from slotwise.fixes.orchestrated_text import orchestrated_files
from slotwise.fixes.refusals import refusals
from slotwise.fixes.remedy import Refused, ReloadPostgres, Remedy, RunSql, WriteFile
from slotwise.fixes.requested import Requested, told
from slotwise.fixes.sql_text import literal, parameter
from slotwise.snapshot.postgres import Settings

DROP_IN = "zz-slotwise.conf"
"""Read last in its directory: include_dir reads files in C-locale order (src/backend/utils/misc/guc-file.l)."""

_ELSEWHERE = frozenset({"command line", "environment variable"})


def server_remedies(
    requests: tuple[Requested, ...], settings: Settings | None, ground: Ground, allow_standbys: bool
) -> tuple[tuple[Remedy, ...], tuple[Refused, ...], tuple[str, ...]]:
    """Remedies, refusals and notes for every SetServerSetting of ``requests``."""
    asked = [(r, r.change) for r in requests if isinstance(r.change, SetServerSetting)]
    if not asked:
        return (), (), ()
    here = ground.postgres
    if here is None or settings is None:
        return (), (), tuple(f"set {change.name} = {change.value} ({ground.postgres_gap})" for _, change in asked)
    wanted = {change.name: change.value for _, change in asked}
    refused = refusals(wanted, settings, here, ground.memory_limit_bytes, allow_standbys)
    stopped = {r.what.split(" ")[0] for r in refused}
    notes = []
    kept: list[Requested] = []
    for one, change in asked:
        known = settings.find(change.name)
        if change.name in stopped:
            continue
        if known is not None and known.source in _ELSEWHERE and here.platform == "self-hosted":
            notes.append(
                f"{change.name} comes from the {known.source} of the server, which wins over every file: set it to"
                f" {change.value} where the server is started (patronictl edit-config, compose file, unit)"
            )
            continue
        kept.append(one)
    if not kept:
        return (), refused, tuple(notes)
    given = {one.name: one.value for one in settings.settings if one.source == "command line"}
    return _written(kept, here, given), refused, tuple(notes)


def _written(kept: list[Requested], here: PostgresGround, given: dict[str, str]) -> tuple[Remedy, ...]:
    values = {r.change.name: r.change.value for r in kept if isinstance(r.change, SetServerSetting)}
    restart = tuple(r.change.name for r in kept if isinstance(r.change, SetServerSetting) and r.change.restart)
    reasons, risks, rules = told(kept)
    if here.standbys and restart:
        names = ", ".join(s.name for s in here.standbys)
        risks += (f"standbys ({names}): raise there first, lower here first, or they stop replaying",)
    stops = f"a restart of PostgreSQL ends every session ({', '.join(restart)})" if restart else None
    activation = "restart" if restart else "reload"

    def remedy(target: str, **what: object) -> Remedy:
        return Remedy(
            target=target,
            title="settings of the server",
            reasons=reasons,
            risks=risks,
            rules=rules,
            activation=activation,  # type: ignore[arg-type]
            stops=stops,
            **what,  # type: ignore[arg-type]
        )

    if here.platform in MANAGED:
        return (remedy(f"{here.platform} {here.address}", commands=managed_commands(here.platform, values, restart)),)
    if here.platform != "self-hosted":
        files, commands = orchestrated_files(here.platform, values, given)
        return (remedy(f"{here.platform} {here.address}", files=files, commands=commands),)
    by_file = {n: v for n, v in values.items() if _fits_drop_in(n, here)}
    by_statement = {n: v for n, v in values.items() if n not in by_file}
    made: list[Remedy] = []
    if by_file and here.include_dir is not None:
        path = f"{here.include_dir}/{DROP_IN}"
        before = here.drop_in
        after = with_settings((before or b"").decode("utf-8", "surrogateescape"), by_file)
        content = after.encode("utf-8", "surrogateescape")
        if content != before:
            file = WriteFile(path, before, content, mode=0o644, like=here.include_dir)
            made.append(remedy(f"PostgreSQL {here.address}", steps=(file, ReloadPostgres(by_file))))
    if by_statement and not here.alter_system:
        lines = tuple(setting_line(name, value) for name, value in by_statement.items())
        made.append(remedy(f"postgresql.conf of {here.address} (ALTER SYSTEM is switched off)", commands=lines))
    elif by_statement and not here.is_superuser:
        statements = tuple(f"{_alter_system(n, v, here).do};" for n, v in by_statement.items())
        made.append(
            remedy(f"PostgreSQL {here.address}, as a superuser", commands=(*statements, "SELECT pg_reload_conf();"))
        )
    elif by_statement:
        steps = tuple(step for n, v in by_statement.items() if (step := _alter_system(n, v, here)).before != step.after)
        if steps:
            made.append(remedy(f"PostgreSQL {here.address}", steps=(*steps, ReloadPostgres(by_statement))))
    return tuple(made)


def _fits_drop_in(name: str, here: PostgresGround) -> bool:
    """Whether a line in the drop-in decides: nothing in postgresql.auto.conf and no later line sets the same name."""
    return (
        here.include_dir is not None
        and here.files_writable
        and name not in here.auto_conf
        and name not in here.late_names
        and "*" not in here.late_names
    )


def _alter_system(name: str, value: str, here: PostgresGround) -> RunSql:
    now = here.auto_conf.get(name)
    undo = f"ALTER SYSTEM RESET {parameter(name)}"
    if now is not None:
        undo = f"ALTER SYSTEM SET {parameter(name)} = {literal(now)}"
    probe = (
        "SELECT setting FROM pg_catalog.pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf'"
        f" AND name = {literal(name)} ORDER BY seqno DESC LIMIT 1"
    )
    return RunSql(f"ALTER SYSTEM SET {parameter(name)} = {literal(value)}", undo, probe, now, value)
