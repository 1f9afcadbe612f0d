import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.pool import ThreadPool
from threading import Thread

import odoo
from odoo import SUPERUSER_ID, api, models
from odoo.modules.registry import Registry


class ThreadedWork(models.Model):
    _name = "threaded.work"
    _description = "Threads"

    def start_with_cursor(self):
        cr = self.env.registry.cursor()  # expect: SW611
        thread = threading.Thread(target=self._work_with, args=(cr, self.ids))
        thread.start()

    def start_imported(self):
        new_cr = Registry(self.env.cr.dbname).cursor()  # expect: SW611
        Thread(target=self._work_with, kwargs={"cr": new_cr, "ids": self.ids}, daemon=True).start()

    def start_request_cursor(self):
        threading.Thread(target=self._work_with, args=(self.env.cr, self.ids)).start()  # expect: SW611

    def start_legacy_cursor(self):
        worker = threading.Thread(target=self._work_with, args=(self._cr, self.ids))  # expect: SW611
        worker.start()

    def submit_cursor(self):
        cr = self.env.registry.cursor()  # expect: SW611
        executor = ThreadPoolExecutor(max_workers=2)
        executor.submit(self._work_with, cr, self.ids)

    def submit_request_cursor(self):
        with ThreadPoolExecutor(max_workers=4) as executor:
            for record in self:
                executor.submit(self._work_with, self.env.cr, record.ids)  # expect: SW611

    def _work_with(self, cr, ids):
        cr.execute("UPDATE threaded_work SET done = true WHERE id IN %s", (tuple(ids),))
        cr.commit()

    def _thread_body(self, dbname):
        cr = Registry(dbname).cursor()  # expect: SW601
        env = api.Environment(cr, SUPERUSER_ID, {})
        env["threaded.work"]._run()
        cr.commit()

    def _thread_body_success(self, dbname):
        with api.Environment.manage():
            new_cr = odoo.registry(dbname).cursor()  # expect: SW603
            env = api.Environment(new_cr, self.env.uid, {})
            env["threaded.work"]._run()
            new_cr.commit()
            new_cr.close()

    def start_inner(self):
        def work():
            cr = self.pool.cursor()  # expect: SW601
            cr.execute("SELECT 1")

        threading.Thread(target=work).start()

    # ------------------------------------------------------------------------------------- done well

    def good_start(self):  # clean
        threading.Thread(target=self._good_body, args=(self.env.cr.dbname, self.ids)).start()

    def _good_body(self, dbname, ids):  # clean
        with Registry(dbname).cursor() as cr:
            api.Environment(cr, SUPERUSER_ID, {})["threaded.work"].browse(ids)._run()

    def good_handover(self):  # clean
        cr = self.env.registry.cursor()
        threading.Thread(target=self._closes_it, args=(cr,)).start()

    def _closes_it(self, cr):  # clean
        try:
            cr.execute("SELECT 1")
        finally:
            cr.close()

    def good_inner(self):  # clean
        dbname = self.env.cr.dbname

        def work():
            with closing(Registry(dbname).cursor()) as cr:
                cr.execute("SELECT 1")

        Thread(target=work, daemon=True).start()

    def good_pool(self):  # clean
        with ThreadPool(4) as workers:
            return workers.map(self._fetch, self.mapped("name"))

    def good_join(self):  # clean
        cr = self.env.registry.cursor()
        try:
            thread = threading.Thread(target=self._work_with, args=(cr, self.ids))
            thread.start()
            thread.join()
        finally:
            cr.close()
