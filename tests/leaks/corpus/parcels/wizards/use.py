from odoo import models
from odoo.addons.parcel.lib.db import HubDatabase as Db
from ..lib.db import HubDatabase, close_quietly, iterate_open, open_dict, open_pool, open_two, transaction
from ..lib import db


class Wizard(models.TransientModel):
    _name = "parcel.wizard"
    _description = "w"

    def one(self):
        hub = HubDatabase("dbname=hub")  # expect: SW610
        return hub.fetch("SELECT 1")

    def two(self):  # clean
        hub = HubDatabase("dbname=hub")
        try:
            return hub.fetch("SELECT 1")
        finally:
            hub.shutdown()

    def three(self):  # clean
        with db.HubDatabase("dbname=hub") as hub:
            return hub.fetch("SELECT 1")

    def four(self):
        hub = db.HubDatabase("dbname=hub")  # expect: SW603
        rows = hub.fetch("SELECT 1")
        hub.shutdown()
        return rows

    def five(self):
        a, b = open_two("dbname=a", "dbname=b")  # expect: SW610
        a.cursor().execute("SELECT 1")
        b.cursor().execute("SELECT 1")

    def six(self):  # clean
        a, b = open_two("dbname=a", "dbname=b")
        try:
            a.cursor().execute("SELECT 1")
        finally:
            a.close()
            b.close()

    def seven(self):
        ctx = open_dict("dbname=a")  # expect: SW610
        ctx["connection"].cursor().execute("SELECT 1")

    def eight(self):  # clean
        ctx = open_dict("dbname=a")
        try:
            ctx["connection"].cursor().execute("SELECT 1")
        finally:
            close_quietly(ctx["connection"])

    def nine(self):
        pool = open_pool("dbname=a")  # expect: SW610
        conn = pool.getconn()
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            pool.putconn(conn)

    def ten(self):
        return next(iterate_open("dbname=a", "SELECT 1"))

    @transaction()
    def eleven(self):  # clean
        return True

    def twelve(self):
        HubDatabase("dbname=hub").fetch("SELECT 1")  # expect: SW610
