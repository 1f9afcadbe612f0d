from odoo import api, fields, models
from odoo.tools import SQL, sql


class Robot(models.Model):
    _inherit = "stock.robot"

    def _lock(self):
        self.env.cr.execute("SELECT pg_try_advisory_lock(%s, %s)", (4711, self.id))  # expect: SW702
        return self.env.cr.fetchone()[0]

    def _lock_xact(self):  # clean
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (4711, self.id))

    def _lock_f(self, key):
        self._cr.execute(f"select pg_advisory_lock(hashtext('{key}'))")  # expect: SW702

    def _lock_sql(self):
        self.env.execute_query(SQL("SELECT pg_advisory_unlock(%s)", self.id))  # expect: SW702

    def _timeout(self, seconds):
        self.env.cr.execute("SET statement_timeout = %s", (seconds * 1000,))  # expect: SW704

    def _timeout_local(self, seconds):  # clean
        self.env.cr.execute("SET LOCAL statement_timeout = %s", (seconds * 1000,))

    def _timeout_f(self, seconds):
        query = f"SET lock_timeout TO '{seconds}s'"
        self.env.cr.execute(query)  # expect: SW704

    def _timeout_concat(self, seconds):
        self.env.cr.execute("SET idle_in_transaction_session_timeout = " + str(seconds))  # expect: SW704

    def _config(self):
        self.env.cr.execute("SELECT set_config('app.user', %s, false)", (str(self.env.uid),))  # expect: SW704

    def _config_local(self):  # clean
        self.env.cr.execute("SELECT set_config('app.user', %s, true)", (str(self.env.uid),))

    def _temp(self):
        self.env.cr.execute(  # expect: SW706
            """
            CREATE TEMP TABLE robot_tmp AS
            SELECT id FROM stock_robot
            """
        )

    def _temp_drop(self):  # clean
        self.env.cr.execute("CREATE TEMPORARY TABLE robot_tmp (id int) ON COMMIT DROP")

    def _temp_into(self):
        self.env.cr.execute("SELECT id INTO TEMP robot_ids FROM stock_robot")  # expect: SW706

    def _prepare(self):
        self.env.cr.execute("PREPARE pick (int) AS SELECT * FROM stock_robot WHERE id = $1")  # expect: SW703
        self.env.cr.execute("EXECUTE pick(%s)", (self.id,))

    def _hold(self):
        self.env.cr.execute("DECLARE walk CURSOR WITH HOLD FOR SELECT id FROM stock_robot")  # expect: SW705

    def _plain_cursor(self):  # clean
        self.env.cr.execute("DECLARE walk CURSOR FOR SELECT id FROM stock_robot")

    def _search_path(self, schema):
        self.env.cr.execute("SET search_path TO {}, public".format(schema))  # expect: SW704

    def _update(self):  # clean
        self.env.cr.execute("UPDATE stock_robot SET state = 'idle' WHERE id = %s", (self.id,))

    def _prepare_values(self):  # clean
        self.env.cr.execute("SELECT 'please prepare the listen channel'")

    def _notify(self):  # clean
        self.env.cr.execute("SELECT pg_notify('robots', %s)", (str(self.id),))

    def _characteristics(self):
        self.env.cr.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # expect: SW704

    def _isolation(self):  # clean
        self.env.cr.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def _constraints(self):  # clean
        self.env.cr.execute("SET CONSTRAINTS ALL DEFERRED")

    def _role(self):
        self.env.cr.execute("SET ROLE reporting")  # expect: SW704
        self.env.cr.execute("RESET ROLE")
