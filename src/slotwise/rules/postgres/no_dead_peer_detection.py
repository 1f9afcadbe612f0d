"""SW215 no-dead-peer-detection."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Change, Finding, Fix, Manual, SetServerSetting, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_setting
from slotwise.snapshot.effective_setting import milliseconds, server_wide
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Server, Setting, Settings

SLOW_SECONDS = 1800.0
KEEPALIVES = (("tcp_keepalives_idle", "60"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "6"))
CHECK_INTERVAL = "client_connection_check_interval"
CHECK_MS = "10000"


@rule("SW215", Severity.INFO)
def no_dead_peer_detection(sessions: Sessions, settings: Settings, server: Server | None) -> Iterator[Finding]:
    """PostgreSQL does not notice for a long time that a client is gone.

    **Why it matters.** When a host, a container or a firewall in between drops a connection silently, its slot stays
    taken for two hours (the kernel's default). A statement whose client was killed runs to its end all the same.

    **Evidence.** Only where it can happen: a client on another host, with tcp_keepalives_idle at half an hour or more
    (0 means the kernel's two hours), or a backend seen without its client, with client_connection_check_interval 0.

    **Fix.** tcp_keepalives_idle 60, interval 10, count 6 frees the slot of a dead client within two minutes;
    client_connection_check_interval 10 s (PostgreSQL 14 and later) ends statements whose client is gone. A reload is
    enough.

    **When to ignore it.** When every client is on this host and none was seen to vanish.
    """
    remote = [h for h in sessions.held if h.owner.certainty == "foreign"]
    orphans = [h for h in sessions.held if h.owner.certainty == "orphan" and h.backend.state not in (None, "idle")]
    if not remote and not orphans:
        return
    changes: list[Change] = []
    cited: list[Setting] = []
    slow = _is_slow(settings) if remote else None
    if slow is not None:
        cited.append(slow)
        changes += [SetServerSetting(name, value, False) for name, value in KEEPALIVES if settings.find(name)]
    check = server_wide(settings, CHECK_INTERVAL)
    if check is not None and check.value == "0":
        cited.append(check)
        changes.append(SetServerSetting(CHECK_INTERVAL, CHECK_MS, False))
    if not changes or (slow is None and not orphans):
        return
    where = _where(len(remote), len(orphans))
    old = check is None and server is not None and server.major < 14
    if old:
        changes.append(Manual(f"{CHECK_INTERVAL} needs PostgreSQL 14"))
    values = ", ".join(f"{s.name} = {s.value}" for s in cited)
    yield Finding(
        f"{where}, and PostgreSQL does not look whether clients still live ({values})",
        (
            cite("sessions from other hosts", len(remote), sessions.source),
            cite("backends without a client", len(orphans), sessions.source),
            *(cite_setting(s) for s in cited),
        ),
        Fix("let PostgreSQL look every minute", tuple(changes), "very slow networks may need longer values"),
        severity=Severity.WARNING if orphans else Severity.INFO,
    )


def _where(remote: int, orphans: int) -> str:
    if remote:
        return "a session comes from another host" if remote == 1 else f"{remote} sessions come from other hosts"
    return "a backend lost its client" if orphans == 1 else f"{orphans} backends lost their clients"


def _is_slow(settings: Settings) -> Setting | None:
    """tcp_keepalives_idle where it is half an hour or more; 0 is the kernel's default of two hours (Linux)."""
    setting = server_wide(settings, "tcp_keepalives_idle")
    if setting is None:
        return None
    value = milliseconds(setting.value, setting.unit or "s")
    return setting if value is not None and (value == 0 or value >= SLOW_SECONDS * 1000) else None
