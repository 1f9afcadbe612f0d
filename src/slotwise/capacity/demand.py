"""Demand: how many connections a deployment takes from one PostgreSQL server, term by term, each with its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from slotwise.capacity import holdings
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, nameless
from slotwise.capacity.figures import Figures
from slotwise.capacity.guide import guide
from slotwise.capacity.holdings import RoleHolding
from slotwise.capacity.pgbouncer_pools import PgBouncerPools
from slotwise.capacity.pooling import distinct_databases

POSTGRES_DATABASE = "postgres"
"""Where Odoo listens and notifies, whatever its own databases are called (addons/bus/models/bus.py, server.py)."""

NAMED_DATABASES_SHOWN = 200
"""Up to so many databases of one deployment are listed one by one in ``Demand.by_database``; more are grouped."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One addend of the demand: ``processes`` equal processes with ``per_process`` connections each.

    ``database`` is ``postgres``, a database's name, or words for a group of databases; ``databases`` is how many those
    are.
    """

    role: str
    database: str
    databases: int
    processes: int
    per_process: Figures
    source: str
    names: tuple[str, ...] = ()

    @property
    def count(self) -> Figures:
        """``processes`` times ``per_process``."""
        return self.per_process.times(self.processes)


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Connections that Odoo and the others take from one server. steady <= typical <= peak <= ceiling, always.

    ``guide`` is the well-known formula, for comparison only. ``by_database`` is what one database can take; where the
    odoo_pool or ``databases_per_worker`` bounds a process, the databases' figures add up to more than the total.
    """

    guide: int
    started: int
    steady: int
    typical: int
    peak: int
    ceiling: int
    terms: tuple[Term, ...]
    by_database: dict[str, Figures]
    by_role: dict[str, Figures]

    @property
    def figures(self) -> Figures:
        """The five moments as one value."""
        return Figures(self.started, self.steady, self.typical, self.peak, self.ceiling)


def demand(deployment: Deployment, server: str = "primary") -> Demand:
    """What ``deployment`` takes from the PostgreSQL server called ``server``, others' sessions included.

    Raises KeyError when the deployment has no such server.
    """
    target = deployment.server(server)
    terms: list[Term] = []
    for host, count in Counter(deployment.hosts).items():
        terms.extend(_times(term, count * host.count) for term in _terms(host, server))
    if target.pgbouncer is not None:
        terms = _behind_pgbouncer(terms, target.pgbouncer, distinct_databases(deployment.hosts))
    if target.other:
        terms.append(_others("other", "", target.other, "given: clients that are not Odoo"))
    if target.superuser_sessions:
        where = "pg_stat_activity: superusers' sessions sit in ordinary slots"
        terms.append(_others("superuser", "", target.superuser_sessions, where))
    merged = _merge(terms)
    total = _sum(term.count for term in merged)
    return Demand(
        guide=guide(tuple(host for host in deployment.hosts if host.server == server)),
        started=total.started,
        steady=total.steady,
        typical=total.typical,
        peak=total.peak,
        ceiling=total.ceiling,
        terms=merged,
        by_database=_by_database(merged),
        by_role=_by_role(merged),
    )


def demand_figures(deployment: Deployment, server: str = "primary") -> Figures:
    """The figures of ``demand`` without its terms: for searches that try many deployments. Raises KeyError like it."""
    target = deployment.server(server)
    if target.pgbouncer is not None:
        return demand(deployment, server).figures
    total = Figures.always(target.other + target.superuser_sessions)
    for host in deployment.hosts:
        total = total + _figures_of(nameless(host), server).times(host.count)
    return total


@lru_cache(maxsize=8192)
def _figures_of(host: OdooHost, server: str) -> Figures:
    return _sum(term.count for term in _terms(host, server))


def odoo_demand(host: OdooHost) -> Demand:
    """What one host (``count`` times) takes from its own server, nothing else counted."""
    return demand(Deployment(hosts=(host,), servers=(PostgresServer(name=host.server),)), host.server)


