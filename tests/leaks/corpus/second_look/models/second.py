# Written after the rules and without looking at them: other shapes of the same mistakes, as reviewers meet them.
import contextlib
import json
import queue
import threading
from datetime import datetime

import odoo
import psycopg2
import psycopg2.errorcodes
import psycopg2.extras
import requests
from odoo import SUPERUSER_ID, _, api, fields, models, tools
from odoo.exceptions import UserError
from odoo.http import Controller, request, route
from odoo.modules.registry import Registry
from odoo.service import db as db_service


class BiConnector(models.Model):
    _name = "bi.connector"
    _description = "BI"

    server = fields.Char()
    active_connection = None

    def _get_connection(self):
        try:
            return psycopg2.connect(
                host=self.server,
                user="bi",
                password=tools.config.get("bi_password"),
                connect_timeout=5,
            )
        except psycopg2.OperationalError as exc:
            raise UserError(_("Cannot reach %s") % self.server) from exc

    def button_check(self):
        self._get_connection()  # expect: SW610
        return {"type": "ir.actions.client", "tag": "display_notification"}

    def button_count(self):
        connection = self._get_connection()  # expect: SW604
        cursor = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
        cursor.execute("select count(*) as n from fact")
        result = cursor.fetchone()
        if not result["n"]:
            raise UserError(_("Nothing there"))
        cursor.close()
        connection.close()
        return result["n"]

    def export_rows(self, rows):
        connection = self._get_connection()  # expect: SW604
        cursor = connection.cursor()
        try:
            for row in rows:
                cursor.execute("insert into fact values (%s)", (json.dumps(row),))
            connection.commit()
        except psycopg2.Error as exc:
            connection.rollback()
            return str(exc)
        else:
            connection.close()
        return ""

    def mirror(self):
        source, target = psycopg2.connect("a"), psycopg2.connect("b")  # expect: SW602, SW603
        try:
            target.cursor().execute("truncate fact")
        finally:
            source.close()

    def with_default(self, connection=None):
        connection = connection or self._get_connection()  # expect: SW610
        cursor = connection.cursor()
        cursor.execute("select 1")
        return cursor.fetchall()

    def by_key(self):
        pool = {}
        for record in self:
            pool[record.id] = record._get_connection()  # expect: SW610
        return len(pool)

    def swallow(self):
        try:
            connection = psycopg2.connect(self.server)  # expect: SW604
            connection.cursor().execute("select 1")
            connection.close()
        except Exception:
            return False
        return True

    def good_swallow(self):  # clean
        connection = None
        try:
            connection = psycopg2.connect(self.server)
            connection.cursor().execute("select 1")
        except Exception:
            return False
        finally:
            if connection:
                connection.close()
        return True

    def good_by_key(self):  # clean
        pool = {}
        try:
            for record in self:
                pool[record.id] = record._get_connection()
            return len(pool)
        finally:
            for connection in pool.values():
                connection.close()

    def good_early(self):  # clean
        if not self.server:
            return []
        connection = self._get_connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
                return cursor.fetchall()
        except psycopg2.Error:
            return []
        finally:
            connection.close()

    def good_stack(self):  # clean
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(contextlib.closing(r._get_connection())) for r in self]
            return [c.server_version for c in connections]

    def good_nested_helper(self):  # clean
        connection = self._get_connection()
        try:
            return self._fill(connection)
        finally:
            self._shut(connection)

    def _shut(self, connection):  # clean
        if connection is not None and not connection.closed:
            connection.rollback()
            connection.close()

    def _fill(self, connection):  # clean
        with connection, connection.cursor() as cursor:
            cursor.execute("refresh materialized view fact")
        return True


