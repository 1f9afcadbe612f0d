import smtplib
import subprocess
import time
import urllib.request
from ftplib import FTP

import requests
from odoo import http
from odoo.http import request


class RobotController(http.Controller):
    @http.route("/robot/ping", type="json", auth="user")
    def ping(self, url):
        session = requests.Session()
        answer = session.post(url, json={"ping": 1})  # expect: SW620
        return answer.json()

    @http.route("/robot/ping2", type="json", auth="user")
    def ping_ok(self, url):  # clean
        return requests.post(url, json={"ping": 1}, timeout=(3, 10)).json()

    @http.route("/robot/wait", type="http", auth="public", csrf=False)
    def wait(self):
        for _i in range(10):
            if request.env["stock.robot"].sudo().search_count([("state", "=", "idle")]):
                break
            time.sleep(1)  # expect: SW621
        return "ok"

    @http.route("/robot/mail", type="http", auth="user")
    def mail(self):
        server = smtplib.SMTP("mail.example.com")  # expect: SW620
        server.sendmail("a", "b", "c")
        server.quit()
        return "ok"

    @http.route("/robot/ftp", type="http", auth="user")
    def ftp(self):  # clean
        with FTP("ftp.example.com", timeout=10) as ftp:
            ftp.login()
        return "ok"

    @http.route("/robot/open", type="http", auth="user")
    def open_url(self):
        with urllib.request.urlopen("https://example.com/firmware") as answer:  # expect: SW620
            return answer.read()

    @http.route("/robot/convert", type="http", auth="user")
    def convert(self):
        return subprocess.check_output(["convert", "a.png", "b.pdf"])  # expect: SW626

    @http.route("/robot/cursor", type="http", auth="none")
    def cursor(self, db):
        cr = request.env.registry.cursor()  # expect: SW601
        cr.execute("SELECT 1")
        return str(cr.fetchone())
