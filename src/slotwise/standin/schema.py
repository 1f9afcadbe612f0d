"""The few tables of an Odoo database that the stand-in's statements touch."""

from __future__ import annotations

from slotwise.standin.connection import ServerConnection

# Enough jobs that each cron worker of a host finds one that is not locked.
_JOBS = 16

_TABLES = f"""
CREATE TABLE IF NOT EXISTS res_users (id serial PRIMARY KEY, login text UNIQUE NOT NULL, active boolean DEFAULT true);
CREATE TABLE IF NOT EXISTS res_partner (id serial PRIMARY KEY, name text);
CREATE TABLE IF NOT EXISTS res_users_log (id serial PRIMARY KEY, create_uid integer);
CREATE TABLE IF NOT EXISTS ir_module_module (id serial PRIMARY KEY, name text, state text, latest_version text);
CREATE TABLE IF NOT EXISTS ir_cron (
    id serial PRIMARY KEY, cron_name text, active boolean DEFAULT true, priority integer DEFAULT 5,
    nextcall timestamp DEFAULT '2000-01-01', lastcall timestamp
);
CREATE TABLE IF NOT EXISTS ir_cron_progress (id serial PRIMARY KEY, cron_id integer);
CREATE SEQUENCE IF NOT EXISTS base_registry_signaling;
CREATE SEQUENCE IF NOT EXISTS base_cache_signaling_default;
INSERT INTO res_users (id, login) VALUES (1, '__system__'), (2, 'admin') ON CONFLICT DO NOTHING;
INSERT INTO ir_cron (id, cron_name) SELECT n, 'Job ' || n FROM generate_series(1, {_JOBS}) AS n ON CONFLICT DO NOTHING;
"""


def create_tables(parameters: dict[str, str]) -> None:
    """Make the tables where they are missing. ``parameters`` are libpq's; the role must be allowed to create tables.

    Raises OperationalError when the server refuses the connection, StatementError when it refuses a statement.
    """
    connection = ServerConnection(parameters)
    connection.autocommit = True
    try:
        connection.execute(_TABLES)
    finally:
        connection.close()
