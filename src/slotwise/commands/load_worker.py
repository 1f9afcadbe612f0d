"""The use case: be one of the machines that generate load."""

from __future__ import annotations

from slotwise.errors import OperatorError
from slotwise.load.people import People, settings_of
from slotwise.loadtest.ending import Interrupted, ends_at_once
from slotwise.loadtest.generators import serve_master


def serve(master: str, people: People, password: str) -> int:
    """Generate load for the master until it ends; the exit code. Raises OperatorError for a wrong address."""
    host, _, port = master.rpartition(":")
    if not host or not port.isdigit():
        raise OperatorError(f"--master {master} is no address", "write HOST:PORT, as the other machine says")
    with ends_at_once():
        try:
            return serve_master(settings_of(people, password, {}), host, int(port))
        except Interrupted:
            raise KeyboardInterrupt from None
