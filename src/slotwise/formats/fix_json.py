"""fix for programs: ``{"schema": "slotwise.fix/1", …}``. Secrets are left out; file contents come as text."""

from __future__ import annotations

from typing import Any

import msgspec

from slotwise.fixes.diff import unified_diff, without_passwords
from slotwise.fixes.remedy import (
    FixPlan,
    GeneratedFile,
    ReloadPgBouncer,
    ReloadPostgres,
    Remedy,
    RunSql,
    Step,
    WriteFile,
)

SCHEMA = "slotwise.fix/1"


def fix_json(plan: FixPlan) -> bytes:
    """The proposal as one JSON document."""
    document = {
        "schema": SCHEMA,
        "remedies": [_remedy(remedy) for remedy in plan.remedies],
        "refused": [{"what": r.what, "why": r.why, "instead": r.instead} for r in plan.refused],
        "notes": list(plan.notes),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def output_files(plan: FixPlan) -> tuple[GeneratedFile, ...]:
    """What --output writes: every changed file under its own path, generated files, and the statements in order."""
    files: list[GeneratedFile] = []
    statements: list[str] = []
    commands: list[str] = []
    for remedy in plan.remedies:
        commands += remedy.commands
        files += remedy.files
        for step in remedy.steps:
            if isinstance(step, WriteFile) and step.after is not None:
                files.append(GeneratedFile(step.path.lstrip("/"), step.after.decode("utf-8", "surrogateescape")))
            elif isinstance(step, RunSql):
                statements.append(f"{step.do};")
            elif isinstance(step, ReloadPostgres):
                statements.append("SELECT pg_reload_conf();")
    if statements:
        files.append(GeneratedFile("statements.sql", "\n".join(statements) + "\n"))
    if commands:
        files.append(GeneratedFile("commands.sh", "\n".join(commands) + "\n"))
    return tuple({file.name: file for file in files}.values())


def shown_files(plan: FixPlan) -> tuple[GeneratedFile, ...]:
    """The same for the terminal: a file of secrets, and passwords, are not shown."""
    secret = {step.path.lstrip("/") for step in plan.steps if isinstance(step, WriteFile) and step.secret}
    hidden = any(isinstance(step, RunSql) and step.secret for step in plan.steps)
    return tuple(
        GeneratedFile(file.name, "(secret; --output writes it)\n")
        if file.name in secret or (hidden and file.name == "statements.sql")
        else GeneratedFile(file.name, without_passwords(file.text))
        for file in output_files(plan)
    )


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return {
        "target": remedy.target,
        "title": remedy.title,
        "reasons": remedy.reasons,
        "risks": remedy.risks,
        "rules": remedy.rules,
        "activation": remedy.activation,
        "stops": remedy.stops,
        "steps": [_step(step) for step in remedy.steps],
        "files": [{"name": f.name, "text": f.text} for f in remedy.files],
        "commands": remedy.commands,
    }


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, WriteFile):
        return {"step": "write-file", "path": step.path, "secret": step.secret, "diff": unified_diff(step)}
    if isinstance(step, RunSql):
        shown = None if step.secret else step.do
        return {"step": "run-sql", "do": shown, "undo": step.undo, "before": step.before, "after": step.after}
    if isinstance(step, ReloadPostgres):
        return {"step": "reload-postgres"}
    assert isinstance(step, ReloadPgBouncer)
    return {"step": "reload-pgbouncer", "address": step.address}
