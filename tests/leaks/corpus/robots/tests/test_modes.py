from odoo import SUPERUSER_ID, api
from odoo.tests import HttpCase, TransactionCase


class TestConcurrent(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.data = {
            "ids": [],
            "envs": [
                api.Environment(self.env.registry.cursor(), SUPERUSER_ID, {}),
                api.Environment(self.env.registry.cursor(), SUPERUSER_ID, {}),
            ],
        }
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for env in self.data["envs"]:
            env.cr.close()

    def test_in_test_mode(self):  # clean
        self.registry.enter_test_mode(self.cr)
        self.addCleanup(self.registry.leave_test_mode)
        env = self.env(cr=self.registry.cursor())
        env["stock.robot"].search([]).unlink()

    def test_in_test_mode_of_19(self):  # clean
        with self.enter_registry_test_mode():
            cr = self.registry.cursor()
            cr.execute("SELECT 1")


class TestPage(HttpCase):
    def test_page(self):  # clean
        cr = self.registry.cursor()
        cr.execute("SELECT 1")
