# Work beside the request: cursors of Odoo's own pool, threads, crons, hooks. Written before any of it was scanned.
import logging
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import requests

import odoo
from odoo import SUPERUSER_ID, api, fields, models, sql_db
from odoo.modules.registry import Registry
from odoo.tools import SQL, split_every

_logger = logging.getLogger(__name__)
LOG_DB = psycopg2.connect("dbname=audit")  # expect: SW612
_cursor_by_db = {}


def audit(dbname, text):
    cr = sql_db.db_connect(dbname).cursor()  # expect: SW603
    cr.execute("INSERT INTO audit (note) VALUES (%s)", (text,))
    cr.commit()
    cr.close()


def audit_tidy(dbname, text):  # clean
    with sql_db.db_connect(dbname).cursor() as cr:
        cr.execute("INSERT INTO audit (note) VALUES (%s)", (text,))


def audit_cursor(dbname):
    if dbname not in _cursor_by_db:
        _cursor_by_db[dbname] = sql_db.db_connect(dbname).cursor()  # expect: SW607
    return _cursor_by_db[dbname]


def new_env(dbname):
    cr = Registry(dbname).cursor()  # expect: SW601
    env = api.Environment(cr, SUPERUSER_ID, {})
    return env["res.users"].search_count([])


def new_env_tidy(dbname):  # clean
    with Registry(dbname).cursor() as cr:
        return api.Environment(cr, SUPERUSER_ID, {})["res.users"].search_count([])


