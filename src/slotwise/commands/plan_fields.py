"""The fields that flags, what-ifs and fleet files set: one table with names, ranges and what they mean to the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import msgspec

from slotwise.capacity.deployment import ODOO_VERSIONS, Traffic
from slotwise.errors import OperatorError

Value = int | float | str | bool | None | tuple[str, ...]

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgt])i?b?\s*$", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


class Field(msgspec.Struct, frozen=True):
    """One field: which noun it belongs to (``host``, ``server``, ``workload``), its attribute there, how it is read."""

    name: str
    noun: str
    attribute: str
    read: Callable[[str, object], Value]
    help: str


def whole(low: int, high: int) -> Callable[[str, object], Value]:
    """Reads a whole number from ``low`` to ``high``, both included."""

    def read(field: str, value: object) -> Value:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise OperatorError(f"{field}: {value!r} is not a whole number", f"give one from {low} to {high}")
        try:
            number = int(value)
        except ValueError as error:
            raise OperatorError(
                f"{field}: {value!r} is not a whole number", f"give one from {low} to {high}"
            ) from error
        if not low <= number <= high:
            raise OperatorError(f"{field}: {number} is out of range", f"give a whole number from {low} to {high}")
        return number

    return read


def fraction(low: float, high: float) -> Callable[[str, object], Value]:
    """Reads a number above or at ``low`` and at most ``high``."""

    def read(field: str, value: object) -> Value:
        try:
            number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise OperatorError(f"{field}: {value!r} is not a number in range", f"give one from {low:g} to {high:g}")
        return number

    return read


def size(field: str, value: object) -> Value:
    """Reads bytes: ``16GB``, ``512MB``, ``1.5GiB``. Units are powers of 1024, as PostgreSQL reads them."""
    found = _SIZE.match(value) if isinstance(value, str) else None
    number = 0 if found is None else int(float(found.group(1)) * 1024 ** _POWERS[found.group(2).lower()])
    if number <= 0 or number > 2**50:
        raise OperatorError(
            f"{field}: {value!r} is not a size", "give a number above 0 with a unit, such as 16GB or 512MB"
        )
    return number


def yes_or_no(field: str, value: object) -> Value:
    """Reads a truth value."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise OperatorError(f"{field}: {value!r} is neither true nor false", "give true or false")


def one_of(*words: str) -> Callable[[str, object], Value]:
    """Reads one of ``words``."""

    def read(field: str, value: object) -> Value:
        if value not in words:
            raise OperatorError(f"{field}: {value!r} is not known", f"give one of {', '.join(words)}")
        return str(value)

    return read


def version(field: str, value: object) -> Value:
    """Reads an Odoo major version: 18 or 18.0."""
    text = str(value).removesuffix(".0")
    if text not in {str(known) for known in ODOO_VERSIONS}:
        known = ", ".join(map(str, ODOO_VERSIONS))
        raise OperatorError(f"{field}: Odoo {value!r} is not modelled", f"give one of {known}")
    return int(text)


def word(field: str, value: object) -> Value:
    """Reads a name."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
        raise OperatorError(f"{field}: {value!r} is not a name", "give a text of 1 to 200 characters")
    return value


def databases(field: str, value: object) -> Value:
    """Reads how many databases, or their names as a list or with commas between them."""
    if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, list | tuple):
        if len(value) > MOST_DATABASES:
            raise OperatorError(f"{field}: {len(value)} names are too many", f"give at most {MOST_DATABASES}")
        try:
            names = _distinct_names(tuple(value))
        except TypeError:  # a list or mapping among the names
            names = None
        if names is None:
            return tuple(str(word(field, name)) for name in value)  # slow, and names the one that is wrong
        return names
    return whole(0, MOST_DATABASES)(field, value)


@lru_cache(maxsize=64)
def _distinct_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names without repeats; None when one of them is no name. Remembered: hosts of a fleet share their lists."""
    if (
        set(map(type, names)) - {str}
        or not all(map(str.strip, names))
        or max(map(len, names), default=0) > LONGEST_NAME
    ):
        return None
    return tuple(dict.fromkeys(names))


MOST_DATABASES = 100_000
LONGEST_NAME = 200
MOST_CONNECTIONS = 262_143
"""PostgreSQL's own upper limit of max_connections (MAX_BACKENDS, src/include/postmaster/postmaster.h)."""

