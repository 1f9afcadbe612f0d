import os
import time

import requests
from odoo import fields, models


class Send(models.TransientModel):
    _name = "send.wizard"
    _description = "Send"

    url = fields.Char()

    def send(self):
        try:
            requests.patch(self.url, data=self._payload(), verify=False)  # expect: SW620
        except requests.RequestException:
            time.sleep(10)  # expect: SW621
            requests.patch(self.url, data=self._payload(), timeout=30)

    def shell(self):
        os.system("lpr /var/spool/labels.pdf")  # expect: SW626

    def good_send(self):  # clean
        requests.patch(self.url, data=self._payload(), timeout=30)
