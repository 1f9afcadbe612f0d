from contextlib import closing

from odoo import models

from ..tools.wrap import Wms, new_env_cursor, with_connection, wms, wms_connection, wms_cursor
from ..tools import wrap as wrapping


class Move(models.Model):
    _inherit = "stock.move"

    def _send_one(self):
        conn = wms_connection(self.env)  # expect: SW610
        with conn.cursor() as cur:
            cur.execute("INSERT INTO moves VALUES (%s)", (self.id,))
        conn.commit()

    def _send_two(self):  # clean
        with closing(wms_connection(self.env)) as conn, conn, conn.cursor() as cur:
            cur.execute("INSERT INTO moves VALUES (%s)", (self.id,))

    def _send_three(self):
        conn, cur = wms_cursor(self.env)  # expect: SW610
        cur.execute("INSERT INTO moves VALUES (%s)", (self.id,))
        conn.commit()

    def _send_four(self):  # clean
        conn, cur = wms_cursor(self.env)
        try:
            cur.execute("INSERT INTO moves VALUES (%s)", (self.id,))
            conn.commit()
        finally:
            conn.close()

    def _send_five(self):  # clean
        with wms(self.env) as conn:
            conn.cursor().execute("SELECT 1")

    @with_connection
    def _send_six(self, conn):  # clean
        conn.cursor().execute("SELECT 1")

    def _send_seven(self):
        client = Wms(self.env)  # expect: SW610
        client.conn.cursor().execute("SELECT 1")

    def _send_eight(self):  # clean
        with Wms(self.env) as client:
            client.conn.cursor().execute("SELECT 1")

    def _send_nine(self):
        cr = wrapping.new_env_cursor("other")  # expect: SW610
        cr.execute("SELECT 1")

    def _send_ten(self):  # clean
        with wrapping.new_env_cursor("other") as cr:
            cr.execute("SELECT 1")

    def _send_many(self):
        for move in self:
            cr = new_env_cursor("other")  # expect: SW610, SW625
            cr.execute("SELECT %s", (move.id,))
            cr.commit()
