"""What the stand-in says to the server: short texts of the same kind and shape as Odoo's, with or without tables."""

from __future__ import annotations

import msgspec


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """The texts for one host."""

    signaling: str
    read: str
    write: str
    sign_change: str
    log_in: str
    ready_jobs: str
    lock_job: str
    start_job: str
    end_job: str
    raw: str


ON_TABLES = Statements(
    signaling="SELECT base_registry_signaling.last_value FROM base_registry_signaling",
    read='SELECT "res_users"."id", "res_users"."login" FROM "res_users" WHERE ("res_users"."active" = true)',
    write='INSERT INTO "res_partner" ("name") VALUES (\'somebody\') RETURNING "id"',
    sign_change="SELECT nextval('base_cache_signaling_default')",
    log_in='INSERT INTO "res_users_log" ("create_uid") VALUES (2) RETURNING "id"',
    ready_jobs="SELECT * FROM ir_cron WHERE active = true AND nextcall <= (now() at time zone 'UTC')",
    lock_job=(
        "SELECT * FROM ir_cron WHERE active = true AND nextcall <= (now() at time zone 'UTC') "
        "ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
    ),
    start_job='INSERT INTO "ir_cron_progress" ("cron_id") VALUES (1) RETURNING "id"',
    end_job="UPDATE ir_cron SET lastcall = now() at time zone 'UTC' WHERE id = {job_id}",
    raw="SELECT id FROM res_partner LIMIT 1",
)

ON_NOTHING = Statements(
    signaling="SELECT 0 /* FROM base_registry_signaling */",
    read="SELECT 2, 'admin' /* FROM \"res_users\" */",
    write='SELECT 1 /* INSERT INTO "res_partner" */',
    sign_change="SELECT 1 /* nextval('base_cache_signaling_default') */",
    log_in='SELECT 1 /* INSERT INTO "res_users_log" */',
    ready_jobs="SELECT 1 /* FROM ir_cron */",
    lock_job="SELECT 1 /* FROM ir_cron FOR NO KEY UPDATE SKIP LOCKED */",
    start_job='SELECT 1 /* INSERT INTO "ir_cron_progress" */',
    end_job="SELECT {job_id} /* UPDATE ir_cron */",
    raw="SELECT 1 /* FROM res_partner */",
)

LIST_DATABASES = (
    "SELECT datname FROM pg_database WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user) "
    "AND datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY datname"
)
"""The databases on offer without ``db_name``: those of Odoo's role (odoo/service/db.py ``list_dbs``)."""

CHECK_DATABASE = "SELECT datname FROM pg_database WHERE datname = '{database}'"
"""A starting server process asks this on ``postgres`` for each name in ``db_name`` (``_create_empty_database``)."""

NOTIFY_BUS = "SELECT pg_notify('imbus', '[]')"
NOTIFY_CRON = "SELECT pg_notify('cron_trigger', '{database}')"
IN_RECOVERY = "SELECT pg_is_in_recovery()"
LISTEN_CRON = "LISTEN cron_trigger"
LISTEN_BUS = "listen imbus"
