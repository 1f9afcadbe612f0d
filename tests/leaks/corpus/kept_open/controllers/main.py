import odoo
import psycopg2
from odoo import SUPERUSER_ID, http
from odoo.http import request
from odoo.modules.registry import Registry


class StatusController(http.Controller):
    @http.route("/status/<string:db>", type="http", auth="none")
    def status(self, db):
        cr = odoo.sql_db.db_connect(db).cursor()  # expect: SW601
        cr.execute("SELECT count(*) FROM res_users")
        return str(cr.fetchone()[0])

    @http.route("/status/env", type="json", auth="none")
    def status_env(self, db):
        cr = Registry(db).cursor()  # expect: SW604
        env = odoo.api.Environment(cr, SUPERUSER_ID, {})
        try:
            user = env["res.users"].search([], limit=1)
        except Exception:
            cr.close()
            return {"ok": False}
        if not user:
            return {"ok": False}
        cr.close()
        return {"ok": True}

    @http.route("/status/raw", type="http", auth="public")
    def status_raw(self):
        connection = psycopg2.connect(odoo.tools.config["status_dsn"])  # expect: SW603
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        body = str(cursor.fetchone())
        connection.close()
        return request.make_response(body)

    @http.route("/status/registry", type="http", auth="user")
    def status_registry(self):
        cr = request.registry.cursor()  # expect: SW601
        cr.execute("SELECT 1")
        return "ok"

    @http.route("/status/env_registry", type="http", auth="user")
    def status_env_registry(self):
        cr = request.env.registry.cursor()  # expect: SW603
        cr.execute("SELECT 1")
        cr.close()
        return "ok"

    @http.route("/good", type="http", auth="none")
    def good(self, db):  # clean
        with Registry(db).cursor() as cr:
            env = odoo.api.Environment(cr, SUPERUSER_ID, {})
            return str(env["res.users"].search_count([]))

    @http.route("/good/request", type="http", auth="user")
    def good_request(self):  # clean
        request.env.cr.execute("SELECT 1")
        return str(request.env.cr.fetchone())

    @http.route("/good/finally", type="http", auth="user")
    def good_finally(self):  # clean
        cr = request.env.registry.cursor()
        try:
            cr.execute("SELECT 1")
            return "ok"
        finally:
            cr.close()
