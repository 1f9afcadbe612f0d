import functools

import psycopg2
from odoo import models


def with_cursor(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        cr = self.env.registry.cursor()  # expect: SW603
        result = method(self, cr, *args, **kwargs)
        cr.close()
        return result

    return wrapper


def with_connection(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        conn = psycopg2.connect(self.dsn)  # expect: SW602
        return method(self, conn, *args, **kwargs)

    return wrapper


def good_with_cursor(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):  # clean
        with self.env.registry.cursor() as cr:
            return method(self, cr, *args, **kwargs)

    return wrapper


def good_with_connection(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):  # clean
        conn = psycopg2.connect(self.dsn)
        try:
            return method(self, conn, *args, **kwargs)
        finally:
            conn.close()

    return wrapper


class Decorated(models.Model):
    _name = "decorated"
    _description = "Decorated"

    @good_with_cursor
    def work(self, cr):  # clean
        cr.execute("SELECT 1")

    @good_with_connection
    def work_outside(self, conn):  # clean
        conn.cursor().execute("SELECT 1")
