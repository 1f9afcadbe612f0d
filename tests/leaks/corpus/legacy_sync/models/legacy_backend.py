# Raw psycopg2 in models, as sync and reporting addons write it.
import logging

import psycopg2
import psycopg2.extras
import psycopg2 as pg
from psycopg2 import connect
from psycopg2 import connect as pg_connect

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import config

_logger = logging.getLogger(__name__)


class LegacyBackend(models.Model):
    _name = "legacy.backend"
    _description = "Legacy ERP"

    host = fields.Char()
    dbname = fields.Char()

    def action_test(self):
        self.ensure_one()
        conn = psycopg2.connect(host=self.host, dbname=self.dbname)  # expect: SW602
        cur = conn.cursor()
        cur.execute("SELECT version()")
        raise UserError(cur.fetchone()[0])

    def read_partners(self):
        conn = connect(self._dsn())  # expect: SW602
        cur = conn.cursor(cursor_factory=psycopg2.extras.DictCursor)
        cur.execute("SELECT * FROM res_partner")
        return cur.fetchall()

    def read_products(self):
        connection = pg_connect(self._dsn())  # expect: SW603
        cursor = connection.cursor()
        cursor.execute("SELECT id, code FROM product")
        rows = cursor.fetchall()
        cursor.close()
        connection.close()
        return rows

    def read_stock(self):
        conn = pg.connect(self._dsn())  # expect: SW602
        cur = conn.cursor()
        try:
            cur.execute("SELECT product_id, qty FROM stock")
            return cur.fetchall()
        finally:
            cur.close()

    def read_prices(self):
        with psycopg2.connect(self._dsn()) as conn:  # expect: SW606
            with conn.cursor() as cur:
                cur.execute("SELECT id, price FROM price")
                return dict(cur.fetchall())

    def push_order(self, order):
        with connect(self._dsn()) as conn, conn.cursor() as cur:  # expect: SW606
            cur.execute("INSERT INTO orders (name) VALUES (%s)", (order.name,))

    def push_lines(self, order):
        conn = psycopg2.connect(self._dsn())  # expect: SW606
        with conn:
            with conn.cursor() as cur:
                for line in order.order_line:
                    cur.execute("INSERT INTO lines VALUES (%s)", (line.id,))

    def push_picking(self, picking):
        conn = psycopg2.connect(self._dsn())  # expect: SW603
        with conn, conn.cursor() as cur:
            cur.execute("UPDATE pickings SET done = true WHERE id = %s", (picking.id,))
        conn.close()

    def count_orders(self, state):
        conn = psycopg2.connect(self._dsn())  # expect: SW604
        cur = conn.cursor()
        try:
            cur.execute("SELECT count(*) FROM orders WHERE state = %s", (state,))
            row = cur.fetchone()
        except psycopg2.Error:
            _logger.exception("cannot count")
            return 0
        conn.close()
        return row[0]

    def find_customer(self, email):
        conn = psycopg2.connect(self._dsn())  # expect: SW604
        try:
            cur = conn.cursor()
            cur.execute("SELECT id FROM customer WHERE email = %s", (email,))
            row = cur.fetchone()
        except Exception:
            conn.close()
            raise
        if not row:
            return False
        conn.close()
        return row[0]

    def sync_all(self):
        for backend in self.search([]):
            conn = psycopg2.connect(backend._dsn())  # expect: SW602
            backend._import_from(conn.cursor())

    def sync_each(self):
        for backend in self.search([]):
            conn = psycopg2.connect(backend._dsn())  # expect: SW605
            backend._import_from(conn.cursor())
        conn.close()

    def reconnect(self):
        conn = psycopg2.connect(self._dsn())  # expect: SW605
        if not self._ping(conn):
            conn = psycopg2.connect(self._dsn(fallback=True))
        try:
            return self._ping(conn)
        finally:
            conn.close()

    def server_version(self):
        cur = psycopg2.connect(self._dsn()).cursor()  # expect: SW602
        cur.execute("SHOW server_version")
        version = cur.fetchone()[0]
        cur.close()
        return version

    def is_alive(self):
        return bool(psycopg2.connect(self._dsn(), connect_timeout=3))  # expect: SW602

    def ping(self):
        try:
            psycopg2.connect(self._dsn())  # expect: SW602
        except psycopg2.OperationalError:
            return False
        return True

    def copy_table(self, source, target):
        src = psycopg2.connect(source)  # expect: SW603
        dst = psycopg2.connect(target)
        try:
            self._copy(src, dst)
        finally:
            dst.close()
        src.close()

    def read_in_pages(self, size):
        conn = psycopg2.connect(self._dsn())  # expect: SW604
        cur = conn.cursor()
        offset = 0
        try:
            while True:
                cur.execute("SELECT id FROM customer LIMIT %s OFFSET %s", (size, offset))
                rows = cur.fetchall()
                if not rows:
                    return offset
                self._store(rows)
                offset += size
        except psycopg2.Error:
            conn.close()
            raise

    @api.model
    def lookup(self, key):
        if (conn := psycopg2.connect(config["legacy_dsn"])) is not None:  # expect: SW602
            cur = conn.cursor()
            cur.execute("SELECT value FROM settings WHERE key = %s", (key,))
            return cur.fetchone()
        return None

    def export_csv(self, path):
        conn = psycopg2.connect(self._dsn())  # expect: SW603
        with open(path, "w") as handle:
            conn.cursor().copy_expert("COPY customer TO STDOUT CSV", handle)
        conn.close()

    def check_schema(self):
        conn = psycopg2.connect(self._dsn())  # expect: SW604
        cur = conn.cursor()
        cur.execute("SELECT to_regclass('public.orders')")
        if cur.fetchone()[0] is None:
            raise UserError("No orders table")
        conn.close()

    def fetch_by_mode(self, mode):
        conn = psycopg2.connect(self._dsn())  # expect: SW604
        match mode:
            case "orders":
                rows = self._orders(conn)
                conn.close()
            case "customers":
                rows = self._customers(conn)
            case _:
                conn.close()
                rows = []
        return rows

    # ---------------------------------------------------------------- and the same work, done well

    def good_read(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            cur = conn.cursor()
            cur.execute("SELECT 1")
            return cur.fetchall()
        finally:
            conn.close()

    def good_read_with_cursor_first(self):  # clean
        conn = psycopg2.connect(self._dsn())
        cur = conn.cursor()
        try:
            cur.execute("SELECT 1")
            return cur.fetchall()
        finally:
            cur.close()
            conn.close()

    def good_autocommit(self):  # clean
        conn = psycopg2.connect(self._dsn())
        conn.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        conn.autocommit = True
        try:
            conn.cursor().execute("VACUUM")
        finally:
            conn.close()

    def good_none_first(self):  # clean
        conn = None
        try:
            conn = psycopg2.connect(self._dsn())
            cur = conn.cursor()
            cur.execute("SELECT 1")
            return cur.fetchone()
        except psycopg2.Error as error:
            raise UserError(str(error)) from error
        finally:
            if conn:
                conn.close()

    def good_none_check(self):  # clean
        conn = None
        try:
            conn = psycopg2.connect(self._dsn())
            return self._ping(conn)
        finally:
            if conn is not None:
                conn.close()

    def good_closed_check(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            return self._ping(conn)
        finally:
            if not conn.closed:
                conn.close()

    def good_guard_and_closed(self):  # clean
        conn = False
        try:
            conn = psycopg2.connect(self._dsn())
            self._ping(conn)
        finally:
            if conn and not conn.closed:
                conn.close()

    def good_each(self):  # clean
        for backend in self.search([]):
            conn = psycopg2.connect(backend._dsn())
            try:
                backend._import_from(conn.cursor())
            finally:
                conn.close()

    def good_except_closes_all(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            rows = self._orders(conn)
        except Exception:
            conn.close()
            raise
        conn.close()
        return rows

    def good_else(self):  # clean
        try:
            conn = psycopg2.connect(self._dsn())
        except psycopg2.OperationalError as error:
            raise UserError("down") from error
        else:
            try:
                return self._orders(conn)
            finally:
                conn.close()

    def good_two(self, source, target):  # clean
        src = psycopg2.connect(source)
        try:
            dst = psycopg2.connect(target)
            try:
                self._copy(src, dst)
            finally:
                dst.close()
        finally:
            src.close()

    def good_conditional(self, remote):  # clean
        conn = None
        if remote:
            conn = psycopg2.connect(self._dsn())
        try:
            return self._orders(conn)
        finally:
            if remote:
                conn.close()

    def good_flag(self, conn=None):  # clean
        own = False
        if conn is None:
            conn = psycopg2.connect(self._dsn())
            own = True
        try:
            return self._orders(conn)
        finally:
            if own:
                conn.close()

    def good_match(self, mode):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            match mode:
                case "orders":
                    return self._orders(conn)
                case {"customers": limit}:
                    return self._customers(conn)[:limit]
                case _:
                    return []
        finally:
            conn.close()

    def good_retry(self):  # clean
        for attempt in range(3):
            try:
                conn = psycopg2.connect(self._dsn())
            except psycopg2.OperationalError:
                _logger.warning("attempt %s", attempt)
                continue
            try:
                return self._orders(conn)
            finally:
                conn.close()
        return []

    def good_reassigned_after_close(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            first = self._orders(conn)
        finally:
            conn.close()
        conn = psycopg2.connect(self._dsn(fallback=True))
        try:
            return first + self._orders(conn)
        finally:
            conn.close()

    def good_nested_with(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            with conn, conn.cursor() as cur:
                cur.execute("DELETE FROM queue")
        finally:
            conn.close()
