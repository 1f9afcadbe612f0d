# Controllers and another driver. Written before any of it was scanned.
import smtplib
import socket
from ftplib import FTP
from urllib.request import urlopen

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from odoo import SUPERUSER_ID, api, http
from odoo.http import request
from odoo.modules.registry import Registry
from odoo.service.db import list_dbs


class Portal(http.Controller):
    @http.route("/third/ping", type="http", auth="none")
    def ping(self, db):
        cr = Registry(db).cursor()  # expect: SW601
        cr.execute("SELECT 1")
        return str(cr.fetchone())

    @http.route("/third/ping_tidy", type="http", auth="none")
    def ping_tidy(self, db):  # clean
        with Registry(db).cursor() as cr:
            cr.execute("SELECT 1")
            return str(cr.fetchone())

    @http.route("/third/all", type="json", auth="none")
    def counts(self):
        result = {}
        for db in list_dbs():
            registry = Registry(db)
            cr = registry.cursor()  # expect: SW603
            result[db] = api.Environment(cr, SUPERUSER_ID, {})["res.users"].search_count([])
            cr.close()
        return result

    @http.route("/third/all_tidy", type="json", auth="none")
    def counts_tidy(self):  # clean
        result = {}
        for db in list_dbs():
            with Registry(db).cursor() as cr:
                result[db] = api.Environment(cr, SUPERUSER_ID, {})["res.users"].search_count([])
        return result

    @http.route("/third/warehouse", type="json", auth="user")
    def warehouse(self):
        conn = psycopg.connect("dbname=wh", autocommit=True)  # expect: SW603
        row = conn.execute("SELECT count(*) FROM fact").fetchone()
        conn.close()
        return row[0]

    @http.route("/third/warehouse_tidy", type="json", auth="user")
    def warehouse_tidy(self):  # clean
        with psycopg.connect("dbname=wh", autocommit=True) as conn:
            return conn.execute("SELECT count(*) FROM fact").fetchone()[0]

    @http.route("/third/engine", type="json", auth="user")
    def engine(self):
        engine = create_engine("postgresql://bi@wh/fact")  # expect: SW613
        with engine.connect() as conn:
            return conn.execute(text("SELECT 1")).scalar()

    @http.route("/third/engine_tidy", type="json", auth="user")
    def engine_tidy(self):  # clean
        engine = create_engine("postgresql://bi@wh/fact")
        try:
            with engine.connect() as conn:
                return conn.execute(text("SELECT 1")).scalar()
        finally:
            engine.dispose()

    @http.route("/third/orm", type="json", auth="user")
    def orm(self):
        engine = create_engine("postgresql://bi@wh/fact")
        session = sessionmaker(bind=engine)()  # expect: SW602
        try:
            return session.execute(text("SELECT 1")).scalar()
        finally:
            engine.dispose()

    @http.route("/third/orm_tidy", type="json", auth="user")
    def orm_tidy(self):  # clean
        engine = create_engine("postgresql://bi@wh/fact")
        try:
            with sessionmaker(bind=engine)() as session:
                return session.execute(text("SELECT 1")).scalar()
        finally:
            engine.dispose()

    @http.route("/third/mail", type="json", auth="user")
    def mail(self, body):
        server = smtplib.SMTP("mail.example.com")  # expect: SW620
        server.sendmail("a@example.com", ["b@example.com"], body)
        server.quit()

    @http.route("/third/mail_tidy", type="json", auth="user")
    def mail_tidy(self, body):  # clean
        with smtplib.SMTP("mail.example.com", timeout=10) as server:
            server.sendmail("a@example.com", ["b@example.com"], body)

    @http.route("/third/ftp", type="json", auth="user")
    def ftp(self):
        with FTP("ftp.example.com") as ftp:  # expect: SW620
            return ftp.nlst()

    @http.route("/third/ftp_tidy", type="json", auth="user")
    def ftp_tidy(self):  # clean
        with FTP("ftp.example.com", timeout=15) as ftp:
            return ftp.nlst()

    @http.route("/third/url", type="http", auth="public")
    def url(self, address):
        return urlopen(address).read()  # expect: SW620

    @http.route("/third/url_tidy", type="http", auth="public")
    def url_tidy(self, address):  # clean
        return urlopen(address, timeout=5).read()

    @http.route("/third/socket", type="http", auth="public")
    def socket_tidy(self):  # clean
        with socket.create_connection(("printer", 9100), timeout=3) as sock:
            sock.sendall(b"x")

    @http.route("/third/lock", type="http", auth="public")
    def lock(self):
        request.env.cr.execute(  # expect: SW702
            """
            SELECT pg_advisory_lock_shared(42)
            """
        )
        return "ok"

    @http.route("/third/rollback", type="http", auth="public")
    def rollback(self):
        try:
            request.env["sale.order"].create({})
        except ValueError:
            request.env.cr.rollback()  # expect: SW624
            return "no"
        return "yes"

    @http.route("/third/commit", type="json", auth="public")
    def commit(self, ids):
        for order in request.env["sale.order"].browse(ids):
            order.action_confirm()
            request.env.cr.commit()  # expect: SW622
