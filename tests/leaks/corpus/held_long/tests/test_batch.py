import time

import requests
from odoo.tests import HttpCase


class TestBatch(HttpCase):
    def test_open(self):  # clean
        self.assertEqual(requests.get("http://127.0.0.1:8069/good").status_code, 200)

    def test_wait(self):  # clean
        time.sleep(2)

    def test_rollback(self):  # clean
        self.env.cr.rollback()
