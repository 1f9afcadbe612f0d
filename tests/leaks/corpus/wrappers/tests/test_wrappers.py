import psycopg2
from odoo import api
from odoo.modules.registry import Registry
from odoo.tests import TransactionCase, common


class TestLeaky(TransactionCase):
    def setUp(self):
        super().setUp()
        self.cr2 = Registry(common.get_db_name()).cursor()  # expect: SW608
        self.env2 = api.Environment(self.cr2, self.env.uid, {})

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.conn = psycopg2.connect("dbname=test")  # expect: SW608

    def test_lock(self):
        cr = self.registry.cursor()  # expect: SW603
        cr.execute("SELECT 1")
        self.assertEqual(cr.fetchone(), (1,))
        cr.close()

    def test_raises(self):
        other = self.env.registry.cursor()  # expect: SW601
        with self.assertRaises(psycopg2.Error):
            other.execute("SELECT 1 FROM missing")


class TestGood(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.cr2 = Registry(common.get_db_name()).cursor()
        self.addCleanup(self.cr2.close)

    def test_local(self):  # clean
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        cr.execute("SELECT 1")

    def test_with(self):  # clean
        with self.registry.cursor() as cr:
            cr.execute("SELECT 1")

    def test_own_cursor(self):  # clean
        with self.cursor() as cr:
            cr.execute("SELECT 1")


class TestGoodDecorated(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.cr3 = Registry(common.get_db_name()).cursor()
        self.env3 = api.Environment(self.cr3, self.env.uid, {})

        @self.addCleanup
        def reset():
            self.cr3.rollback()
            self.cr3.close()


class TestGoodTearDown(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.other_cr = self.env.registry.cursor()

    def tearDown(self):  # clean
        self.other_cr.close()
        super().tearDown()


class TestGoodClass(TransactionCase):
    @classmethod
    def setUpClass(cls):  # clean
        super().setUpClass()
        cls.conn = psycopg2.connect("dbname=test")
        cls.addClassCleanup(cls.conn.close)


class TestGoodTearDownClass(TransactionCase):
    @classmethod
    def setUpClass(cls):  # clean
        super().setUpClass()
        cls.conn = psycopg2.connect("dbname=test")

    @classmethod
    def tearDownClass(cls):  # clean
        cls.conn.close()
        super().tearDownClass()


class TestGoodEnter(TransactionCase):
    def test_enter(self):  # clean
        cr = self.enterContext(self.registry.cursor())
        cr.execute("SELECT 1")
