# Odoo cursors of one's own: cron methods, batch workers, log-in-a-new-transaction helpers.
import contextlib
import logging
from contextlib import closing

import odoo
from odoo import SUPERUSER_ID, api, models, registry, sql_db
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect

_logger = logging.getLogger(__name__)


class NightlyJob(models.Model):
    _name = "nightly.job"
    _description = "Nightly job"

    def cron_never(self):
        cr = self.pool.cursor()  # expect: SW601
        env = api.Environment(cr, self.env.uid, self.env.context)
        env["nightly.job"].search([])._run()
        cr.commit()

    def cron_registry(self):
        new_cr = registry(self.env.cr.dbname).cursor()  # expect: SW603
        self.with_env(self.env(cr=new_cr))._run()
        new_cr.commit()
        new_cr.close()

    def cron_env_registry(self):
        cr = self.env.registry.cursor()  # expect: SW601
        self.with_env(self.env(cr=cr))._run()

    def cron_registry_class(self, dbname):
        cr = Registry(dbname).cursor()  # expect: SW603
        env = api.Environment(cr, SUPERUSER_ID, {})
        env["nightly.job"]._run()
        cr.close()

    def cron_odoo_registry(self, dbname):
        cr = odoo.registry(dbname).cursor()  # expect: SW601
        cr.execute("SELECT 1")
        return cr.fetchall()

    def cron_db_connect(self, dbname):
        cr = db_connect(dbname).cursor()  # expect: SW601
        cr.execute("SELECT 1")

    def cron_sql_db(self, dbname):
        db = sql_db.db_connect(dbname)
        cr = db.cursor()  # expect: SW603
        cr.execute("SELECT 1")
        cr.close()

    def cron_sql_db_qualified(self, dbname):
        cr = odoo.sql_db.db_connect(dbname).cursor()  # expect: SW603
        cr.execute("UPDATE nightly_job SET active = true")
        cr.commit()
        cr.close()

    def cron_readonly(self):
        cr = self.env.registry.cursor(readonly=True)  # expect: SW601
        cr.execute("SELECT count(*) FROM nightly_job")
        return cr.fetchone()[0]

    def cron_modules_registry(self, dbname):
        reg = odoo.modules.registry.Registry(dbname)
        cr = reg.cursor()  # expect: SW604
        try:
            cr.execute("SELECT 1")
        except Exception as error:
            _logger.error("failed: %s", error)
            cr.rollback()
            return False
        cr.close()
        return True

    def cron_per_database(self):
        for dbname in odoo.service.db.list_dbs(True):
            cr = Registry(dbname).cursor()  # expect: SW601
            cr.execute("DELETE FROM nightly_job WHERE done")
            cr.commit()

    def cron_continue(self):
        for dbname in odoo.service.db.list_dbs(True):
            cr = db_connect(dbname).cursor()  # expect: SW605
            cr.execute("SELECT 1 FROM pg_tables WHERE tablename = 'nightly_job'")
            if not cr.fetchone():
                continue
            cr.close()

    def cron_break(self):
        for dbname in odoo.service.db.list_dbs(True):
            cr = db_connect(dbname).cursor()  # expect: SW604
            try:
                cr.execute("SELECT 1 FROM nightly_job")
                if cr.fetchone():
                    break
            except Exception:
                cr.close()
                raise
            cr.close()

    def log_failure(self, message):
        try:
            self._run()
        except Exception:
            new_cr = self.pool.cursor()  # expect: SW603
            self.with_env(self.env(cr=new_cr)).write({"state": "failed"})
            new_cr.commit()
            new_cr.close()
            raise

    def log_except_only(self):
        cr = self.env.registry.cursor()  # expect: SW604
        try:
            self.with_env(self.env(cr=cr))._run()
            cr.commit()
        except Exception:
            cr.rollback()
            cr.close()
            raise

    def finally_without_close(self):
        cr = self.env.registry.cursor()  # expect: SW601
        try:
            self.with_env(self.env(cr=cr))._run()
        finally:
            cr.rollback()

    def after_return(self):
        cr = self.env.registry.cursor()  # expect: SW601
        return self.with_env(self.env(cr=cr))._run()
        cr.close()

    def commits_are_not_closes(self):
        cr = registry(self._cr.dbname).cursor()  # expect: SW601
        try:
            self.with_env(self.env(cr=cr))._run()
            cr.commit()
        except Exception:
            cr.rollback()

    def lambda_opens(self):
        opener = lambda: self.env.registry.cursor()
        cr = opener()  # expect: SW610
        cr.execute("SELECT 1")

    def inline_use(self, dbname):
        return api.Environment(Registry(dbname).cursor(), SUPERUSER_ID, {})["res.users"].search([])  # expect: SW601

    def inline_env(self):
        env = api.Environment(self.pool.cursor(), self.env.uid, {})  # expect: SW601
        env["nightly.job"]._run()
        env.cr.commit()

    def two_cursors(self, other):
        cr = Registry(self.env.cr.dbname).cursor()  # expect: SW603
        other_cr = Registry(other).cursor()  # expect: SW601
        try:
            other_cr.execute("SELECT 1")
        finally:
            cr.close()

    def nested_try(self):
        cr = self.env.registry.cursor()  # expect: SW604
        try:
            try:
                cr.execute("SELECT 1")
            except ValueError:
                cr.close()
        except Exception:
            _logger.warning("not today")

    def loop_else(self, ids):
        cr = self.env.registry.cursor()  # expect: SW604
        try:
            for record_id in ids:
                cr.execute("SELECT state FROM nightly_job WHERE id = %s", (record_id,))
                if cr.fetchone()[0] == "stop":
                    return record_id
            else:
                cr.close()
        except Exception:
            cr.close()
            raise
        return None

    def condition_closes_half(self, keep):
        cr = self.env.registry.cursor()  # expect: SW604
        try:
            cr.execute("SELECT 1")
        finally:
            if not keep:
                cr.close()

    # ------------------------------------------------------------------------------------- done well

    def good_with(self):  # clean
        with self.pool.cursor() as cr:
            self.with_env(self.env(cr=cr))._run()

    def good_with_registry(self):  # clean
        with registry(self.env.cr.dbname).cursor() as new_cr:
            self.with_env(self.env(cr=new_cr))._run()

    def good_with_env_registry(self):  # clean
        with self.env.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["nightly.job"]._run()
            cr.commit()

    def good_with_readonly(self):  # clean
        with self.env.registry.cursor(readonly=True) as cr:
            cr.execute("SELECT 1")
            return cr.fetchall()

    def good_closing(self):  # clean
        with closing(self.env.registry.cursor()) as cr:
            self.with_env(self.env(cr=cr))._run()
            cr.commit()

    def good_closing_qualified(self, dbname):  # clean
        with contextlib.closing(odoo.sql_db.db_connect(dbname).cursor()) as cr:
            cr.execute("SELECT 1")

    def good_finally(self):  # clean
        cr = self.pool.cursor()
        try:
            self.with_env(self.env(cr=cr))._run()
            cr.commit()
        except Exception:
            cr.rollback()
            raise
        finally:
            cr.close()

    def good_env_before_try(self):  # clean
        cr = Registry(self.env.cr.dbname).cursor()
        env = api.Environment(cr, SUPERUSER_ID, {})
        try:
            env["nightly.job"]._run()
        finally:
            cr.close()

    def good_env_closes(self):  # clean
        env = api.Environment(self.pool.cursor(), self.env.uid, {})
        try:
            env["nightly.job"]._run()
        finally:
            env.cr.close()

    def good_per_database(self):  # clean
        for dbname in odoo.service.db.list_dbs(True):
            with Registry(dbname).cursor() as cr:
                cr.execute("DELETE FROM nightly_job WHERE done")

    def good_with_later(self):  # clean
        cr = self.env.registry.cursor()
        with cr:
            self.with_env(self.env(cr=cr))._run()

    def good_optional(self, cr=None):  # clean
        new_cr = None
        if cr is None:
            cr = new_cr = self.env.registry.cursor()
        try:
            cr.execute("SELECT 1")
        finally:
            if new_cr:
                new_cr.close()

    def good_not_mine(self, use_new):  # clean
        cr = self.env.registry.cursor() if use_new else self.env.cr
        try:
            cr.execute("SELECT 1")
        finally:
            if cr is not self.env.cr:
                cr.close()

    def good_same_condition(self, use_new_cursor):  # clean
        if use_new_cursor:
            cr = registry(use_new_cursor).cursor()
            self = self.with_env(self.env(cr=cr))
        try:
            self._run()
            if use_new_cursor:
                cr.commit()
        finally:
            if use_new_cursor:
                cr.close()

    def good_request_cursor(self):  # clean
        cr = self.env.cr
        cr.execute("SELECT 1")
        return cr.fetchall()

    def good_savepoint(self):  # clean
        with self.env.cr.savepoint():
            self._run()

    def good_flush(self):  # clean
        self.env.flush_all()
        with self.env.cr.savepoint(flush=False) as sp:
            sp.rollback()

    def good_raise_after_close(self):  # clean
        cr = self.env.registry.cursor()
        try:
            cr.execute("SELECT 1")
            found = cr.fetchone()
        finally:
            cr.close()
        if not found:
            raise ValueError("nothing")
        return found

    def good_retrying(self):  # clean
        tries = 0
        while True:
            with self.env.registry.cursor() as cr:
                try:
                    return self.with_env(self.env(cr=cr))._run()
                except Exception:
                    tries += 1
                    cr.rollback()
                    if tries > 3:
                        raise

    def good_new_thread_local_import(self, dbname):  # clean
        from odoo.modules.registry import Registry as Reg

        with Reg(dbname).cursor() as cr:
            cr.execute("SELECT 1")

    @api.autovacuum
    def _gc_jobs(self):  # clean
        self.env.cr.execute("DELETE FROM nightly_job WHERE done")
