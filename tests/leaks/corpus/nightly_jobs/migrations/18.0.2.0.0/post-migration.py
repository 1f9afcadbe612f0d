from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect


def _fill_in_own_transaction(cr):
    new_cr = Registry(cr.dbname).cursor()  # expect: SW603
    new_cr.execute("UPDATE nightly_job SET name = 'x' WHERE name IS NULL")
    new_cr.commit()
    new_cr.close()


def _probe(dbname):
    probe = db_connect(dbname).cursor()  # expect: SW601
    probe.execute("SELECT latest_version FROM ir_module_module")
    return probe.fetchone()


def _good_fill(cr):  # clean
    with Registry(cr.dbname).cursor() as new_cr:
        new_cr.execute("UPDATE nightly_job SET name = 'x' WHERE name IS NULL")


def _batch(cr, ids):  # clean
    for index in range(0, len(ids), 1000):
        cr.execute("UPDATE nightly_job SET seq = 1 WHERE id IN %s", (tuple(ids[index : index + 1000]),))
        cr.commit()


def migrate(cr, version):  # clean
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["nightly.job"].search([]).write({"state": "draft"})
