"""How many connections an HTTP worker keeps for each database that it serves: one or two, and why.

A pooled connection stays after any moment at which two cursors were open at once on the same database. Which moments
those are depends on the Odoo version, on how the request finds its database, and on the traffic.

The request knows its database before anyone has logged in when ``db_name`` lists exactly one database, when
``dbfilter`` leaves one for the host name, or when the server lists only one (``odoo.http.db_monodb``). A browser
session that has chosen a database carries it in its cookie from then on. Then ``_serve_db`` (17.0 and 18.0
odoo/http.py) keeps a cursor open for the whole request, and whatever opens a cursor of its own meanwhile is a second
connection:

* a login on 17 and 18: ``res.users._login`` runs on ``self.pool.cursor()`` (17.0 odoo/addons/base/models/res_users.py
  ``_login``, ``authenticate``; 18.0 the same). 19.0 logs in on the request's own cursor.
* ``/xmlrpc`` and ``/jsonrpc`` on 17.0 (2024-07): ``odoo/service/model.py`` ``execute`` opens ``registry(db).cursor()``.
  Since ``_check_request`` (odoo/addons/base/controllers/rpc.py 18.0:127 of 2025-04, addons/rpc/controllers/__init__.py
  19.0) the controller closes the request's cursor first: a worker that serves nothing else keeps one. 18.0 is counted
  with two all the same, since a client that logs in by ``/web/session/authenticate`` makes it two.
* ``signal_changes`` after a request that cleared an ormcache, mail sent after the commit, and a registry that another
  process changed and that is reloaded under an open cursor: all three.

Without a database the same ``/jsonrpc`` call goes through ``_serve_nodb``, no request cursor is open, and the worker
keeps one connection. docs/model-connections-per-worker.md tells it request by request.
"""

from __future__ import annotations

import msgspec

from slotwise.capacity.deployment import OdooHost, Traffic


class KeptPerDatabase(msgspec.Struct, frozen=True):
    """Connections that an HTTP worker keeps for each database that it serves, and the moment that makes it so."""

    count: int
    why: str
    source: str


_LOGIN = (
    "a login opens its own cursor while the request's is open",
    "odoo/addons/base/models/res_users.py _login, odoo/http.py Session.authenticate and _serve_db (17.0, 18.0)",
)
_RPC = (
    "/xmlrpc and /jsonrpc, or a login, run on a cursor of their own while the request's is open",
    "odoo/service/model.py execute (17.0:63), odoo/http.py Session.authenticate and _serve_db (17.0, 18.0)",
)
_RPC_CLOSES_FIRST = (
    "/xmlrpc and /jsonrpc close the request's cursor before the call opens its own, /json/2 and a login have only one",
    "addons/rpc/controllers/__init__.py _check_request, json2.py (19.0), odoo/http.py Session.authenticate (19.0)",
)
_AFTER_COMMIT = (
    "mail sent after the commit, and cache signalling, open a cursor while the request's is open",
    "odoo/service/model.py retrying (19.0:236), addons/mail/models/mail_mail.py (19.0:683-688)",
)
_ALONE = (
    "the request has no database, so the call's own cursor is the only one",
    "odoo/http.py _serve_nodb, odoo/service/model.py execute",
)


def request_has_database(host: OdooHost) -> bool:
    """Whether an anonymous request finds its database by itself (``odoo.http.db_monodb``): exactly one is on offer.

    A host of several databases may still find it (``dbfilter``): then the caller says so in
    ``OdooHost.request_has_database``.
    """
    if host.request_has_database is not None:
        return host.request_has_database
    return host.preloaded_count == 1 or host.database_count == 1


def kept_per_database(host: OdooHost) -> KeptPerDatabase:
    """One or two connections for each database that a worker serves, with the reason.

    Browser sessions carry their database in the cookie, so under business traffic the request has its database on
    every host; for stateless RPC it depends on how the host finds it.
    """
    if host.traffic is Traffic.RPC:
        if host.odoo_version >= 19:
            return _kept(1, _RPC_CLOSES_FIRST)
        return _kept(2, _RPC) if request_has_database(host) else _kept(1, _ALONE)
    if host.odoo_version <= 18:
        return _kept(2, _LOGIN)
    return _kept(2, _AFTER_COMMIT)


def _kept(count: int, because: tuple[str, str]) -> KeptPerDatabase:
    return KeptPerDatabase(count, *because)