@lru_cache(maxsize=4096)
def _terms(host: OdooHost, server: str) -> tuple[Term, ...]:
    """Every addend of one such host on ``server``. Remembered: a plan asks for the same hosts again and again."""
    found: list[Term] = []
    names = _names(host)
    words = _words(host, names)
    if host.server == server:
        roles = holdings.prefork(host) if host.workers > 0 else holdings.threaded(host)
        for role in roles:
            found.extend(_split(role, words, names))
        found.extend(_companions(host))
    if host.replica_server == server:
        for role in holdings.on_replica(host):
            found.extend(_split(role, words, names, suffix=" (read-only pool)"))
    return tuple(found)


def _split(role: RoleHolding, words: str, names: tuple[str, ...], suffix: str = "") -> list[Term]:
    """One role as terms: its LISTEN sessions, its databases, its short-lived connections."""
    if role.processes == 0:
        return []
    parts = (
        (POSTGRES_DATABASE, role.holding.listen, role.listen_source, 1, ()),
        (words, role.holding.databases, role.database_source, role.databases, names),
        (POSTGRES_DATABASE, role.holding.short_lived, role.short_lived_source, 1, ()),
    )
    return [
        Term(
            role=role.role + suffix,
            database=database,
            databases=databases,
            processes=role.processes,
            per_process=figures,
            source=source,
            names=names,
        )
        for database, figures, source, databases, names in parts
        if figures.ceiling
    ]


def _companions(host: OdooHost) -> list[Term]:
    """Sessions beside the server process: shells and ``-u`` runs, OCA queue_job's runner, raw connections of addons."""
    found = []
    if host.shells:
        # A shell is a process with an odoo_pool of its own: odoo/cli/shell.py 17.0:110-117, 18.0:113-120, 19.0:138-149.
        figures = Figures(0, 1, 1, min(2, host.odoo_pool_size), host.odoo_pool_size)
        found.append(_companion("shell", host, host.shells, figures, "odoo/cli/shell.py 17.0:110, 18.0:113, 19.0:138"))
    if host.queue_job_databases:
        where = "OCA queue_job runner: one LISTEN queue_job per database, outside db_maxconn (OCA/queue#376)"
        found.append(_companion("queue_job", host, host.queue_job_databases, Figures.always(1), where))
    if host.raw_connections:
        where = "given: psycopg2.connect in addons is not counted by db_maxconn"
        found.append(_companion("raw", host, host.raw_connections, Figures.always(1), where))
    return found


def _companion(role: str, host: OdooHost, processes: int, per_process: Figures, source: str) -> Term:
    return Term(
        role=role,
        database=_words(host, _names(host)),
        databases=host.database_count,
        processes=processes,
        per_process=per_process,
        source=source,
        names=_names(host),
    )


PAST_PGBOUNCER = frozenset({"shell", "queue_job", "raw"})
"""Roles that hold session state or their own settings, and so connect to PostgreSQL directly."""


def _behind_pgbouncer(terms: list[Term], pools: PgBouncerPools, databases: int) -> list[Term]:
    """What reaches PostgreSQL of ``terms``: the session pool of ``postgres``, the transaction pools, direct sessions.

    A session-mode client keeps its server connection; in transaction mode a server is held while a transaction runs, so
    idle connections of Odoo's pools count for nothing: one a worker typically, all that a scheduled action holds.
    """
    direct = [term for term in terms if term.role in PAST_PGBOUNCER]
    pooled = [term for term in terms if term.role not in PAST_PGBOUNCER]
    listening = _sum(term.count for term in pooled if term.database == POSTGRES_DATABASE)
    working = _sum(term.count for term in pooled if term.database != POSTGRES_DATABASE)
    session_pool = listening.at_most(pools.postgres_pool_size)
    most = pools.transaction_connections(databases)
    return [
        *direct,
        _pool(
            "pgbouncer session pool",
            POSTGRES_DATABASE,
            msgspec.structs.replace(session_pool, ceiling=max(session_pool.peak, pools.postgres_pool_size)),
            "LISTEN needs a session: https://www.pgbouncer.org/features.html; pool_size of the entry postgres",
        ),
        _pool(
            "pgbouncer transaction pool",
            "all databases",
            _under_way(pooled, working).at_most(most),
            "default_pool_size + reserve_pool_size per database, max_db_connections, max_user_connections: "
            "https://www.pgbouncer.org/config.html",
        ),
        _pool(
            "direct",
            "past PgBouncer",
            Figures(0, 0, 0, pools.direct_connections, pools.direct_connections),
            "-u, pg_dump and shells need a session of their own",
        ),
    ]