class AuditLine(models.Model):
    _name = "audit.line"
    _description = "Audit line"

    name = fields.Char()
    url = fields.Char()

    def _log(self, text):
        cr = self.env.registry.cursor()  # expect: SW603
        self.with_env(self.env(cr=cr)).create({"name": text})
        cr.commit()
        cr.close()

    def _log_tidy(self, text):  # clean
        with self.env.registry.cursor() as cr:
            self.with_env(self.env(cr=cr)).create({"name": text})

    def _log_old_style(self, text):  # clean
        cr = self.pool.cursor()
        try:
            self.with_env(self.env(cr=cr)).create({"name": text})
            cr.commit()
        except Exception:
            cr.rollback()
            raise
        finally:
            cr.close()

    def _log_quietly(self, text):
        cr = self.pool.cursor()  # expect: SW604
        try:
            self.with_env(self.env(cr=cr)).create({"name": text})
            cr.commit()
            cr.close()
        except psycopg2.Error:
            _logger.warning("not logged: %s", text)

    def _own_or_given(self, cr=None):  # clean
        own = cr is None
        if own:
            cr = self.env.registry.cursor()
        try:
            cr.execute("SELECT 1")
        finally:
            if own:
                cr.close()

    def start(self):
        cr = self.env.registry.cursor()  # expect: SW611
        threading.Thread(target=self._run_with, args=(cr,), daemon=True).start()

    def _run_with(self, cr):
        cr.execute("SELECT 1")

    def start_tidy(self):  # clean
        dbname = self.env.cr.dbname
        threading.Thread(target=self._run_alone, args=(dbname,), daemon=True).start()

    def _run_alone(self, dbname):  # clean
        with Registry(dbname).cursor() as cr:
            cr.execute("SELECT 1")

    def start_many(self, count):  # clean
        dbname, ids = self.env.cr.dbname, self.ids

        def work(number):
            with Registry(dbname).cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                return env["audit.line"].browse(ids)[number].name

        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(work, range(count)))

    def start_many_leaking(self, count):
        dbname, ids = self.env.cr.dbname, self.ids

        def work(number):
            cr = Registry(dbname).cursor()  # expect: SW601
            env = api.Environment(cr, SUPERUSER_ID, {})
            return env["audit.line"].browse(ids)[number].name

        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(work, range(count)))

    def _register_hook(self):
        super()._register_hook()
        self.pool.audit_cr = self.pool.cursor()  # expect: SW612

    def fetch(self):
        self.env.cr.execute("SELECT 1 FOR UPDATE")
        reply = requests.get(self.url)  # expect: SW620
        self.name = reply.text

    def fetch_tidy(self):  # clean
        reply = requests.get(self.url, timeout=10)
        self.name = reply.text

    def fetch_session(self):
        session = requests.Session()
        session.headers["X-Key"] = "k"
        self.name = session.post(self.url, json={"a": 1}).text  # expect: SW620

    def fetch_session_tidy(self):  # clean
        with requests.Session() as session:
            self.name = session.post(self.url, json={"a": 1}, timeout=(3, 20)).text

    def retry(self):
        for wait in range(5):
            try:
                return requests.head(self.url, timeout=3)
            except requests.ConnectionError:
                time.sleep(2**wait)  # expect: SW621

    def convert(self, path):
        subprocess.check_call(["convert", path, path + ".png"])  # expect: SW626

    def convert_tidy(self, path):  # clean
        subprocess.run(["convert", path, path + ".png"], check=True, timeout=60)

    @api.autovacuum
    def _gc_lines(self):
        for lines in split_every(500, self.search([]).ids, self.browse):
            lines.unlink()
            self.env.cr.commit()  # five hundred at a time

    @api.autovacuum
    def _gc_lines_once(self):  # clean
        self.search([("create_date", "<", fields.Datetime.now())], limit=10000).unlink()

    def stop_request(self):
        self._cr.close()  # expect: SW623

    def give_up(self):
        try:
            self.flush_recordset()
        except psycopg2.Error:
            self.env.cr.rollback()  # expect: SW624

    def give_up_tidy(self):  # clean
        try:
            with self.env.cr.savepoint():
                self.flush_recordset()
        except psycopg2.Error:
            _logger.info("not flushed")

    def one_by_one(self):
        for line in self:
            with self.env.registry.cursor() as cr:  # expect: SW625
                line.with_env(self.env(cr=cr)).name = "done"

    def all_at_once(self):  # clean
        with self.env.registry.cursor() as cr:
            for line in self.with_env(self.env(cr=cr)):
                line.name = "done"

    def listen(self):
        with odoo.sql_db.db_connect("postgres").cursor() as cr:
            cr.execute("listen audit_channel")  # expect: SW701
            cr.commit()

    def notify(self):  # clean
        self.env.cr.execute("SELECT pg_notify('audit_channel', %s)", (self.name,))

    def lock(self):
        self.env.cr.execute("SELECT pg_try_advisory_lock(%s)", (self.id,))  # expect: SW702
        return self.env.cr.fetchone()[0]

    def lock_tidy(self):  # clean
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", (self.id,))
        return self.env.cr.fetchone()[0]

    def lock_by_sql(self):
        self.env.cr.execute(SQL("SELECT pg_advisory_lock(%s, %s)", 7, self.id))  # expect: SW702

    def prepared(self):
        self.env.cr.execute("PREPARE audit_one (int) AS SELECT name FROM audit_line WHERE id = $1")  # expect: SW703
        self.env.cr.execute("EXECUTE audit_one (%s)", (self.id,))

    def slow_report(self):
        self.env.cr.execute("SET statement_timeout = '10min'")  # expect: SW704
        self.env.cr.execute("SELECT count(*) FROM audit_line")

    def slow_report_tidy(self):  # clean
        self.env.cr.execute("SET LOCAL statement_timeout = '10min'")
        self.env.cr.execute("SELECT count(*) FROM audit_line")

    def search_path(self, schema):
        self.env.cr.execute(f"SET search_path TO {schema}, public")  # expect: SW704

    def search_path_by_function(self, schema):  # clean
        self.env.cr.execute("SELECT set_config('search_path', %s, true)", (schema,))

    def export(self):
        self.env.cr.execute("DECLARE big CURSOR WITH HOLD FOR SELECT * FROM audit_line")  # expect: SW705
        self.env.cr.execute("FETCH 100 FROM big")

    def export_tidy(self):  # clean
        self.env.cr.execute("DECLARE big CURSOR FOR SELECT * FROM audit_line")
        self.env.cr.execute("FETCH 100 FROM big")

    def totals(self):
        query = "CREATE TEMPORARY TABLE audit_totals AS " + "SELECT name, count(*) FROM audit_line GROUP BY name"
        self.env.cr.execute(query)  # expect: SW706

    def totals_tidy(self):  # clean
        self.env.cr.execute("CREATE TEMP TABLE audit_totals ON COMMIT DROP AS SELECT name FROM audit_line")

    def remember_backend(self):
        self.env.cr.execute("SELECT pg_backend_pid()")  # expect: SW707
        self.env["ir.config_parameter"].set_param("audit.pid", self.env.cr.fetchone()[0])
        self.env.cr.commit()

    def words_only(self):  # clean
        self.name = "please LISTEN to me, SET it and PREPARE the table"
        _logger.info("SET search_path")

    def update_set(self):  # clean
        self.env.cr.execute("UPDATE audit_line SET name = 'listen' WHERE id = %s", (self.id,))
