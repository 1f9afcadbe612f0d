import psycopg2
from odoo import models
from odoo.tools import SQL
from psycopg2 import sql
from sqlalchemy import text

LISTEN_QUERY = "LISTEN pooler_jobs"
LOCK_KEY = 4711


class Pooling(models.Model):
    _name = "pooling"
    _description = "Pooling"

    _lock_query = "SELECT pg_advisory_lock(%s)"

    def listen(self):
        self.env.cr.execute("LISTEN pooler_jobs")  # expect: SW701

    def listen_lower(self):
        self.env.cr.execute("listen imbus")  # expect: SW701

    def listen_constant(self):
        self._cr.execute(LISTEN_QUERY)  # expect: SW701

    def listen_composed(self, conn, channel):
        conn.cursor().execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))  # expect: SW701

    def listen_fstring(self, cr, channel):
        cr.execute(f"LISTEN {channel}")  # expect: SW701

    def listen_concat(self, cr, channel):
        cr.execute("LISTEN " + channel)  # expect: SW701

    def listen_percent(self, cr, channel):
        cr.execute("LISTEN %s" % channel)  # expect: SW701

    def listen_format(self, cr, channel):
        cr.execute('LISTEN "{}"'.format(channel))  # expect: SW701

    def unlisten(self, cr):
        cr.execute("UNLISTEN *")  # expect: SW701

    def listen_second(self, cr):
        cr.execute("SELECT 1; LISTEN pooler_jobs")  # expect: SW701

    def lock(self):
        self.env.cr.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))  # expect: SW702

    def try_lock(self):
        self.env.cr.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,))  # expect: SW702
        return self.env.cr.fetchone()[0]

    def shared_lock(self, cr):
        cr.execute("SELECT pg_advisory_lock_shared(1, 2)")  # expect: SW702

    def unlock(self, cr):
        cr.execute("SELECT pg_advisory_unlock_all()")  # expect: SW702

    def lock_attribute(self):
        self.env.cr.execute(self._lock_query, (LOCK_KEY,))  # expect: SW702

    def lock_sql_object(self):
        self.env.cr.execute(SQL("SELECT pg_try_advisory_lock(%s)", LOCK_KEY))  # expect: SW702

    def lock_local_name(self):
        query = "SELECT pg_advisory_lock(hashtext(%s))"
        self.env.cr.execute(query, (self._name,))  # expect: SW702

    def lock_execute_query(self):
        self.env.execute_query(SQL("SELECT pg_advisory_lock(%s)", LOCK_KEY))  # expect: SW702

    def prepare(self, cr):
        cr.execute("PREPARE get_partner (int) AS SELECT * FROM res_partner WHERE id = $1")  # expect: SW703
        cr.execute("EXECUTE get_partner(%s)", (self.id,))

    def prepare_multiline(self, cr):
        cr.execute(  # expect: SW703
            """
            PREPARE get_stock AS
            SELECT * FROM stock_quant
            """
        )

    def deallocate(self, cr):
        cr.execute("DEALLOCATE get_partner")  # expect: SW703

    def set_session(self, cr):
        cr.execute("SET search_path TO legacy, public")  # expect: SW704

    def set_equals(self):
        self.env.cr.execute("SET statement_timeout = 60000")  # expect: SW704

    def set_session_word(self):
        self.env.cr.execute("SET SESSION lock_timeout = '15s'")  # expect: SW704

    def set_role(self, role):
        self.env.cr.execute(SQL("SET ROLE %s", SQL.identifier(role)))  # expect: SW704

    def set_time_zone(self, cr):
        cr.execute("SET TIME ZONE 'UTC'")  # expect: SW704

    def set_config(self, cr):
        cr.execute("SELECT set_config('app.user', %s, false)", (str(self.env.uid),))  # expect: SW704

    def set_commented(self, cr):
        cr.execute("-- quicker\nSET work_mem = '256MB'")  # expect: SW704

    def set_characteristics(self, cr):
        cr.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")  # expect: SW704

    def set_fstring(self, cr, megabytes):
        cr.execute(f"SET work_mem = '{megabytes}MB'")  # expect: SW704

    def hold(self, cr):
        cr.execute("DECLARE big CURSOR WITH HOLD FOR SELECT * FROM res_partner")  # expect: SW705

    def hold_named(self, conn):
        cur = conn.cursor("select_jobs", withhold=True)  # expect: SW705
        cur.execute("SELECT * FROM queue_job")

    def hold_scroll(self, cr):
        cr.execute("DECLARE big NO SCROLL CURSOR WITH HOLD FOR SELECT 1")  # expect: SW705

    def temporary(self, cr):
        cr.execute("CREATE TEMPORARY TABLE pooling_tmp (id int)")  # expect: SW706

    def temp_short(self):
        self.env.cr.execute("CREATE TEMP TABLE pooling_tmp AS SELECT id FROM res_partner")  # expect: SW706

    def temp_if_not_exists(self, cr):
        cr.execute("CREATE TEMP TABLE IF NOT EXISTS pooling_tmp (id int)")  # expect: SW706

    def temp_preserve(self, cr):
        cr.execute("CREATE TEMP TABLE pooling_tmp (id int) ON COMMIT PRESERVE ROWS")  # expect: SW706

    def temp_delete_rows(self, cr):
        cr.execute("CREATE TEMP TABLE pooling_tmp (id int) ON COMMIT DELETE ROWS")  # expect: SW706

    def temp_into(self, cr):
        cr.execute("SELECT id INTO TEMP pooling_tmp FROM res_partner")  # expect: SW706

    def temp_unlogged_local(self, cr):
        cr.execute("CREATE LOCAL TEMPORARY TABLE pooling_tmp (id int)")  # expect: SW706

    def temp_text(self, connection):
        connection.execute(text("CREATE TEMPORARY TABLE pooling_tmp (id int)"))  # expect: SW706

    def keep_pid(self):
        self.env.cr.execute("SELECT pg_backend_pid()")  # expect: SW707
        self.write({"backend_pid": self.env.cr.fetchone()[0]})

    def keep_pid_after_commit(self):
        self.env.cr.execute("SELECT pg_backend_pid()")  # expect: SW707
        pid = self.env.cr.fetchone()[0]
        self.env.cr.commit()
        self.env.cr.execute("SELECT pg_cancel_backend(%s)", (pid,))

    def hand_out_pid(self, cr):
        cr.execute("SELECT pg_backend_pid()")  # expect: SW707
        return cr.fetchone()[0]

    # ------------------------------------------------------------------------------------- done well

    def good_notify(self, cr):  # clean
        cr.execute("SELECT pg_notify('imbus', %s)", ("x",))
        cr.execute("NOTIFY pooler_jobs")

    def good_xact_lock(self, cr):  # clean
        cr.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))

    def good_try_xact_lock(self, cr):  # clean
        cr.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK_KEY,))

    def good_set_local(self, cr):  # clean
        cr.execute("SET LOCAL statement_timeout = 1000")
        cr.execute("SET LOCAL lock_timeout = %s", ("5s",))

    def good_set_transaction(self, cr):  # clean
        cr.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        cr.execute("SET CONSTRAINTS ALL DEFERRED")

    def good_set_config(self, cr):  # clean
        cr.execute("SELECT set_config('app.user', %s, true)", ("x",))

    def good_update_set(self, cr):  # clean
        cr.execute("UPDATE res_partner SET name = 'SET work_mem' WHERE id = 1")

    def good_alter_set(self, cr):  # clean
        cr.execute("ALTER TABLE res_partner ALTER COLUMN name SET NOT NULL")
        cr.execute("ALTER ROLE odoo SET statement_timeout = 0")

    def good_on_conflict(self, cr):  # clean
        cr.execute("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE\nSET name = 'x'")

    def good_multiline_update(self, cr):  # clean
        cr.execute(
            """
            UPDATE res_partner
            SET name = %s
            WHERE id = %s
            """,
            ("x", 1),
        )

    def good_temp(self, cr):  # clean
        cr.execute("CREATE TEMPORARY TABLE pooling_tmp (id int) ON COMMIT DROP")

    def good_temp_as(self, cr):  # clean
        cr.execute("CREATE TEMP TABLE pooling_tmp ON COMMIT DROP AS SELECT id FROM res_partner")

    def good_temp_dropped(self, cr):  # clean
        cr.execute("CREATE TEMP TABLE pooling_tmp AS SELECT id FROM res_partner")
        cr.execute("SELECT count(*) FROM pooling_tmp")
        count = cr.fetchone()[0]
        cr.execute("DROP TABLE pooling_tmp")
        return count

    def good_declare(self, cr):  # clean
        cr.execute("DECLARE big CURSOR FOR SELECT * FROM res_partner")
        cr.execute("FETCH 100 FROM big")

    def good_named(self, conn):  # clean
        return conn.cursor("big")

    def good_without_hold(self, cr):  # clean
        cr.execute("DECLARE big CURSOR WITHOUT HOLD FOR SELECT 1")

    def good_own_pid(self, cr):  # clean
        cr.execute("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def good_pid_in_transaction(self, cr):  # clean
        cr.execute("SELECT pg_backend_pid()")
        pid = cr.fetchone()[0]
        cr.execute("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", (pid,))

    def good_word(self, cr):  # clean
        cr.execute("SELECT 'please LISTEN to this; PREPARE for it'")

    def good_column(self, cr):  # clean
        cr.execute("SELECT listen, prepare FROM radio WHERE temp_table = 'x'")

    def good_comment(self, cr):  # clean
        cr.execute("/* LISTEN x; SET work_mem = 1 */ SELECT 1 -- SET role x")

    def good_log(self):  # clean
        message = "SET work_mem = '1GB'"
        self.message_post(body=message)

    def good_prepare_transaction(self, cr):  # clean
        cr.execute("PREPARE TRANSACTION 'x'")

    def good_dollar(self, cr):  # clean
        cr.execute("DO $$ BEGIN PERFORM 'LISTEN x; SET a = b'; END $$")

    def good_function(self, cr):  # clean
        cr.execute(
            """
            CREATE OR REPLACE FUNCTION f() RETURNS trigger AS $body$
            BEGIN
                PERFORM pg_notify('queue_job', 'x');
                RETURN NEW;
            END;
            $body$ LANGUAGE plpgsql
            """
        )

    def good_fstring_update(self, cr, table):  # clean
        cr.execute(f"UPDATE {table} SET active = true")

    def good_set_variable(self, cr, query):  # clean
        cr.execute(query)

    def good_reset(self, cr):  # clean
        cr.execute("SELECT set_config('search_path', 'public', true)")

    def good_merge(self, cr):  # clean
        cr.execute("WITH x AS (UPDATE a SET b = 1 RETURNING id) SELECT * FROM x")
