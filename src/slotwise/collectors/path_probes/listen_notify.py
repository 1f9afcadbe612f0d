"""LISTEN and NOTIFY on database ``postgres`` between two clients, as cron workers and the bus use them."""

from __future__ import annotations

import time

from slotwise.collectors.path_client import BEGIN, PathClient, PathRefused
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="listen-notify",
    needed_by="odoo",
    fine="live chat, notifications and scheduled-action triggers arrive at once",
    loss="live chat and notifications stay silent until the page is reloaded, and triggered scheduled actions start up"
    " to a minute late; no error is logged anywhere",
)

ROUNDS = 3
PATIENCE_SECONDS = 3.0
"""A notification that arrives at all arrives within milliseconds of its commit."""


def probe(path: Path) -> Observation:
    """Two listeners as Odoo's (``LISTEN cron_trigger`` in odoo/service/server.py, ``listen imbus`` in
    addons/bus/models/bus.py), on channels that nobody else knows, and a notifier that connects anew for each message
    (addons/bus/models/bus.py: postcommit)."""
    channels = (unusual("cron_trigger"), unusual("imbus"))
    expected = ROUNDS * len(channels)
    try:
        with path.maintenance_client() as cron, path.maintenance_client() as bus:
            for client, channel in ((cron, channels[0]), (bus, channels[1])):
                client.run(f"{BEGIN}; LISTEN {channel}")
                client.run("COMMIT")
            try:
                arrived, slowest = _rounds(path, ((cron, channels[0]), (bus, channels[1])))
            finally:
                # In a transaction pool the server connections that listen now are other clients' too.
                for client in (cron, bus):
                    client.run(f"UNLISTEN {channels[0]}; UNLISTEN {channels[1]}")
    except PathRefused as error:
        if error.failure.kind != "database_missing":
            raise
        refused = Seen("database postgres", error.failure.text)
        return Observation(False, (refused,), remedy="add an entry `postgres = … pool_mode=session` to the pooler")
    seen = (Seen("notifications sent", expected), Seen("notifications arrived", arrived))
    if arrived == expected:
        return Observation(True, (*seen, Seen("slowest seconds", round(slowest, 3))))
    return Observation(False, seen, remedy="give database postgres an entry of its own with pool_mode=session")


def _rounds(path: Path, listeners: tuple[tuple[PathClient, str], ...]) -> tuple[int, float]:
    arrived, slowest = 0, 0.0
    for number in range(ROUNDS):
        for listener, channel in listeners:
            payload = f"{number}"
            with path.maintenance_client() as notifier:
                notifier.run(BEGIN)
                notifier.run(f"SELECT pg_notify('{channel}', '{payload}')")
                sent = time.monotonic()
                notifier.run("COMMIT")
            heard = listener.notified(min(PATIENCE_SECONDS, path.allowance.left()))
            if heard != (channel, payload):
                # One that is lost says enough; to wait for each of them would only take time.
                return arrived, slowest
            arrived += 1
            slowest = max(slowest, time.monotonic() - sent)
    return arrived, slowest
