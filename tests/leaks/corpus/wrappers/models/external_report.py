from contextlib import closing

from odoo import api, models

from ..tools import database
from ..tools.database import (
    Holder,
    Session,
    careful_open,
    close_quietly,
    external,
    get_external_cursor,
    half_open,
    log_only,
    new_env,
    open_external,
    open_external_retrying,
    open_in_dict,
    open_pair,
    reader_connect,
)


class ExternalReport(models.Model):
    _name = "external.report"
    _description = "Report"

    def rows(self):
        conn = open_external()  # expect: SW610
        return conn.cursor().fetchall()

    def rows_module(self):
        conn = database.open_external()  # expect: SW610
        cur = conn.cursor()
        cur.execute("SELECT 1")
        return cur.fetchall()

    def rows_retrying(self):
        conn = open_external_retrying()  # expect: SW610
        cur = conn.cursor()
        cur.execute("SELECT 1")
        return cur.fetchall()

    def rows_cursor(self):
        cr = get_external_cursor()  # expect: SW603
        cr.execute("SELECT 1")
        rows = cr.fetchall()
        cr.close()
        return rows

    def rows_pair(self):
        conn, cur = open_pair("dbname=x")  # expect: SW610
        cur.execute("SELECT 1")
        cur.close()

    def rows_dict(self):
        source = open_in_dict("dbname=x")  # expect: SW610
        return source["connection"].cursor()

    def rows_env(self):
        env = new_env("other", 1)  # expect: SW610
        return env["res.partner"].search_count([])

    def rows_partial(self):
        conn = reader_connect("dbname=x")  # expect: SW602
        return conn.cursor().fetchall()

    def rows_with(self):
        with open_external() as conn:  # expect: SW606
            return conn.cursor().fetchall()

    def rows_logged(self):
        conn = open_external()  # expect: SW610
        log_only(conn)

    def rows_half(self):
        conn = half_open("dbname=x")  # expect: SW603
        rows = conn.cursor().fetchall()
        close_quietly(conn)
        return rows

    def rows_holder(self):
        holder = Holder(open_external())  # expect: SW610
        return holder.conn.cursor().fetchall()

    def _connect(self):
        self.ensure_one()
        return open_external()

    def rows_method(self):
        conn = self._connect()  # expect: SW610
        return conn.cursor().fetchall()

    def rows_sudo(self):
        conn = self.sudo()._connect()  # expect: SW610
        return conn.cursor().fetchall()

    @staticmethod
    def _lock(cr, job_id):
        lock_cr = get_external_cursor()  # expect: SW603
        lock_cr.execute("SELECT 1 FROM job WHERE id = %s FOR UPDATE NOWAIT", (job_id,))
        return lock_cr

    # ------------------------------------------------------------------------------------- done well

    def good_lock(self, cr, job):  # clean
        lock_cr = self._lock(cr, job.id)
        try:
            job.run()
        finally:
            lock_cr.close()

    def good_rows(self):  # clean
        conn = open_external()
        try:
            return conn.cursor().fetchall()
        finally:
            conn.close()

    def good_closing(self):  # clean
        with closing(open_external()) as conn:
            return conn.cursor().fetchall()

    def good_cursor(self):  # clean
        with get_external_cursor() as cr:
            cr.execute("SELECT 1")
            return cr.fetchall()

    def good_context(self):  # clean
        with external() as conn:
            return conn.cursor().fetchall()

    def good_quietly(self):  # clean
        conn = careful_open("dbname=x")
        try:
            return conn.cursor().fetchall()
        finally:
            close_quietly(conn)

    def good_pair(self):  # clean
        conn, cur = open_pair("dbname=x")
        try:
            cur.execute("SELECT 1")
        finally:
            cur.close()
            conn.close()

    def good_dict(self):  # clean
        source = open_in_dict("dbname=x")
        try:
            return source["connection"].cursor().fetchall()
        finally:
            source["connection"].close()

    def good_env(self):  # clean
        env = new_env("other", 1)
        try:
            return env["res.partner"].search_count([])
        finally:
            env.cr.close()

    def good_session(self):  # clean
        with Session(open_external()) as session:
            return session.conn.cursor().fetchall()

    def good_hands_out(self):  # clean
        return self._connect()

    @api.model
    def good_method(self):  # clean
        conn = self._connect()
        try:
            return conn.cursor().fetchall()
        finally:
            conn.close()

    def _get_cr_for_query(self):  # clean
        if self.use_external_database:
            return get_external_cursor()
        return self.env.cr

    def good_either(self):  # clean
        cr = self._get_cr_for_query()
        try:
            cr.execute("SELECT 1")
            return cr.fetchall()
        finally:
            if cr != self.env.cr:
                cr.close()

    def good_finish(self):  # clean
        cr = self._get_cr_for_query()
        try:
            cr.execute("SELECT 1")
        finally:
            self._finish(cr)

    def _finish(self, cr):  # clean
        cr.rollback()
        if self.env.cr != cr:
            cr.close()
