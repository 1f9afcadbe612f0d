"""SET SESSION: whether one client's setting reaches another client."""

from __future__ import annotations

from slotwise.collectors.path_client import PathClient
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="session-set-leak",
    needed_by="nobody",
    fine="what one client sets on its session reaches nobody else",
    loss="a setting of one session acts in other people's requests: lock_timeout, statement_timeout, search_path",
    harmless="settings leak to other clients until a DISCARD ALL meets them. Odoo sets one only, lock_timeout 15 s"
    " while it loads a registry, and tries again what that stops; an addon that uses SET would be hurt (slotwise scan:"
    " SW704). server_reset_query_always = 1 stops it",
)

MEETINGS = 10


def probe(path: Path) -> Observation:
    """A made-up parameter, which acts on nothing (Odoo's is ``SET SESSION lock_timeout = '15s'``,
    odoo/modules/loading.py 17.0:391, 18.0:392, 19.0:362). Looked for from another client, while the first one is there
    and after it has gone, and taken back where it is found."""
    name = unusual("probe").replace("slotwise_", "slotwise.", 1)
    with path.client() as first, path.client() as second:
        own = first.run(f"SET {name} = 'here'; SELECT pg_backend_pid()").value
        leaked, met = _look(second, name, own)
        if not leaked:
            kept = first.run(f"SELECT current_setting('{name}', true)").value == "here"
            moved = first.run("SELECT pg_backend_pid()").value != own
    if leaked:
        return Observation(False, (Seen("seen by another client", "while the first was connected"),))
    with path.client() as third:
        leaked, met_later = _look(third, name, own)
    if leaked:
        return Observation(False, (Seen("seen by another client", "after the first had left"),))
    seen = (Seen("seen by another client", False), Seen("kept for its own client", kept))
    if met or met_later or (kept and not moved):
        return Observation(True, seen)
    return Observation(None, seen, reason="no other client got the same server connection: the pool is busy")


def _look(client: PathClient, name: str, pid: str | None) -> tuple[bool, bool]:
    """Whether ``client`` sees the setting, and whether it met the server process where it was set."""
    met = False
    for _ in range(MEETINGS):
        client.run("BEGIN")
        row = client.run(f"SELECT pg_backend_pid() AS pid, current_setting('{name}', true) AS value").by_name()[0]
        leaked = row["value"] == "here"
        if leaked:
            client.run(f"RESET {name}")
        client.run("COMMIT")
        met = met or row["pid"] == pid
        if leaked:
            return True, True
        if met:
            return False, True
    return False, met
