# A warehouse management system with a database of its own: written before any of it was scanned.
import logging
from contextlib import ExitStack, closing, contextmanager

import psycopg2
from psycopg2 import OperationalError, connect, sql
from psycopg2.extras import DictCursor, NamedTupleCursor, execute_values
from psycopg2.pool import SimpleConnectionPool, ThreadedConnectionPool

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import config

_logger = logging.getLogger(__name__)


class StockWarehouse(models.Model):
    _inherit = "stock.warehouse"

    wms_host = fields.Char()
    wms_port = fields.Integer(default=5432)
    wms_dbname = fields.Char()

    def _wms_dsn(self):  # clean
        self.ensure_one()
        return f"host={self.wms_host} port={self.wms_port} dbname={self.wms_dbname}"

    def _wms_connect(self):  # clean
        self.ensure_one()
        try:
            return connect(self._wms_dsn(), connect_timeout=10)
        except OperationalError as err:
            _logger.exception("WMS of %s does not answer", self.display_name)
            raise UserError(_("The WMS does not answer: %s", err)) from err

    @contextmanager
    def _wms_session(self):  # clean
        cnx = self._wms_connect()
        try:
            yield cnx
            cnx.commit()
        except Exception:
            cnx.rollback()
            raise
        finally:
            cnx.close()

    @contextmanager
    def _wms_session_careless(self):
        cnx = self._wms_connect()  # expect: SW603
        yield cnx
        cnx.close()

    def action_test_wms(self):
        for warehouse in self:
            cnx = warehouse._wms_connect()  # expect: SW610
            cnx.cursor().execute("SELECT version()")
        return True

    def action_test_wms_tidy(self):  # clean
        for warehouse in self:
            warehouse._wms_connect().close()
        return True

    def pull_levels(self):
        cnx = self._wms_connect()  # expect: SW603
        cur = cnx.cursor(cursor_factory=DictCursor)
        cur.execute("SELECT sku, qty FROM level")
        levels = {row["sku"]: row["qty"] for row in cur.fetchall()}
        cur.close()
        cnx.close()
        return levels

    def pull_levels_tidy(self):  # clean
        with self._wms_session() as cnx, cnx.cursor(cursor_factory=DictCursor) as cur:
            cur.execute("SELECT sku, qty FROM level")
            return {row["sku"]: row["qty"] for row in cur.fetchall()}

    def push_orders(self, orders):
        cnx = self._wms_connect()  # expect: SW604
        if not orders:
            return 0
        try:
            with cnx.cursor() as cur:
                execute_values(cur, "INSERT INTO po VALUES %s", [(o.id, o.name) for o in orders])
            cnx.commit()
        finally:
            cnx.close()
        return len(orders)

    def push_orders_tidy(self, orders):  # clean
        if not orders:
            return 0
        cnx = self._wms_connect()
        try:
            with cnx.cursor() as cur:
                execute_values(cur, "INSERT INTO po VALUES %s", [(o.id, o.name) for o in orders])
            cnx.commit()
        except psycopg2.Error as err:
            cnx.rollback()
            raise ValidationError(str(err)) from err
        finally:
            cnx.close()
        return len(orders)

    def count_pallets(self):
        with connect(self._wms_dsn()) as cnx:  # expect: SW606
            with cnx.cursor() as cur:
                cur.execute("SELECT count(*) FROM pallet")
                return cur.fetchone()[0]

    def count_pallets_tidy(self):  # clean
        with closing(connect(self._wms_dsn())) as cnx:
            with cnx, cnx.cursor() as cur:
                cur.execute("SELECT count(*) FROM pallet")
                return cur.fetchone()[0]

    def _try_hosts(self, hosts):
        cnx = None
        for host in hosts:
            cnx = psycopg2.connect(host=host, dbname=self.wms_dbname)  # expect: SW605
        try:
            with cnx.cursor() as cur:
                cur.execute("SELECT 1")
        finally:
            cnx.close()

    def _first_host(self, hosts):  # clean
        for host in hosts:
            try:
                return psycopg2.connect(host=host, dbname=self.wms_dbname)
            except OperationalError:
                _logger.info("%s is down", host)
        raise UserError(_("No host answers"))

    def pick_first(self, hosts):
        try:
            cnx = self._first_host(hosts)  # expect: SW604
            cur = cnx.cursor(cursor_factory=NamedTupleCursor)
            cur.execute("SELECT * FROM pick LIMIT 1")
            pick = cur.fetchone()
            cnx.close()
        except psycopg2.Error:
            return None
        return pick

    def pick_first_tidy(self, hosts):  # clean
        cnx = None
        try:
            cnx = self._first_host(hosts)
            cur = cnx.cursor(cursor_factory=NamedTupleCursor)
            cur.execute("SELECT * FROM pick LIMIT 1")
            return cur.fetchone()
        except psycopg2.Error:
            return None
        finally:
            if cnx is not None:
                cnx.close()

    def reconnecting(self):
        cnx = connect(self._wms_dsn())  # expect: SW605
        try:
            cnx.cursor().execute("SELECT 1")
        except OperationalError:
            cnx = connect(self._wms_dsn())
        cnx.close()

    def reconnecting_by_branches(self):
        cnx = connect(self._wms_dsn())  # expect: SW603
        try:
            cnx.cursor().execute("SELECT 1")
        except OperationalError:
            cnx.close()
            cnx = connect(self._wms_dsn())
            cnx.close()
        else:
            cnx.close()

    def iter_movements(self):
        cnx = connect(self._wms_dsn())  # expect: SW609
        cur = cnx.cursor("movements")
        cur.execute("SELECT * FROM movement")
        for row in cur:
            yield row
        cnx.close()

    def all_movements(self):  # clean
        with closing(connect(self._wms_dsn())) as cnx:
            cur = cnx.cursor("movements")
            cur.execute("SELECT * FROM movement")
            return list(cur)

    def pooled_count(self):
        pool = SimpleConnectionPool(1, 5, self._wms_dsn())  # expect: SW613
        cnx = pool.getconn()
        try:
            with cnx.cursor() as cur:
                cur.execute("SELECT count(*) FROM pick")
                return cur.fetchone()[0]
        finally:
            pool.putconn(cnx)

    def pooled_count_tidy(self):  # clean
        pool = ThreadedConnectionPool(1, 5, self._wms_dsn())
        try:
            cnx = pool.getconn()
            try:
                with cnx.cursor() as cur:
                    cur.execute("SELECT count(*) FROM pick")
                    return cur.fetchone()[0]
            finally:
                pool.putconn(cnx)
        finally:
            pool.closeall()

    def copy_all(self, tables):
        with ExitStack() as stack:
            source = stack.enter_context(closing(connect(self._wms_dsn())))
            target = connect(config["wms_mirror"])  # expect: SW602
            for table in tables:
                with source.cursor() as read, target.cursor() as write:
                    read.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                    execute_values(write, f"INSERT INTO {table} VALUES %s", read.fetchall())
            target.commit()

    def copy_all_tidy(self, tables):  # clean
        with ExitStack() as stack:
            source = stack.enter_context(closing(connect(self._wms_dsn())))
            target = connect(config["wms_mirror"])
            stack.callback(target.close)
            for table in tables:
                with source.cursor() as read, target.cursor() as write:
                    read.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                    execute_values(write, f"INSERT INTO {table} VALUES %s", read.fetchall())
            target.commit()

    @api.model
    def _cron_levels(self):
        warehouses = self.search([("wms_host", "!=", False)])
        connections = {}
        for warehouse in warehouses:
            connections[warehouse.id] = connect(warehouse._wms_dsn())  # expect: SW602
        for warehouse in warehouses:
            connections[warehouse.id].cursor().execute("SELECT refresh()")

    @api.model
    def _cron_levels_tidy(self):  # clean
        connections = {}
        try:
            for warehouse in self.search([("wms_host", "!=", False)]):
                connections[warehouse.id] = connect(warehouse._wms_dsn())
            for cnx in connections.values():
                cnx.cursor().execute("SELECT refresh()")
        finally:
            for cnx in connections.values():
                cnx.close()

    def _report_params(self):
        cnx = connect(self._wms_dsn())  # expect: SW602
        return {"levels": cnx.cursor().fetchall(), "name": self.name}

    def write(self, vals):
        res = super().write(vals)
        if "wms_host" in vals:
            cnx = self._wms_connect()  # expect: SW604
            cur = cnx.cursor()
            cur.execute("SELECT 1 FROM site WHERE name = %s", (self.name,))
            if cur.rowcount == 0:
                raise ValidationError(_("The site is not known to the WMS"))
            cnx.close()
        return res

    def unlink(self):  # clean
        for warehouse in self.filtered("wms_host"):
            with warehouse._wms_session() as cnx:
                cnx.cursor().execute("DELETE FROM site WHERE name = %s", (warehouse.name,))
        return super().unlink()


