"""The well-known formula, kept for comparison. It is not the model."""

from __future__ import annotations

from slotwise.capacity.deployment import OdooHost

LONGPOLLING_WORKERS = 1
"""The guide's ``longpolling_workers``: Odoo starts one gevent process; the guide counts one in threaded mode too."""

GUIDE_FORMULA = "workers × (1 + max_cron_threads) × 2 + longpolling_workers × 2 + 10"


def guide(hosts: tuple[OdooHost, ...]) -> int:
    """Connections by the published formula, summed over the hosts: 8 workers and 2 cron threads make 60.

    It multiplies ``max_cron_threads`` by workers, although it is a total per host (odoo/service/server.py 17.0:898-899,
    18.0:899-900, 19.0:997-999), and it knows nothing of databases.
    """
    return sum(
        host.count * (host.workers * (1 + host.max_cron_threads) * 2 + LONGPOLLING_WORKERS * 2 + 10) for host in hosts
    )
