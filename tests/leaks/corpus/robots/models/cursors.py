import logging
import threading
from contextlib import ExitStack, closing, contextmanager, suppress

import odoo
from odoo import SUPERUSER_ID, _, api, fields, models, sql_db
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect

_logger = logging.getLogger(__name__)


class Robot(models.Model):
    _name = "stock.robot"
    _description = "Robot"

    name = fields.Char(required=True)
    state = fields.Selection([("idle", "Idle"), ("busy", "Busy")])

    def _start_thread(self):  # clean
        threading.Thread(target=self._run_in_thread, args=(self.env.cr.dbname, self.ids), daemon=True).start()

    @api.model
    def _run_in_thread(self, dbname, ids):
        cr = Registry(dbname).cursor()  # expect: SW603
        env = api.Environment(cr, SUPERUSER_ID, {})
        env["stock.robot"].browse(ids).write({"state": "busy"})
        cr.commit()
        cr.close()

    def _run_in_thread_ok(self, dbname, ids):  # clean
        with Registry(dbname).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["stock.robot"].browse(ids).write({"state": "busy"})

    def _thread_main(self, dbname):
        def work():
            registry = odoo.registry(dbname)
            new_cr = registry.cursor()  # expect: SW604
            try:
                env = api.Environment(new_cr, SUPERUSER_ID, {})
                if not env["stock.robot"].search_count([]):
                    return
                env["stock.robot"].search([]).write({"state": "idle"})
                new_cr.commit()
                new_cr.close()
            except ValueError:
                _logger.exception("no robots")
                new_cr.close()

        threading.Thread(target=work).start()

    def _walrus(self):
        if (cr := self.pool.cursor()) is not None:  # expect: SW601
            cr.execute("SELECT 1")
            return cr.fetchone()
        return None

    def _walrus_ok(self):  # clean
        if (cr := self.pool.cursor()) is not None:
            with cr:
                cr.execute("SELECT 1")
                return cr.fetchone()
        return None

    def _matching(self, command):
        cr = self.env.registry.cursor()  # expect: SW604
        match command:
            case {"kind": "move", "to": position}:
                with cr:
                    cr.execute("UPDATE stock_robot SET name = %s", (position,))
            case {"kind": "stop"}:
                cr.close()
            case _:
                _logger.warning("unknown command %s", command)

    def _matching_ok(self, command):  # clean
        with self.env.registry.cursor() as cr:
            match command:
                case {"kind": "move", "to": position}:
                    cr.execute("UPDATE stock_robot SET name = %s", (position,))
                case _:
                    return False
        return True

    def _conditional_close(self, own=False):  # clean
        cr = self.env.cr
        if own:
            cr = self.pool.cursor()
        try:
            cr.execute("SELECT 1")
        finally:
            if own:
                cr.close()

    def _conditional_close_wrong(self, own=False, keep=False):
        cr = self.pool.cursor()  # expect: SW604
        try:
            cr.execute("SELECT 1")
        finally:
            if not keep:
                cr.close()

    def _alias(self):  # clean
        first = self.pool.cursor()
        second = first
        try:
            second.execute("SELECT 1")
        finally:
            second.close()

    def _alias_leak(self):
        open_cursor = self.pool.cursor
        cr = open_cursor()  # expect: SW601
        cr.execute("SELECT 1")

    def _tuple_assignment(self, a, b):
        src, dst = db_connect(a).cursor(), db_connect(b).cursor()  # expect: SW603
        src.execute("SELECT * FROM stock_robot")
        dst.executemany("INSERT INTO x VALUES (%s)", src.fetchall())
        dst.commit()
        src.close()
        dst.close()

    def _exit_stack(self, names):  # clean
        with ExitStack() as stack:
            cursors = [stack.enter_context(db_connect(name).cursor()) for name in names]
            for cr in cursors:
                cr.execute("SELECT 1")

    def _exit_stack_callback(self, name):  # clean
        with ExitStack() as stack:
            cr = db_connect(name).cursor()
            stack.callback(cr.close)
            cr.execute("SELECT 1")

    def _list_of_cursors(self, names):
        cursors = [db_connect(name).cursor() for name in names]  # expect: SW601
        return [cr.execute("SELECT 1") for cr in cursors]

    def _list_of_cursors_ok(self, names):  # clean
        cursors = []
        try:
            for name in names:
                cursors.append(db_connect(name).cursor())
            for cr in cursors:
                cr.execute("SELECT 1")
        finally:
            for cr in cursors:
                cr.close()

    def _retry(self, name):
        for attempt in range(3):
            cr = sql_db.db_connect(name).cursor()  # expect: SW605
            try:
                cr.execute("SELECT 1 FOR UPDATE NOWAIT")
            except Exception:
                _logger.info("again")
                continue
            cr.close()
            return True
        return False

    def _retry_ok(self, name):  # clean
        for attempt in range(3):
            cr = sql_db.db_connect(name).cursor()
            try:
                cr.execute("SELECT 1 FOR UPDATE NOWAIT")
                return True
            except Exception:
                _logger.info("again")
            finally:
                cr.close()
        return False

    def _suppressed(self):  # clean
        cr = self.pool.cursor()
        try:
            cr.execute("SELECT 1")
            cr.commit()
        finally:
            with suppress(Exception):
                cr.close()

    def _raise_before(self):
        cr = self.pool.cursor()  # expect: SW604
        cr.execute("SELECT state FROM stock_robot LIMIT 1")
        row = cr.fetchone()
        if not row:
            raise UserError(_("No robot"))
        cr.close()
        return row[0]

    def _with_new_env(self):  # clean
        with api.Environment.manage(), self.pool.cursor() as cr:
            self = self.with_env(self.env(cr=cr))
            self.write({"state": "idle"})

    def _with_env_forgotten(self):
        me = self.with_env(self.env(cr=self.pool.cursor()))  # expect: SW601
        me.write({"state": "idle"})
        me.env.cr.commit()

    def _with_env_closed(self):
        me = self.with_env(self.env(cr=self.pool.cursor()))  # expect: SW603
        me.write({"state": "idle"})
        me.env.cr.commit()
        me.env.cr.close()

    def _env_finally(self):  # clean
        new_env = self.env(cr=self.pool.cursor())
        try:
            new_env["stock.robot"].search([]).write({"state": "idle"})
            new_env.cr.commit()
        finally:
            new_env.cr.close()

    @contextmanager
    def _other_cursor(self):  # clean
        cr = self.pool.cursor()
        try:
            yield cr
            cr.commit()
        except Exception:
            cr.rollback()
            raise
        finally:
            cr.close()

    def _uses_other_cursor(self):  # clean
        with self._other_cursor() as cr:
            cr.execute("SELECT 1")

    def _rows(self):
        cr = self.pool.cursor()  # expect: SW609
        cr.execute("SELECT id FROM stock_robot")
        while True:
            rows = cr.fetchmany(100)
            if not rows:
                break
            yield from rows
        cr.close()

    def _nested(self, name):
        def opener():
            return db_connect(name).cursor()

        cr = opener()  # expect: SW610
        cr.execute("SELECT 1")
        return cr.fetchone()

    def _lambda(self):
        get = lambda: self.pool.cursor()  # noqa: E731
        cr = get()  # expect: SW610
        cr.execute("SELECT 1")

    def _test_or_real(self, test):  # clean
        cr = self.env.cr if test else self.pool.cursor()
        try:
            cr.execute("SELECT 1")
        finally:
            if not test:
                cr.close()

    def _del_it(self):
        cr = self.pool.cursor()  # expect: SW601
        cr.execute("SELECT 1")
        del cr

    def _one_liner(self):
        self.pool.cursor().execute("UPDATE stock_robot SET state = 'idle'")  # expect: SW601

    def _closing_on_db(self, name):  # clean
        with closing(db_connect(name).cursor()) as cr:
            cr.autocommit(True)
            cr.execute("ANALYZE")

    def _register_hook(self):
        super()._register_hook()
        cr = self.pool.cursor()  # expect: SW603
        cr.execute("SELECT 1 FROM pg_class WHERE relname = 'stock_robot'")
        self.pool.robot_ready = bool(cr.rowcount)
        cr.close()
