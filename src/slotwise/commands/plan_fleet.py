"""A fleet file: several Odoo hosts and PostgreSQL servers described in YAML, TOML or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.managed import Catalogue
from slotwise.capacity.pgbouncer_pools import PgBouncerPools
from slotwise.capacity.planner import Terms
from slotwise.commands.plan_changes import changed, host_with, server_with
from slotwise.commands.plan_fields import Value, find_field, hint
from slotwise.errors import OperatorError

LARGEST_FILE_BYTES = 32 * 1024 * 1024
DEFAULT_VERSION = 18
_SECTIONS = ("servers", "hosts", "workload", "headroom")
_LINKS = ("server", "replica", "like")


def read_fleet(path: Path, catalogue: Catalogue) -> tuple[Deployment, Terms]:
    """The fleet that ``path`` describes. Raises OperatorError naming the file and the field that is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{path}: {error.strerror or error}", "give a fleet file that exists and is readable"
        ) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise OperatorError(f"{path}: more than {LARGEST_FILE_BYTES // 1024 // 1024} MiB", "give a smaller fleet file")
    return parse_fleet(content, str(path), catalogue)


def parse_fleet(content: bytes, name: str, catalogue: Catalogue) -> tuple[Deployment, Terms]:
    """The fleet in ``content``; ``name`` tells the format by its ending and stands in errors."""
    document = _section(_decode(content, name), name)
    for key in document:
        if key not in _SECTIONS:
            raise OperatorError(f"{name}: unknown section {key!r}", hint(key, _SECTIONS, "sections"))
    described = {
        str(key): _section(value, f"{name}: servers.{key}") for key, value in _named(document, "servers", name)
    }
    servers = tuple(_server(key, fields, f"{name}: servers.{key}", catalogue) for key, fields in described.items())
    hosts = _hosts(document, name, {server.name for server in servers} or {"primary"})
    deployment = Deployment(hosts=hosts, servers=servers or (PostgresServer(),))
    asked = dict(_section(document.get("workload", {}), f"{name}: workload"))
    if "headroom" in document:
        asked["headroom"] = document["headroom"]
    for key in asked:
        find_field(key, f"{name}: workload", ("workload", "terms"))
    return changed(deployment, Terms(), asked, f"{name}:", None)


def _decode(content: bytes, name: str) -> object:
    remedy = "give a fleet file as in `slotwise plan --help`: servers and hosts, each with fields"
    try:
        if name.endswith(".toml"):
            return _toml(content)
        if name.endswith(".json"):
            return msgspec.json.decode(content)
        return _yaml(content)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise OperatorError(f"{name}: not readable ({error})", remedy) from error


def _toml(content: bytes) -> object:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"fleet file: not valid TOML ({error})", "mend the line that it names") from error


def _yaml(content: bytes) -> object:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(content.decode(), Loader=loader)
    except (yaml.YAMLError, ValueError) as error:
        first = " ".join(str(error).split())
        raise OperatorError(f"fleet file: not valid YAML ({first})", "mend the line that it names") from error


def _section(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise OperatorError(f"{where} holds no fields", "write `name: value` below it")
    return value


def _named(document: Mapping[str, object], section: str, name: str) -> list[tuple[object, object]]:
    return list(_section(document.get(section, {}), f"{name}: {section}").items())


def _server(key: str, fields: Mapping[str, object], where: str, catalogue: Catalogue) -> PostgresServer:
    own = {name: value for name, value in fields.items() if name != "pgbouncer"}
    server = server_with(PostgresServer(name=key), _read(own, where, "server"), catalogue)
    if "pgbouncer" in fields:
        server = msgspec.structs.replace(server, pgbouncer=_pools(fields["pgbouncer"], f"{where}.pgbouncer"))
    return server


def _pools(value: object, where: str) -> PgBouncerPools:
    """PgBouncer's pools by the names of pgbouncer.ini."""
    known = PgBouncerPools.__struct_fields__
    fields = _section(value, where)
    for key, number in fields.items():
        if key not in known:
            raise OperatorError(f"{where}: unknown field {key!r}", hint(key, known, "fields"))
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 100_000:
            raise OperatorError(f"{where}.{key}: {number!r} is no pool size", "give a whole number from 0 to 100000")
    return msgspec.convert(dict(fields), PgBouncerPools)


def _hosts(document: Mapping[str, object], name: str, servers: set[str]) -> tuple[OdooHost, ...]:
    described = {str(key): _section(value, f"{name}: hosts.{key}") for key, value in _named(document, "hosts", name)}
    if not described:
        raise OperatorError(f"{name}: hosts is missing or empty", "describe at least one host below `hosts:`")
    found = []
    for key in described:
        where = f"{name}: hosts.{key}"
        fields = _inherited(key, described, where)
        links = {link: fields.pop(link) for link in _LINKS if link in fields}
        values = _read(fields, where, "host")
        host = host_with(OdooHost(name=key, odoo_version=DEFAULT_VERSION), values)
        default = next(iter(servers)) if len(servers) == 1 else None
        target = links.get("server", default)
        if target is None:
            raise OperatorError(f"{where}.server is missing", f"name one of {', '.join(sorted(servers))}")
        found.append(
            msgspec.structs.replace(
                host,
                server=_known_server(target, servers, f"{where}.server"),
                replica_server=_known_server(links["replica"], servers, f"{where}.replica")
                if "replica" in links
                else None,
            )
        )
    return tuple(found)


def _inherited(key: str, described: Mapping[str, Mapping[str, object]], where: str) -> dict[str, object]:
    """The fields of a host after those of the host that it is ``like``, and so on up. Raises on a circle."""
    chain = [key]
    while "like" in described[chain[-1]]:
        parent = described[chain[-1]]["like"]
        if not isinstance(parent, str) or parent not in described:
            raise OperatorError(f"{where}.like: no host {parent!r}", f"hosts are {', '.join(list(described)[:20])}")
        if parent in chain:
            raise OperatorError(f"{where}.like goes in a circle: {' → '.join([*chain, parent])}", "remove one `like`")
        chain.append(parent)
    fields: dict[str, object] = {}
    for one in reversed(chain):
        fields.update(described[one])
    fields.pop("like", None)
    return fields


def _known_server(value: object, servers: set[str], where: str) -> str:
    if not isinstance(value, str) or value not in servers:
        raise OperatorError(f"{where}: no server {str(value)[:200]!r}", hint(value, sorted(servers), "servers"))
    return value


def _read(fields: Mapping[str, object], where: str, noun: str) -> dict[str, Value]:
    read: dict[str, Value] = {}
    for key, value in fields.items():
        field = find_field(str(key), where, (noun,))
        read[field.attribute] = field.read(f"{where}.{key}", value)
    return read
