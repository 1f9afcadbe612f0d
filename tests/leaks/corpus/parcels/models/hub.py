import contextlib
import json
import logging
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

import psycopg2 as pg
import psycopg2.extras
from psycopg2 import OperationalError, sql

import odoo
from odoo import SUPERUSER_ID, api, fields, models, registry
from odoo.exceptions import UserError, ValidationError
from odoo.tools import config

_logger = logging.getLogger(__name__)
_connect = pg.connect
DSN = os.environ.get("HUB_DSN", "dbname=hub")


class Hub(models.Model):
    _name = "parcel.hub"
    _description = "Parcel hub"

    dsn = fields.Char()
    active = fields.Boolean(default=True)
    last_error = fields.Text()

    def _conn(self):
        self.ensure_one()
        return _connect(self.dsn or DSN, connect_timeout=5)

    def action_test(self):
        for hub in self:
            try:
                conn = hub._conn()  # expect: SW610
            except OperationalError as exc:
                raise UserError(str(exc)) from exc
            _logger.info("ok %s", conn.server_version)
        return True

    def action_test_ok(self):  # clean
        for hub in self:
            connection = None
            try:
                connection = hub._conn()
            except OperationalError as exc:
                raise UserError(str(exc)) from exc
            finally:
                if connection:
                    connection.close()
        return True

    def action_test_direct(self):  # clean
        self._conn().close()

    def _fetch(self, query, params=None):
        conn = self._conn()  # expect: SW604
        cur = conn.cursor(cursor_factory=psycopg2.extras.DictCursor)
        cur.execute(query, params)
        if cur.description is None:
            conn.commit()
            return []
        rows = cur.fetchall()
        cur.close()
        conn.close()
        return rows

    def _fetch_error_only(self, query):
        conn = self._conn()  # expect: SW604
        try:
            with conn.cursor() as cur:
                cur.execute(query)
                return cur.fetchall()
        except Exception:
            conn.close()
            raise

    def _fetch_both(self, query):  # clean
        conn = self._conn()
        try:
            with conn.cursor() as cur:
                cur.execute(query)
                rows = cur.fetchall()
        except Exception:
            conn.close()
            raise
        else:
            conn.close()
        return rows

    def _fetch_cursor_closed_only(self, query):
        conn = self._conn()  # expect: SW610
        cur = conn.cursor()
        try:
            cur.execute(query)
            return cur.fetchall()
        finally:
            cur.close()

    def _fetch_cursor_connection(self, query):  # clean
        cur = self._conn().cursor()
        try:
            cur.execute(query)
            return cur.fetchall()
        finally:
            cur.connection.close()

    def _import_parcels(self):
        with self._conn() as conn:  # expect: SW606
            with conn.cursor() as cur:
                cur.execute("SELECT data FROM parcels")
                for (data,) in cur:
                    self.env["parcel.parcel"].create(json.loads(data))

    def _import_parcels_ok(self):  # clean
        with contextlib.closing(self._conn()) as conn, conn, conn.cursor() as cur:
            cur.execute("SELECT data FROM parcels")
            for (data,) in cur:
                self.env["parcel.parcel"].create(json.loads(data))

    @api.model
    def _cron_sync(self):
        for hub in self.search([]):
            with registry(self.env.cr.dbname).cursor() as new_cr:  # expect: SW625
                hub = hub.with_env(hub.env(cr=new_cr))
                hub._import_parcels()
                new_cr.commit()

    @api.model
    def _cron_sync_old(self):
        new_cr = registry(self.env.cr.dbname).cursor()  # expect: SW603
        hubs = self.with_env(self.env(cr=new_cr)).search([])
        for hub in hubs:
            try:
                hub._import_parcels()
            except Exception as e:
                hub.last_error = str(e)
        new_cr.commit()
        new_cr.close()

    def _post_message_in_new_cursor(self, body):  # clean
        with odoo.api.Environment.manage():
            with odoo.registry(self.env.cr.dbname).cursor() as new_cr:
                new_env = api.Environment(new_cr, self.env.uid, self.env.context)
                self.with_env(new_env).message_post(body=body)

    def _log_error(self, message):
        db_name = self._cr.dbname
        db_registry = odoo.modules.registry.Registry.new(db_name)
        cr = db_registry.cursor()  # expect: SW604
        env = api.Environment(cr, SUPERUSER_ID, {})
        try:
            env["parcel.hub"].browse(self.id).write({"last_error": message})
        except ValidationError:
            return False
        cr.commit()
        cr.close()
        return True

    def _parallel(self):
        dbname = self.env.cr.dbname

        def job(hub_id):
            cr = registry(dbname).cursor()  # expect: SW603
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["parcel.hub"].browse(hub_id)._import_parcels_ok()
            cr.commit()
            cr.close()
            return hub_id

        with ThreadPoolExecutor(4) as pool:
            for future in as_completed([pool.submit(job, i) for i in self.ids]):
                future.result()

    def _parallel_ok(self):  # clean
        dbname = self.env.cr.dbname

        def job(hub_id):
            with registry(dbname).cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                env["parcel.hub"].browse(hub_id)._import_parcels_ok()
            return hub_id

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(job, self.ids))

    def _parallel_request_cursor(self):
        with ThreadPoolExecutor(4) as pool:
            pool.submit(self._work, self.env.cr)  # expect: SW611

    def _work(self, cr):
        cr.execute("SELECT 1")

    def _partial(self):
        opener = partial(pg.connect, self.dsn)
        conn = opener()  # expect: SW602
        conn.cursor().execute("SELECT 1")

    def _dispatch(self, kind):
        openers = {"raw": pg.connect, "hub": self._conn}
        conn = openers[kind](self.dsn)
        return conn.cursor()

    def _chained_or(self, conn=None):
        conn = conn or self._conn()  # expect: SW610
        conn.cursor().execute("SELECT 1")

    def _default(self, conn=None):  # clean
        own = conn is None
        conn = conn or self._conn()
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            if own:
                conn.close()

    def _ternary_leak(self, other=None):
        conn = other if other is not None else pg.connect(self.dsn)  # expect: SW602
        conn.cursor().execute("SELECT 1")

    def _while_true(self, q):
        while True:
            item = q.get()
            if item is None:
                break
            conn = pg.connect(item)  # expect: SW605
            cur = conn.cursor()
            cur.execute("SELECT 1")
            if not cur.fetchone():
                continue
            conn.close()

    def _stack_member(self):  # clean
        stack = contextlib.ExitStack()
        cr = stack.enter_context(self.pool.cursor())
        try:
            cr.execute("SELECT 1")
        finally:
            stack.close()

    def _stack_forgotten(self):
        stack = contextlib.ExitStack()
        cr = stack.enter_context(self.pool.cursor())  # expect: SW601
        cr.execute("SELECT 1")

    def _manual_enter(self):
        cr = self.pool.cursor().__enter__()  # expect: SW601
        cr.execute("SELECT 1")

    def _manual_enter_ok(self):  # clean
        cr = self.pool.cursor()
        cr.__enter__()
        try:
            cr.execute("SELECT 1")
        finally:
            cr.__exit__(None, None, None)

    def _swap(self):
        a = pg.connect("dbname=a")  # expect: SW603
        b = pg.connect("dbname=b")
        a, b = b, a
        a.close()
        b.close()

    def _setattr(self):
        conn = pg.connect(self.dsn)  # expect: SW607
        setattr(type(self), "_hub_conn", conn)

    def _registry_attr(self):
        self.env.registry._hub_conn = pg.connect(self.dsn)  # expect: SW607

    def _global_dict(self):
        _POOLS.setdefault(self.id, pg.connect(self.dsn))  # expect: SW607

    def _try_import(self):
        try:
            import psycopg
        except ImportError:
            return
        c = psycopg.connect(self.dsn, autocommit=True)  # expect: SW602
        c.execute("VACUUM")

    def _copy(self):  # clean
        with self.pool.cursor() as cr, open("/tmp/x") as handle:
            cr.copy_expert("COPY x FROM STDIN", handle)

    def _for_else(self, dsns):
        for dsn in dsns:
            try:
                conn = pg.connect(dsn)  # expect: SW602
                break
            except OperationalError:
                continue
        else:
            raise UserError("none")
        conn.cursor().execute("SELECT 1")

    def _for_else_ok(self, dsns):  # clean
        for dsn in dsns:
            try:
                conn = pg.connect(dsn)
                break
            except OperationalError:
                continue
        else:
            raise UserError("none")
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            conn.close()

    def _assert(self):
        cr = self.pool.cursor()  # expect: SW603
        cr.execute("SELECT 1")
        assert cr.rowcount
        cr.close()

    def _nested_try(self):  # clean
        try:
            cr = self.pool.cursor()
            try:
                cr.execute("SELECT 1")
            except Exception:
                cr.rollback()
                raise
            else:
                cr.commit()
            finally:
                cr.close()
        except Exception:
            _logger.exception("x")

    def _close_in_except_only(self):
        cr = self.pool.cursor()  # expect: SW604
        try:
            cr.execute("SELECT 1")
            cr.commit()
        except Exception:
            cr.rollback()
            cr.close()


_POOLS = {}
