"""Applies named changes (flags, what-ifs) to a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, Traffic
from slotwise.capacity.memory import GIB
from slotwise.capacity.planner import Terms
from slotwise.commands.plan_fields import Value, find_field

if TYPE_CHECKING:
    from slotwise.capacity.managed import Catalogue

FLAGS = "flags"
"""As ``where``: the changes are command-line options of the same names."""

RDS_SUPERUSER_RESERVED = 2
"""rds.rds_superuser_reserved_connections defaults to 2 on Amazon RDS and Aurora (RDS parameter reference)."""


def changed(
    deployment: Deployment, terms: Terms, changes: Mapping[str, object], where: str, catalogue: Catalogue | None
) -> tuple[Deployment, Terms]:
    """``deployment`` and ``terms`` with every change made on all hosts and servers.

    ``where`` names the source of the changes in errors. Raises OperatorError naming the field that is wrong.
    """
    values = {find_field(name, where): value for name, value in changes.items()}
    read = {field: field.read(_label(where, field.name), value) for field, value in values.items()}
    of_host = {field.attribute: value for field, value in read.items() if field.noun == "host"}
    of_server = {field.attribute: value for field, value in read.items() if field.noun == "server"}
    of_workload = {field.attribute: value for field, value in read.items() if field.noun == "workload"}
    of_terms = {field.attribute: value for field, value in read.items() if field.noun == "terms"}
    hosts = tuple(host_with(host, of_host) for host in deployment.hosts)
    servers = tuple(server_with(server, of_server, catalogue) for server in deployment.servers)
    if of_workload:
        workload = replace(terms.workload, **of_workload, source=f"given ({where})")
        terms = replace(terms, workload=workload)
    if of_terms:
        terms = replace(terms, **of_terms)
    return replace(deployment, hosts=hosts, servers=servers), terms


def _label(where: str, name: str) -> str:
    """What an error calls the field: the option itself, or the field after the place where it stands."""
    return f"--{name.replace('_', '-')}" if where == FLAGS else f"{where} {name}"


def host_with(host: OdooHost, values: Mapping[str, Value]) -> OdooHost:
    """The host with these attributes."""
    plain = dict(values)
    if "traffic" in plain:
        plain["traffic"] = Traffic(plain["traffic"])
    return replace(host, **plain) if plain else host


def server_with(server: PostgresServer, values: Mapping[str, Value], catalogue: Catalogue | None) -> PostgresServer:
    """The server with these attributes; a managed class brings its max_connections, reserves, RAM and cores along.

    What is given by itself wins over what the class says. A class that publishes no max_connections leaves it unknown.
    Raises OperatorError when there is no such class.
    """
    plain = dict(values)
    managed = plain.get("managed")
    if isinstance(managed, str) and catalogue is not None:
        row = catalogue.find(managed)
        plain["managed"] = row.name
        plain["managed_source"] = f"{row.source} (confidence {row.confidence}; {row.kind})"
        plain.setdefault("max_connections", row.max_connections)
        if row.memory_gib is not None:
            plain.setdefault("ram_bytes", int(row.memory_gib * GIB))
        if row.vcpus is not None:
            plain.setdefault("cores", row.vcpus)
        if row.reserved is not None:
            plain.setdefault("superuser_reserved_connections", 0)
            plain.setdefault("provider_reserved", row.reserved)
        elif row.provider.startswith("aws-"):
            plain.setdefault("provider_reserved", RDS_SUPERUSER_RESERVED)
    return replace(server, **plain) if plain else server