FIELDS: tuple[Field, ...] = (
    Field("odoo_version", "host", "odoo_version", version, "Odoo major version: 17, 18 or 19"),
    Field("hosts", "host", "count", whole(1, 10_000), "equal Odoo hosts"),
    Field("workers", "host", "workers", whole(0, 10_000), "HTTP workers a host; 0 is threaded"),
    Field(
        "max_cron_threads", "host", "max_cron_threads", whole(0, 1_000), "scheduled-action processes a host, in total"
    ),
    Field("databases", "host", "databases", databases, "databases served: how many, or their names"),
    Field("preloaded", "host", "preloaded", databases, "databases that db_name (-d) lists: how many, or their names"),
    Field(
        "databases_per_worker",
        "host",
        "databases_per_worker",
        whole(0, MOST_DATABASES),
        "databases that one worker serves within ten minutes",
    ),
    Field(
        "request_has_database",
        "host",
        "request_has_database",
        yes_or_no,
        "a request knows its database before login (dbfilter)",
    ),
    Field(
        "traffic",
        "host",
        "traffic",
        one_of(*(one.value for one in Traffic)),
        "business (browsers) or rpc (stateless calls)",
    ),
    Field("db_maxconn", "host", "db_maxconn", whole(0, 100_000), "odoo_pool of each process"),
    Field("db_maxconn_gevent", "host", "db_maxconn_gevent", whole(0, 100_000), "odoo_pool of the gevent process"),
    Field("http_enable", "host", "http_enable", yes_or_no, "whether the host serves HTTP"),
    Field("websockets", "host", "websockets", whole(0, 1_000_000), "browsers connected at once"),
    Field(
        "concurrent_requests", "host", "concurrent_requests", whole(0, 100_000), "requests at once on a threaded server"
    ),
    Field(
        "max_http_threads", "host", "max_http_threads", whole(1, 100_000), "ODOO_MAX_HTTP_THREADS of a threaded server"
    ),
    Field(
        "queue_job", "host", "queue_job_databases", whole(0, MOST_DATABASES), "databases with OCA queue_job's runner"
    ),
    Field("shells", "host", "shells", whole(0, 10_000), "odoo shells and -u runs at once"),
    Field(
        "raw_connections",
        "host",
        "raw_connections",
        whole(0, MOST_CONNECTIONS),
        "connections that addons open by psycopg2 themselves",
    ),
    Field("odoo_cores", "host", "cores", whole(1, 4_096), "cores of an Odoo host"),
    Field("max_connections", "server", "max_connections", whole(1, MOST_CONNECTIONS), "max_connections of PostgreSQL"),
    Field(
        "superuser_reserved",
        "server",
        "superuser_reserved_connections",
        whole(0, MOST_CONNECTIONS),
        "superuser_reserved_connections",
    ),
    Field(
        "reserved",
        "server",
        "reserved_connections",
        whole(0, MOST_CONNECTIONS),
        "reserved_connections (PostgreSQL 16 and later)",
    ),
    Field(
        "provider_reserved",
        "server",
        "provider_reserved",
        whole(0, MOST_CONNECTIONS),
        "slots that a managed service keeps",
    ),
    Field("postgres_version", "server", "major_version", whole(12, 30), "PostgreSQL major version"),
    Field(
        "role_connection_limit",
        "server",
        "role_connection_limit",
        whole(-1, MOST_CONNECTIONS),
        "CONNECTION LIMIT of Odoo's role",
    ),
    Field("other", "server", "other", whole(0, MOST_CONNECTIONS), "sessions that are not Odoo's"),
    Field("ram", "server", "ram_bytes", size, "RAM of the database server, such as 16GB"),
    Field("cores", "server", "cores", whole(1, 4_096), "cores of the database server"),
    Field("shared_buffers", "server", "shared_buffers_bytes", size, "shared_buffers, such as 4GB"),
    Field("work_mem", "server", "work_mem_bytes", size, "work_mem, such as 16MB"),
    Field("tables_touched", "server", "tables_touched", whole(0, 1_000_000), "tables that a session has seen"),
    Field("huge_pages", "server", "huge_pages", yes_or_no, "whether huge pages are in use"),
    Field("shared_with_odoo", "server", "shared_with_odoo", yes_or_no, "Odoo runs on the database server's machine"),
    Field("managed", "server", "managed", word, "managed service, such as aws-rds:db.m6g.large"),
    Field(
        "transactions_per_second",
        "workload",
        "transactions_per_second",
        fraction(0, 1e6),
        "measured transactions a second",
    ),
    Field(
        "transaction_seconds",
        "workload",
        "transaction_seconds",
        fraction(1e-6, 3600),
        "measured mean transaction, seconds",
    ),
    Field("headroom", "terms", "headroom", fraction(0, 0.95), "share of slots that stays free at typical demand"),
)

ALIASES: Mapping[str, str] = {
    "version": "odoo_version",
    "cron": "max_cron_threads",
    "count": "hosts",
    "queue_job_databases": "queue_job",
}

_BY_NAME = {field.name: field for field in FIELDS}


def hint(word: object, known: Sequence[str], kind: str) -> str:
    """What may have been meant by ``word``: the nearest of ``known``, or all of them up to twenty."""
    import difflib

    near = difflib.get_close_matches(str(word)[:LONGEST_NAME], known, n=1)
    return f"did you mean {near[0]}?" if near else f"{kind} are {', '.join(known[:20])}"


def find_field(name: str, where: str, nouns: tuple[str, ...] = ("host", "server", "workload", "terms")) -> Field:
    """The field called ``name``, hyphens allowed. Raises OperatorError naming it and the nearest one there is."""
    key = name.replace("-", "_").lower()
    field = _BY_NAME.get(ALIASES.get(key, key))
    if field is None or field.noun not in nouns:
        known = [one.name for one in FIELDS if one.noun in nouns]
        raise OperatorError(f"{where}: unknown field {name!r}", hint(key, known, "fields"))
    return field
