import logging

from odoo import SUPERUSER_ID, api, models
from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)


class Batch(models.Model):
    _name = "batch"
    _description = "Batch"

    def import_all(self, rows):
        for row in rows:
            self.create(row)
            self.env.cr.commit()  # expect: SW622

    def import_all_short(self, rows):
        for row in rows:
            self.create(row)
            self._cr.commit()  # expect: SW622

    def import_while(self):
        while self._next():
            self._take_one()
            self.env.cr.commit()  # expect: SW622

    def import_alias(self, rows):
        cr = self.env.cr
        for row in rows:
            cr.execute("INSERT INTO batch_line VALUES (%s)", (row,))
            cr.commit()  # expect: SW622

    def import_guarded(self, rows):
        for row in rows:
            try:
                self.create(row)
                if not self.env.registry.in_test_mode():
                    self.env.cr.commit()  # expect: SW622
            except ValueError:
                _logger.exception("bad row")

    def import_record_cursor(self):
        for line in self.mapped("line_ids"):
            line.run()
            line.env.cr.commit()  # expect: SW622

    def close_it(self):
        self.env.cr.close()  # expect: SW623

    def close_alias(self):
        cr = self._cr
        cr.execute("SELECT 1")
        cr.close()  # expect: SW623

    def close_in_finally(self):
        try:
            self._take_one()
        finally:
            self.env.cr.commit()
            self.env.cr.close()  # expect: SW623

    def close_with(self):
        with self.env.cr as cr:  # expect: SW623
            cr.execute("SELECT 1")

    def undo(self):
        self.env.cr.rollback()  # expect: SW624
        self.write({"state": "failed"})

    def undo_on_error(self):
        try:
            self._take_one()
        except Exception as error:
            self.env.cr.rollback()  # expect: SW624
            self.message_post(body=str(error))

    def undo_short(self):
        try:
            self._take_one()
        except ValueError:
            self._cr.rollback()  # expect: SW624

    def undo_own_work(self):
        for record in self:
            try:
                record._take_one()
                self.env.cr.commit()  # expect: SW622
            except ValueError:
                self.env.cr.rollback()

    def _take_and_commit(self):
        self._take_one()
        self.env.cr.commit()

    def undo_what_was_not_committed(self):  # clean
        try:
            self._take_and_commit()
        except ValueError:
            self.env.cr.rollback()
            return False
        return True

    def undo_reading(self):  # clean
        if self.env.cr.readonly:
            self.env.cr.rollback()
        return self.env.registry

    def undo_in_cron_of_19(self):  # clean
        for record in self:
            try:
                record._take_one()
            except ValueError:
                self.env.cr.rollback()
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def nested_per_record(self):
        for record in self:
            with self.env.registry.cursor() as cr:  # expect: SW625
                record.with_env(record.env(cr=cr))._take_one()

    def nested_per_row(self, rows):
        for row in rows:
            with Registry(self.env.cr.dbname).cursor() as new_cr:  # expect: SW625
                new_cr.execute("INSERT INTO batch_log VALUES (%s)", (row,))

    def nested_in_handler(self):
        for record in self:
            try:
                record._take_one()
            except Exception:
                with self.pool.cursor() as log_cr:  # expect: SW625
                    log_cr.execute("INSERT INTO batch_log VALUES (%s)", (record.id,))

    def nested_finally(self, rows):
        for row in rows:
            cr = self.env.registry.cursor()  # expect: SW625
            try:
                cr.execute("INSERT INTO batch_log VALUES (%s)", (row,))
            finally:
                cr.close()

    # ------------------------------------------------------------------------------------- done well

    def good_commit_once(self, rows):  # clean
        for row in rows:
            self.create(row)
        self.env.cr.commit()

    def good_commit_batches(self, rows):  # clean
        for index, row in enumerate(rows):
            self.create(row)
            if index % 500 == 0:
                self.env.cr.commit()

    def good_commit_chunks(self, ids):  # clean
        for start in range(0, len(ids), 500):
            self.browse(ids[start : start + 500])._take()
            self.env.cr.commit()

    def good_commit_split(self, rows):  # clean
        for chunk in self.env.cr.split_for_in_conditions(rows):
            self.browse(chunk)._take()
            self.env.cr.commit()

    def good_commit_own(self, rows):  # clean
        with self.env.registry.cursor() as cr:
            for row in rows:
                cr.execute("INSERT INTO batch_line VALUES (%s)", (row,))
                cr.commit()

    def good_commit_leaving(self, rows):  # clean
        for row in rows:
            try:
                self.create(row)
            except ValueError:
                self.write({"state": "failed"})
                self.env.cr.commit()
                raise

    def good_commit_return(self, rows):  # clean
        for row in rows:
            if self._matches(row):
                self.write({"row": row})
                self.env.cr.commit()
                return True
        return False

    def good_rollback_raise(self):  # clean
        try:
            self._take_one()
        except Exception:
            self.env.cr.rollback()
            raise

    def good_savepoint(self, rows):  # clean
        for row in rows:
            with self.env.cr.savepoint():
                self.create(row)

    def good_one_cursor(self):  # clean
        with self.env.registry.cursor() as cr:
            for record in self:
                record.with_env(record.env(cr=cr))._take_one()

    def good_cursor_per_database(self, names):  # clean
        for name in names:
            with Registry(name).cursor() as cr:
                cr.execute("SELECT 1")

    def good_rollback_own(self):  # clean
        with self.env.registry.cursor() as cr:
            try:
                cr.execute("SELECT 1")
            except Exception:
                cr.rollback()

    def good_cron_progress(self):  # clean
        for record in self:
            record._take_one()
            self.env["ir.cron"]._commit_progress(1)


class NightlyThread:
    def run(self, dbname):  # clean
        while True:
            with Registry(dbname).cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                if not env["batch"]._next():
                    return
