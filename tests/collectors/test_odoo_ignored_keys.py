from __future__ import annotations

import pytest

from slotwise.collectors.odoo_conf import parse_odoo_conf
from slotwise.collectors.odoo_ignored_keys import ignored_keys


def meanings(version: int, text: str) -> dict[str, str]:
    return {k.name: k.meaning for k in ignored_keys(parse_odoo_conf(text.encode(), "odoo.conf"), version)}


@pytest.mark.parametrize(
    ("version", "line", "words"),
    [
        (17, "longpolling_port = 8072", "overwrites gevent_port"),
        (18, "longpolling_port = 8072", "ignored since 18.0; the option is gevent_port"),
        (19, "longpolling_port = 8072", "ignored since 18.0; the option is gevent_port"),
        (18, "xmlrpc_port = 8069", "read as http_port"),
        (19, "xmlrpc_port = 8069", "ignored since 19.0; the option is http_port"),
        (17, "limit_time_worker_cron = 3600", "exists since 18.0"),
        (18, "db_app_name = erp", "exists since 19.0"),
        (18, "db_maxcon = 16", "did you mean db_maxconn?"),
        (18, "db-maxconn = 16", "with underscores"),
        (18, "no-http = True", "command line's name"),
        (18, "stop_after_init = True", "command line only"),
        (17, "dev_mode = reload", "command line only"),
        (19, "limit_time_real = False", "default 120 holds"),
    ],
)
def test_a_key_of_another_version_or_a_mistake_is_named(version: int, line: str, words: str) -> None:
    (meaning,) = meanings(version, f"[options]\n{line}\n").values()
    assert words in meaning


@pytest.mark.parametrize("version", [17, 18, 19])
@pytest.mark.parametrize(
    "line",
    [
        "workers = 4",
        "running_env = prod",  # OCA server_environment
        "redis_host = cache",
        "registry_lru_size = 200",
        "without_demo = all",
        "db_host = False",
        "proxy_access_token = x",
    ],
)
def test_what_odoo_or_an_addon_may_read_is_left_alone(version: int, line: str) -> None:
    assert meanings(version, f"[options]\n{line}\n") == {}


def test_a_file_without_the_section_is_ignored_as_a_whole() -> None:
    found = meanings(18, "[odoo]\nworkers = 4\ndb_name = prod\n")
    assert set(found) == {"workers", "db_name"} and "reads [options] only" in found["workers"]


def test_a_password_under_a_wrong_heading_is_not_shown() -> None:
    (key,) = ignored_keys(parse_odoo_conf(b"[odoo]\ndb_password = hunter2\n", "odoo.conf"), 18)
    assert "hunter2" not in str(key)