class Journal(models.AbstractModel):
    _name = "journal.writer"
    _description = "Journal"

    @api.model
    def note(self, text):
        db_name = self.env.cr.dbname
        db_registry = Registry(db_name)
        with db_registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["ir.logging"].create({"message": text, "dbname": db_name})
            cr.commit()

    @api.model
    def note_badly(self, text):
        db_registry = odoo.modules.registry.Registry(self.env.cr.dbname)
        cr = db_registry.cursor()  # expect: SW603
        try:
            cr.execute("insert into journal values (%s)", (text,))
        except psycopg2.IntegrityError:
            cr.rollback()
        cr.close()

    @api.model
    def note_half(self, text, urgent=False):
        if urgent:
            cr = self.env.registry.cursor()  # expect: SW601
        else:
            cr = self.env.cr
        cr.execute("insert into journal values (%s)", (text,))

    @api.model
    def good_note_half(self, text, urgent=False):  # clean
        cr = self.env.registry.cursor() if urgent else self.env.cr
        try:
            cr.execute("insert into journal values (%s)", (text,))
        finally:
            if urgent:
                cr.close()

    def for_all_databases(self):
        for name in db_service.list_dbs():
            reg = Registry.new(name)
            with reg.cursor() as cr:
                cr.execute("select 1")

    def for_all_databases_badly(self):
        cursors = []
        for name in db_service.list_dbs():
            cursors.append(Registry(name).cursor())  # expect: SW601
        for cursor in cursors:
            cursor.execute("select 1")

    def worker(self):
        jobs = queue.Queue()

        def run():
            new_cr = Registry(self.env.cr.dbname).cursor()  # expect: SW603
            while True:
                job = jobs.get()
                if job is None:
                    break
                new_cr.execute("update job set state = %s", (job,))
            new_cr.close()

        for _number in range(4):
            threading.Thread(target=run).start()

    def good_worker(self):  # clean
        jobs = queue.Queue()

        def run(dbname):
            with Registry(dbname).cursor() as new_cr:
                while (job := jobs.get()) is not None:
                    new_cr.execute("update job set state = %s", (job,))

        threading.Thread(target=run, args=(self.env.cr.dbname,)).start()

    def ask_rate(self):
        url = "https://rates.example.com"
        answer = requests.get(url, params={"d": datetime.now().isoformat()}, headers={"A": "b"})  # expect: SW620
        answer.raise_for_status()
        return answer.json()

    def good_ask_rate(self):  # clean
        return requests.get("https://rates.example.com", timeout=(5, 15)).json()

    def lock_table(self):
        key = 42
        self.env.cr.execute("SELECT pg_try_advisory_lock(%d)" % key)  # expect: SW702
        self.env.cr.execute(  # expect: SW706
            "CREATE TEMPORARY TABLE IF NOT EXISTS work_x AS SELECT 1"
        )
        self._cr.execute("set session work_mem to '64MB'")  # expect: SW704

    def good_lock_table(self):  # clean
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", [42])
        self.env.cr.execute("SET LOCAL work_mem TO '64MB'")


class Gate(Controller):
    @route("/gate/<db>", auth="none", type="http")
    def gate(self, db):
        registry = odoo.registry(db)
        with registry.cursor() as cr, contextlib.suppress(ValueError):
            env = api.Environment(cr, SUPERUSER_ID, {})
            return env["ir.config_parameter"].get_param("gate")
        return ""

    @route("/gate/open/<db>", auth="none", type="http")
    def gate_open(self, db):
        registry = odoo.registry(db)
        cr = registry.cursor()  # expect: SW601
        env = api.Environment(cr, SUPERUSER_ID, {})
        request.update_env(user=SUPERUSER_ID)
        return env["ir.config_parameter"].get_param("gate")


class Legacy:
    def __init__(self, dsn):
        self.connections = queue.Queue()
        for _number in range(3):
            self.connections.put(psycopg2.connect(dsn))  # expect: SW608

    def borrow(self):
        return self.connections.get()


class GoodLegacy:
    def __init__(self, dsn):  # clean
        self.idle = queue.Queue()
        for _number in range(3):
            self.idle.put(psycopg2.connect(dsn))

    def shutdown(self):  # clean
        while not self.idle.empty():
            self.idle.get().close()