def _under_way(pooled: list[Term], working: Figures) -> Figures:
    """Transactions of Odoo at once, as far as its processes make them; peak and ceiling are the clients' own."""
    steady = typical = 0
    for term in pooled:
        if term.database != POSTGRES_DATABASE:
            count = term.count
            steady += count.steady if term.role.startswith("cron_worker") else 0
            typical += min(count.typical, term.processes) if term.role.startswith("http_worker") else count.typical
    return msgspec.structs.replace(working, started=0, steady=min(steady, typical), typical=typical)


def _pool(role: str, database: str, figures: Figures, source: str) -> Term:
    return Term(role=role, database=database, databases=1, processes=1, per_process=figures, source=source)


def _others(role: str, database: str, count: int, source: str) -> Term:
    return Term(
        role=role, database=database, databases=0, processes=count, per_process=Figures.always(1), source=source
    )


def _names(host: OdooHost) -> tuple[str, ...]:
    """Names of the host's databases, empty when only their number is known or too many to list."""
    if host.database_count > NAMED_DATABASES_SHOWN:
        return ()
    if isinstance(host.databases, tuple) and len(host.databases) == host.database_count:
        return host.databases
    if isinstance(host.preloaded, tuple) and len(host.preloaded) == host.database_count:
        return host.preloaded
    return ()


def _words(host: OdooHost, names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return names[0]
    return "its database" if host.database_count == 1 else f"{host.database_count} databases"


def _times(term: Term, count: int) -> Term:
    return term if count == 1 else msgspec.structs.replace(term, processes=term.processes * count)


def _merge(terms: list[Term]) -> tuple[Term, ...]:
    """Equal terms of several hosts as one, so that a thousand hosts read like one."""
    together: dict[tuple[str, str, tuple[str, ...], Figures, str], Term] = {}
    for term in terms:
        key = (term.role, term.database, term.names, term.per_process, term.source)
        known = together.get(key)
        together[key] = (
            term if known is None else msgspec.structs.replace(known, processes=known.processes + term.processes)
        )
    return tuple(together.values())


def _by_role(terms: tuple[Term, ...]) -> dict[str, Figures]:
    roles: dict[str, Figures] = {}
    for term in terms:
        roles[term.role] = roles.get(term.role, Figures()) + term.count
    return roles


def _by_database(terms: tuple[Term, ...]) -> dict[str, Figures]:
    """What each database can take. Databases that nobody named, or too many to list, stay one group."""
    named = {name for term in terms for name in term.names}
    expand = len(named) <= NAMED_DATABASES_SHOWN
    found: dict[str, Figures] = {}
    for term in terms:
        if not term.database:
            continue
        keys = term.names if term.names and expand else (term.database,)
        share = _share_of_one(term) if len(keys) > 1 else term.count
        for key in keys:
            found[key] = found.get(key, Figures()) + share
    return found


def _share_of_one(term: Term) -> Figures:
    """The most that one of a term's databases takes: what a process holds, spread evenly, rounded up."""
    return Figures(
        *(-(-value // term.databases) * term.processes for value in msgspec.structs.astuple(term.per_process)[:3]),
        # At its peak and at the ceiling a process may use its whole surplus on one database.
        *(
            min(value, _deepest(term, value)) * term.processes
            for value in msgspec.structs.astuple(term.per_process)[3:]
        ),
    )


def _deepest(term: Term, value: int) -> int:
    return -(-value // term.databases) + 2 if value == term.per_process.peak else value


def _sum(figures: Iterable[Figures]) -> Figures:
    total = Figures()
    for one in figures:
        total = total + one
    return total
