import psycopg2
from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestRobot(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.cr2 = self.registry.cursor()
        self.addCleanup(self.cr2.close)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.conn = psycopg2.connect("dbname=test")  # expect: SW608

    def test_other(self):  # clean
        cr = self.enterContext(self.registry.cursor())
        cr.execute("SELECT 1")
        self.assertEqual(cr.fetchone(), (1,))

    def test_lost(self):
        cr = self.registry.cursor()  # expect: SW603
        cr.execute("SELECT 1")
        self.assertEqual(cr.fetchone(), (1,))
        cr.close()
