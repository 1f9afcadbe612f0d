from odoo import models
from odoo.tools import SQL
from psycopg2 import sql as pgsql

LISTEN = "LISTEN"
QUERY_LOCK = """
    SELECT pg_advisory_lock(%s)
"""


class Parcel(models.Model):
    _name = "parcel.parcel"
    _description = "p"

    def a(self):
        self.env.cr.execute(QUERY_LOCK, (self.id,))  # expect: SW702

    def b(self, channel):
        self.env.cr.execute(pgsql.SQL("LISTEN {}").format(pgsql.Identifier(channel)))  # expect: SW701

    def c(self, channel):
        self.env.cr.execute("%s %s" % (LISTEN, channel))  # expect: SW701

    def d(self):
        cr = self.env.cr
        cr.execute("""SELECT pg_try_advisory_lock(hashtext(%(key)s)::bigint)""", {"key": "x"})  # expect: SW702

    def e(self):
        q = "CREATE TEMPORARY TABLE IF NOT EXISTS tmp_parcel ("
        q += "id int)"
        self.env.cr.execute(q)  # expect: SW706

    def f(self):  # clean
        self.env.cr.execute("CREATE TEMP TABLE tmp_parcel (id int) ON COMMIT DROP")
        self.env.cr.execute("SELECT * FROM tmp_parcel")

    def g(self):
        self.env.cr.execute("SET SESSION statement_timeout TO 0")  # expect: SW704

    def h(self):
        self.env.cr.execute("SET TIME ZONE 'UTC'")  # expect: SW704

    def i(self):
        self.env.cr.execute("PREPARE TRANSACTION 'x'")

    def j(self):
        self.env.cr.execute(SQL("SET LOCAL lock_timeout = %s", "1s"))

    def k(self):  # clean
        self.env.cr.execute("SELECT pg_advisory_xact_lock(1)")

    def l(self):
        self.env.cr.execute("SELECT pg_backend_pid()")  # expect: SW707
        self.write({"pid": self.env.cr.fetchone()[0]})

    def m(self):  # clean
        self.env.cr.execute("UPDATE parcel_parcel SET name = 'SET x = 1; LISTEN to me'")

    def o(self):
        self.env.cr.execute("BEGIN; SET statement_timeout = 5; SELECT 1")  # expect: SW704

    def p(self):
        self.env.cr.execute("DISCARD ALL")

    def q(self):
        statements = ["SET work_mem = '1GB'", "ANALYZE parcel_parcel"]
        for statement in statements:
            self.env.cr.execute(statement)  # expect: SW704

    def r(self, ids):  # clean
        self.env.cr.execute("LOCK TABLE parcel_parcel IN EXCLUSIVE MODE")

    def s(self):
        self.env.cr.execute("UNLISTEN *")  # expect: SW701

    def t(self):
        self.env.cr.execute("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1")  # expect: SW705

    def u(self):
        cur = self.env.cr._cnx.cursor("named", withhold=True)  # expect: SW705
        cur.execute("SELECT 1")
        cur.close()
