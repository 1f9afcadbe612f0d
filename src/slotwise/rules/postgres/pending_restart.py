"""SW216 pending-restart."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Finding, Fix, Manual, RestartServer, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite_setting
from slotwise.snapshot.postgres import Setting, Settings

COMMAND_LINE = "command line"
CAPACITY = frozenset(
    {
        "max_connections",
        "superuser_reserved_connections",
        "reserved_connections",
        "max_wal_senders",
        "max_worker_processes",
        "max_locks_per_transaction",
        "shared_buffers",
        "huge_pages",
    }
)


@rule("SW216", Severity.INFO)
def pending_restart(settings: Settings) -> Iterator[Finding]:
    """A changed setting waits for a restart, or never comes into force.

    **Why it matters.** What the file says is not what runs: capacity is planned with one number, and the next restart,
    perhaps at night after a crash, brings the other.

    **Evidence.** pending_restart in pg_settings, or, without a connection, the running value in pg_controldata against
    the value that the next start would use. A trap: where the value comes from the command line (Patroni, Docker's
    `-c`, pg_ctl -o) pending_restart is true too, but the command line wins again after a restart.

    **Fix.** Restart at a time of your choice; it ends every session. A value from the command line has to be changed
    where it is passed: `patronictl edit-config`, the compose file, the unit.

    **When to ignore it.** When the restart is planned already.
    """
    waiting = [s for s in settings.settings if _waits(s)]
    fixed = [s for s in waiting if s.source == COMMAND_LINE]
    restart = [s for s in waiting if s.source != COMMAND_LINE]
    if restart:
        names = ", ".join(_words(s) for s in restart)
        yield Finding(
            f"a restart of PostgreSQL is due: {names}",
            tuple(cite_setting(s) for s in restart),
            Fix(
                "restart PostgreSQL at a quiet time",
                (RestartServer("pending: " + ", ".join(s.name for s in restart)),),
                "it ends every session; a lower max_connections on a standby must not precede the primary's",
            ),
            severity=Severity.WARNING if any(s.name in CAPACITY for s in restart) else Severity.INFO,
        )
    if fixed:
        names = ", ".join(_words(s) for s in fixed)
        text = "change " + ", ".join(s.name for s in fixed) + " where the server's command line is made, not in a file"
        yield Finding(
            f"a change will not come into force, not even by a restart, because the command line wins: {names}",
            tuple(cite_setting(s) for s in fixed),
            Fix("change it where it is passed: patronictl edit-config, compose file, unit", (Manual(text),)),
        )


def _waits(setting: Setting) -> bool:
    return setting.pending_restart or (setting.next_start is not None and setting.next_start != setting.value)


def _words(setting: Setting) -> str:
    then = f", then {setting.next_start}" if setting.next_start is not None else ""
    return f"{setting.name} (now {setting.value}{then})"
