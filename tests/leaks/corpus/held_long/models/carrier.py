import ftplib
import http.client
import imaplib
import smtplib
import socket
import subprocess
import time
import urllib.request
import xmlrpc.client
from subprocess import Popen, check_output
from time import sleep
from urllib.request import urlopen

import httpx
import paramiko
import requests
from odoo import models
from odoo.modules.registry import Registry
from requests import Session


class Carrier(models.Model):
    _inherit = "delivery.carrier"

    def rate(self, order):
        response = requests.post(self.url, json={"order": order.name})  # expect: SW620
        return response.json()

    def label(self, picking):
        return requests.get(self.url + "/label", params={"id": picking.id}).content  # expect: SW620

    def cancel(self):
        requests.request("DELETE", self.url, headers={"X-Key": self.key})  # expect: SW620

    def no_limit(self):
        return requests.get(self.url, timeout=None)  # expect: SW620

    def with_session(self):
        session = requests.Session()
        session.headers["X-Key"] = self.key
        return session.get(self.url)  # expect: SW620

    def with_session_block(self):
        with Session() as http_session:
            return http_session.put(self.url, data="x")  # expect: SW620

    def feed(self):
        with urllib.request.urlopen(self.url) as handle:  # expect: SW620
            return handle.read()

    def feed_short(self):
        return urlopen(self.url).read()  # expect: SW620

    def feed_client(self):
        connection = http.client.HTTPSConnection("api.example.com")  # expect: SW620
        connection.request("GET", "/")
        return connection.getresponse().read()

    def notify(self):
        server = smtplib.SMTP("localhost", 25)  # expect: SW620
        server.sendmail("a@example.com", ["b@example.com"], "x")
        server.quit()

    def upload(self, data):
        ftp = ftplib.FTP(self.host)  # expect: SW620
        ftp.login(self.user, self.password)
        ftp.storbinary("STOR x", data)

    def upload_tls(self, data):
        with ftplib.FTP_TLS(self.host, self.user, self.password) as ftp:  # expect: SW620
            ftp.storbinary("STOR x", data)

    def upload_sftp(self):
        client = paramiko.SSHClient()
        client.connect(self.host, username=self.user)  # expect: SW620
        client.open_sftp().put("a", "b")

    def ask_socket(self):
        return socket.create_connection((self.host, 9100))  # expect: SW620

    def mailbox(self):
        return imaplib.IMAP4_SSL(self.host)  # expect: SW620

    def remote_odoo(self):
        proxy = xmlrpc.client.ServerProxy(self.url)  # expect: SW620
        return proxy.common.version()

    def async_client_off(self):
        return httpx.get(self.url, timeout=None)  # expect: SW620

    def convert(self, path):
        subprocess.run(["soffice", "--headless", path], check=True)  # expect: SW626

    def convert_output(self, path):
        return check_output(["pdftotext", path])  # expect: SW626

    def convert_pipe(self, path):
        process = Popen(["gs", path], stdout=subprocess.PIPE)
        return process.communicate()[0]  # expect: SW626

    def convert_call(self, path):
        return subprocess.call(["convert", path])  # expect: SW626

    def wait_for_label(self):
        for _attempt in range(10):
            if self._label_ready():
                return True
            time.sleep(5)  # expect: SW621
        return False

    def throttle(self):
        for picking in self.picking_ids:
            picking._send()
            sleep(1)  # expect: SW621

    def wait_configured(self):
        time.sleep(self.delay)  # expect: SW621

    # ------------------------------------------------------------------------------------- done well

    def good_rate(self, order):  # clean
        return requests.post(self.url, json={"order": order.name}, timeout=10).json()

    def good_rate_tuple(self):  # clean
        return requests.get(self.url, timeout=(3, 20))

    def good_rate_setting(self):  # clean
        return requests.get(self.url, timeout=self.timeout or 30)

    def good_kwargs(self, **kwargs):  # clean
        kwargs.setdefault("timeout", 10)
        return requests.get(self.url, **kwargs)

    def good_session(self):  # clean
        session = requests.Session()
        return session.get(self.url, timeout=10)

    def good_httpx(self):  # clean
        return httpx.get(self.url)

    def good_urlopen(self):  # clean
        return urlopen(self.url, timeout=5).read()

    def good_urlopen_positional(self):  # clean
        return urlopen(self.url, None, 5).read()

    def good_smtp(self):  # clean
        return smtplib.SMTP("localhost", 25, timeout=10)

    def good_ftp(self):  # clean
        return ftplib.FTP(self.host, timeout=30)

    def good_ssh(self):  # clean
        client = paramiko.SSHClient()
        client.connect(self.host, username=self.user, timeout=10)

    def good_socket(self):  # clean
        return socket.create_connection((self.host, 9100), 5)

    def good_run(self, path):  # clean
        subprocess.run(["soffice", "--headless", path], check=True, timeout=120)

    def good_pipe(self, path):  # clean
        process = Popen(["gs", path], stdout=subprocess.PIPE)
        return process.communicate(timeout=60)[0]

    def good_small_pause(self):  # clean
        time.sleep(0.05)

    def good_record_get(self):  # clean
        return self.env["delivery.session"].get(self.url)

    def good_dict_get(self, session):  # clean
        return session.get("order_id")

    def good_after_commit(self):  # clean
        url = self.url

        @self.env.cr.postcommit.add
        def ping():
            requests.get(url)


def plain_helper(url):  # clean
    return requests.get(url)


def holding_cursor(dbname, url):
    with Registry(dbname).cursor() as cr:
        cr.execute("SELECT 1")
        requests.get(url)  # expect: SW620


def holding_cursor_sleeps(dbname):
    cr = Registry(dbname).cursor()
    try:
        cr.execute("SELECT 1")
        time.sleep(30)  # expect: SW621
    finally:
        cr.close()


def good_outside_cursor(dbname, url):  # clean
    with Registry(dbname).cursor() as cr:
        cr.execute("SELECT 1")
        row = cr.fetchone()
    requests.post(url, data=row)


def polling_thread(stop):  # clean
    while not stop.is_set():
        time.sleep(60)
