"""One observed Odoo instance in the model's terms: what was not read raises MissingEvidence and is never guessed."""

from __future__ import annotations

from msgspec import Struct, structs

from slotwise.capacity.deployment import ODOO_VERSIONS, OdooHost
from slotwise.capacity.observed import Observed, databases_to_serve, observed
from slotwise.capacity.routes import Route, configured_host, configured_port, is_local
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OdooInstance

PRIMARY, REPLICA = "primary", "replica"


class PlannedInstance(Struct, frozen=True):
    """One Odoo instance in the model's terms. ``certain``: ``likely`` rests on ``db_name`` or on connections that were
    seen, and not on a lower bound."""

    instance: str
    route: Route
    likely: OdooHost
    most: OdooHost
    certain: bool
    basis: str


def planned_instance(instance: OdooInstance, snapshot: Snapshot, route: Route) -> PlannedInstance:
    """``instance`` as the model sees it: for the databases seen in use, and for all that it may serve."""
    if instance.need_major() not in ODOO_VERSIONS:
        known = ", ".join(str(v) for v in ODOO_VERSIONS)
        gap = Unavailable(f"Odoo {instance.version}", f"only Odoo {known} are modelled", "plan for one of these")
        raise MissingEvidence(gap)
    seen = observed(instance, snapshot)
    names, sure = databases_to_serve(instance, snapshot)
    host = _host(instance, seen, snapshot)
    pinned = bool(instance.pinned_databases)
    alone = sure and names is not None and len(names) <= 1
    served: tuple[str, ...] | int = names if pinned and names else (seen.in_use or 1)
    if alone and names is not None:
        served = names
    likely = structs.replace(
        host,
        databases=served,
        databases_per_worker=seen.per_worker if seen.warm and not alone else None,
    )
    # Three databases in use, but two at most in one worker that has run for a minute: the third will come.
    grown = seen.warm and (seen.settled or alone or seen.per_worker >= likely.database_count)
    every = tuple(dict.fromkeys((*(names or ()), *seen.in_use)))
    most = structs.replace(host, databases=every if every or alone else 1)
    if seen.warm:
        young = "" if grown else ", which has not run for ten minutes yet"
        basis = f"{seen.per_worker} database(s) held by one worker{young}"
    else:
        basis = "db_name" if pinned else "one database at least"
    return PlannedInstance(instance.id, route, likely, most, alone or grown or (pinned and not seen.warm), basis)


def _host(instance: OdooInstance, seen: Observed, snapshot: Snapshot) -> OdooHost:
    """What does not depend on the databases in use. Raises MissingEvidence for an option that was not read."""
    gevent = instance.value("db_maxconn_gevent")
    if instance.option("db_maxconn_gevent") is None:
        instance.integer("db_maxconn_gevent")
    enabled = instance.value("http_enable")
    return OdooHost(
        odoo_version=instance.need_major(),
        name=instance.id,
        workers=max(0, instance.integer("workers")),
        max_cron_threads=max(0, instance.integer("max_cron_threads")),
        db_maxconn=instance.integer("db_maxconn"),
        db_maxconn_gevent=gevent if isinstance(gevent, int) and not isinstance(gevent, bool) and gevent else None,
        http_enable=enabled is not False,
        preloaded=instance.pinned_databases,
        queue_job_databases=seen.queue_job_databases,
        shells=seen.shells,
        raw_connections=seen.raw_connections,
        server=PRIMARY,
        replica_server=replica_server(instance),
    )


def replica_server(instance: OdooInstance) -> str | None:
    """Where the read-only odoo_pool leads: None without one, ``primary`` when it is the same server, else ``replica``.

    18 opens one as soon as ``db_replica_host`` is anything but False, an empty value too (odoo/modules/registry.py
    18.0:172); 19 when it is not empty or with ``--dev=replica``, which an explicitly empty value stands for
    (odoo/orm/registry.py 19.0:264, odoo/tools/config.py 19.0:679-699). The port is not inherited from ``db_port``.
    """
    major, option = instance.major, instance.option("db_replica_host")
    if major is None or major < 18:
        return None
    value = option.value if option is not None else None
    develops = "replica" in str(instance.value("dev_mode") or "").split(",")
    given = value == "" and option is not None and not option.source.startswith("default")
    if value in (None, False) or (value == "" and not given):
        return PRIMARY if major >= 19 and develops else None
    host, replica = configured_host(instance), str(value)
    same_host = replica == host or (is_local(replica) and is_local(host))
    return PRIMARY if same_host and replica_port(instance) == configured_port(instance) else REPLICA


def replica_port(instance: OdooInstance) -> int:
    """``db_replica_port``, or libpq's default where it is unset: it does not inherit ``db_port`` (odoo/sql_db.py)."""
    port = instance.value("db_replica_port")
    return int(port) if port not in (None, False, "") and str(port).isdigit() else 5432
