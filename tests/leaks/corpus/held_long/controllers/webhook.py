import requests
from odoo import http
from odoo.http import Controller, request, route


class Webhook(http.Controller):
    @http.route("/hook", type="json", auth="public")
    def hook(self):
        keys = requests.get("https://keys.example.com/1").json()  # expect: SW620
        request.env.cr.close()  # expect: SW623
        return keys

    @http.route("/good", type="json", auth="public")
    def good(self):  # clean
        return requests.get("https://keys.example.com/1", timeout=3).json()


class Other(Controller):
    @route("/other", type="http", auth="user")
    def other(self):
        requests.put("https://example.com", data="x")  # expect: SW620
        request.cr.commit()
        return "ok"

    @route("/undo", type="http", auth="user")
    def undo(self):
        try:
            request.env["res.partner"].create({"name": "x"})
        except ValueError:
            request.env.cr.rollback()  # expect: SW624
            return "failed"
        return "ok"