class WmsClient:
    def __init__(self, dsn):
        self.cnx = connect(dsn)  # expect: SW608
        self.cur = self.cnx.cursor()

    def rows(self, query):
        self.cur.execute(query)
        return self.cur.fetchall()


class TidyWmsClient:
    def __init__(self, dsn):  # clean
        self.cnx = connect(dsn)

    def __enter__(self):  # clean
        return self

    def __exit__(self, *exc):  # clean
        self.cnx.close()

    def rows(self, query):  # clean
        with self.cnx.cursor() as cur:
            cur.execute(query)
            return cur.fetchall()


class LazyWmsClient:
    _cnx = None

    def __init__(self, dsn):  # clean
        self.dsn = dsn

    @property
    def cnx(self):  # clean
        if self._cnx is None or self._cnx.closed:
            self._cnx = connect(self.dsn)
        return self._cnx

    def close(self):  # clean
        if self._cnx is not None:
            self._cnx.close()
            self._cnx = None


class StockPicking(models.Model):
    _inherit = "stock.picking"

    def wms_rows(self):  # clean
        with TidyWmsClient(self.picking_type_id.warehouse_id._wms_dsn()) as client:
            return client.rows("SELECT * FROM pick")

    def wms_rows_forgotten(self):
        client = TidyWmsClient(self.picking_type_id.warehouse_id._wms_dsn())  # expect: SW610
        return client.rows("SELECT * FROM pick")

    def button_validate(self):  # clean
        cnx = self.picking_type_id.warehouse_id._wms_connect()
        try:
            cnx.cursor().execute("SELECT close_pick(%s)", (self.name,))
        finally:
            cnx.close()
        return super().button_validate()
