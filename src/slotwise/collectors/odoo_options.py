"""Every option of Odoo 17.0, 18.0 and 19.0: name, kind, flags, default and environment variable, version by version.

Read in odoo/tools/config.py of 17.0, 18.0 and 19.0. A series in between (saas~18.2) is read as the next release: the
configuration was rewritten on the way from 18.0 to 19.0.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from slotwise.snapshot.odoo import OptionValue

Kind = Literal["int", "float", "bool", "string", "comma"]
MIB = 1024 * 1024
VERSIONS = (17, 18, 19)


class OptionSpec(Struct, frozen=True):
    """One option of some versions. ``flags`` are what the command line accepts, ``negative`` flags store False.

    17.0 and 18.0 cast only what has a flag: another number in the file stays text. ``in_file`` is False for options
    that a configuration file cannot set. ``env`` is the variable that 19.0 reads.
    """

    name: str
    kind: Kind
    default: OptionValue
    flags: tuple[str, ...] = ()
    negative: bool = False
    in_file: bool = True
    env: str = ""
    takes_value: bool = True


class _Row(Struct, frozen=True):
    name: str
    kind: Kind
    defaults: tuple[OptionValue, OptionValue, OptionValue]
    flags: str
    versions: tuple[int, ...]
    env: str | None
    in_file: bool
    negative: bool


def _row(
    name: str,
    kind: Kind,
    default: OptionValue,
    flags: str = "",
    *,
    since: int = 17,
    until: int = 19,
    in_19: OptionValue | type = type,
    env: str | None = None,
    in_file: bool = True,
    negative: bool = False,
) -> _Row:
    latest = default if isinstance(in_19, type) else in_19
    versions = tuple(v for v in VERSIONS if since <= v <= until)
    return _Row(name, kind, (default, default, latest), flags, versions, env, in_file, negative)


_ROWS = (
    # not on the command line
    _row("admin_passwd", "string", "admin"),
    _row("csv_internal_sep", "string", ","),
    _row("publisher_warranty_url", "string", "http://services.odoo.com/publisher-warranty/"),
    _row("reportgz", "bool", False),
    _row("websocket_keep_alive_timeout", "int", 3600),
    _row("websocket_rate_limit_burst", "int", 10),
    _row("websocket_rate_limit_delay", "float", 0.2),
    _row("bin_path", "string", "", since=19),
    _row("default_productivity_apps", "bool", False, since=19),
    _row("import_file_maxbytes", "int", 10 * MIB, since=19),
    _row("import_file_timeout", "int", 3, since=19),
    _row("import_url_regex", "string", r"^(?:http|https)://", since=19),
    _row("proxy_access_token", "string", "", since=19),
    # common
    _row("config", "string", None, "-c --config", in_file=False, env="ODOO_RC"),
    _row("save", "bool", False, "-s --save", in_file=False),
    _row("init", "comma", None, "-i --init", in_19="", in_file=False),
    _row("update", "comma", None, "-u --update", in_19="", in_file=False),
    _row("reinit", "comma", "", "--reinit", since=19, in_file=False),
    _row("without_demo", "string", False, "--without-demo", until=18),
    _row("with_demo", "bool", False, "--with-demo", since=19),
    _row("import_partial", "string", "", "-P --import-partial"),
    _row("pidfile", "string", None, "--pidfile", in_19=""),
    _row("addons_path", "comma", None, "--addons-path", in_19=""),
    _row("upgrade_path", "comma", None, "--upgrade-path", in_19=""),
    _row("pre_upgrade_scripts", "comma", "", "--pre-upgrade-scripts", since=18),
    _row("server_wide_modules", "comma", "base,web", "--load", in_19="base,rpc,web"),
    _row("data_dir", "string", None, "-D --data-dir"),
    # HTTP
    _row("http_interface", "string", "", "--http-interface", in_19="0.0.0.0"),
    _row("http_port", "int", 8069, "-p --http-port"),
    _row("longpolling_port", "int", 0, "--longpolling-port", until=17),
    _row("gevent_port", "int", 8072, "--gevent-port"),
    _row("http_enable", "bool", True, "--no-http", negative=True),
    _row("proxy_mode", "bool", False, "--proxy-mode"),
    _row("x_sendfile", "bool", False, "--x-sendfile"),
    _row("dbfilter", "string", "", "--db-filter"),
    # tests
    _row("test_file", "string", False, "--test-file", in_19=""),
    _row("test_enable", "bool", None, "--test-enable", in_file=False),
    _row("test_tags", "string", None, "--test-tags"),
    _row("screencasts", "string", None, "--screencasts", in_19=""),
    _row("screenshots", "string", None, "--screenshots"),
    # logs
    _row("logfile", "string", None, "--logfile", in_19=""),
    _row("syslog", "bool", False, "--syslog"),
    _row("log_handler", "comma", ":INFO", "--log-handler"),
    _row("log_db", "string", False, "--log-db", in_19=""),
    _row("log_db_level", "string", "warning", "--log-db-level"),
    _row("log_level", "string", "info", "--log-level"),
    # mail
    _row("email_from", "string", False, "--email-from", in_19=""),
    _row("from_filter", "string", False, "--from-filter", in_19=""),
    _row("smtp_server", "string", "localhost", "--smtp"),
    _row("smtp_port", "int", 25, "--smtp-port"),
    _row("smtp_ssl", "bool", False, "--smtp-ssl"),
    _row("smtp_user", "string", False, "--smtp-user", in_19=""),
    _row("smtp_password", "string", False, "--smtp-password", in_19=""),
    _row("smtp_ssl_certificate_filename", "string", False, "--smtp-ssl-certificate-filename", in_19=""),
    _row("smtp_ssl_private_key_filename", "string", False, "--smtp-ssl-private-key-filename", in_19=""),
    # database
    _row("db_name", "comma", False, "-d --database", in_19="", env="PGDATABASE"),
    _row("db_user", "string", False, "-r --db_user", in_19="", env="PGUSER"),
    _row("db_password", "string", False, "-w --db_password", in_19="", env="PGPASSWORD"),
    _row("pg_path", "string", None, "--pg_path", in_19="", env="PGPATH"),
    _row("db_host", "string", False, "--db_host", in_19="", env="PGHOST"),
    _row("db_replica_host", "string", False, "--db_replica_host", since=18, in_19=None, env="PGHOST_REPLICA"),
    _row("db_port", "int", False, "--db_port", in_19=None, env="PGPORT"),
    _row("db_replica_port", "int", False, "--db_replica_port", since=18, in_19=None, env="PGPORT_REPLICA"),
    _row("db_sslmode", "string", "prefer", "--db_sslmode", env="PGSSLMODE"),
    _row("db_app_name", "string", "odoo-{pid}", "--db_app_name", since=19, env="PGAPPNAME"),
    _row("db_maxconn", "int", 64, "--db_maxconn"),
    _row("db_maxconn_gevent", "int", False, "--db_maxconn_gevent", in_19=None),
    _row("db_template", "string", "template0", "--db-template", env="PGDATABASE_TEMPLATE"),
    # translations
    _row("load_language", "string", None, "--load-language"),
    _row("language", "string", None, "-l --language", until=18),
    _row("translate_out", "string", None, "--i18n-export", until=18),
    _row("translate_in", "string", None, "--i18n-import", until=18),
    _row("overwrite_existing_translations", "bool", False, "--i18n-overwrite"),
    _row("translate_modules", "string", None, "--modules", until=18),
    _row("list_db", "bool", True, "--no-database-list", negative=True),
    # advanced
    _row("dev_mode", "comma", "", "--dev", env="ODOO_DEV"),
    _row("shell_interface", "string", None, "--shell-interface", until=18),
    _row("stop_after_init", "bool", False, "--stop-after-init", in_file=False),
    _row("osv_memory_count_limit", "int", 0, "--osv-memory-count-limit"),
    _row("transient_age_limit", "float", 1.0, "--transient-age-limit"),
    _row("max_cron_threads", "int", 2, "--max-cron-threads"),
    _row("limit_time_worker_cron", "int", 0, "--limit-time-worker-cron", since=18),
    _row("unaccent", "bool", False, "--unaccent"),
    _row("geoip_city_db", "string", "/usr/share/GeoIP/GeoLite2-City.mmdb", "--geoip-city-db --geoip-db"),
    _row("geoip_country_db", "string", "/usr/share/GeoIP/GeoLite2-Country.mmdb", "--geoip-country-db"),
    # multiprocessing
    _row("workers", "int", 0, "--workers"),
    _row("limit_memory_soft", "int", 2048 * MIB, "--limit-memory-soft"),
    _row("limit_memory_soft_gevent", "int", False, "--limit-memory-soft-gevent", since=18, in_19=None),
    _row("limit_memory_hard", "int", 2560 * MIB, "--limit-memory-hard"),
    _row("limit_memory_hard_gevent", "int", False, "--limit-memory-hard-gevent", since=18, in_19=None),
    _row("limit_time_cpu", "int", 60, "--limit-time-cpu"),
    _row("limit_time_real", "int", 120, "--limit-time-real"),
    _row("limit_time_real_cron", "int", -1, "--limit-time-real-cron"),
    _row("limit_request", "int", 65536, "--limit-request"),
)

SECRET_OPTIONS = frozenset({"admin_passwd", "db_password", "smtp_password", "proxy_access_token"})
"""Options whose value never leaves the place where it was parsed."""

FILE_ALIASES = {"xmlrpc_port": "http_port", "xmlrpc_interface": "http_interface", "xmlrpc": "http_enable"}
"""Names in a file that 17.0 and 18.0 read as another option (configmanager.load)."""

FLAG_ALIASES = {"--xmlrpc-interface": "http_interface", "--xmlrpc-port": "http_port", "--no-xmlrpc": "http_enable"}
"""Hidden flags of 17.0 and 18.0."""

READ_UNDECLARED = frozenset(
    {
        "bin_path",
        "db_replica_password",
        "db_replica_sslmode",
        "db_replica_user",
        "default_productivity_apps",
        "geoip_database",
        "import_file_maxbytes",
        "import_file_timeout",
        "import_image_maxbytes",
        "import_image_regex",
        "import_image_timeout",
        "import_url_regex",
        "osv_memory_age_limit",
        "proxy_access_token",
        "registry_lru_size",
        "root_path",
    }
)
"""Undeclared names that some code of Odoo reads from the file all the same: neither ignored nor a typing mistake."""


def table_version(version: str | None) -> int:
    """Which of the three tables describes an Odoo of this version: 17, 18 or 19; 18 where the version is not known.

    Older ones are read as 17, later ones as 19.
    """
    match = re.match(r"(?:saas[~-])?(\d+)(?:\.(\d+))?", version or "")
    if match is None:
        return 18
    major = int(match[1]) + (1 if int(match[2] or 0) > 0 else 0)
    return min(max(major, VERSIONS[0]), VERSIONS[-1])


_NOT_IN_FILE = {
    17: frozenset({"dev_mode"}),
    18: frozenset({"dev_mode"}),
    19: frozenset({"import_partial", "test_file", "test_tags"}),
}
"""17.0 and 18.0 overwrite dev_mode with the command line's (_parse_config); 19.0 marks options as not file_loadable."""


def _specs(version: int) -> dict[str, OptionSpec]:
    at = VERSIONS.index(version)
    found: dict[str, OptionSpec] = {}
    for row in _ROWS:
        if version not in row.versions:
            continue
        environment = row.env if row.env is not None else (f"ODOO_{row.name.upper()}" if row.in_file else "")
        in_file = row.in_file and row.name not in _NOT_IN_FILE[version]
        cast = version == 19 or row.flags
        found[row.name] = OptionSpec(
            name=row.name,
            kind=row.kind if cast or row.kind == "bool" else "string",
            default=row.defaults[at],
            flags=tuple(row.flags.split()),
            negative=row.negative,
            in_file=in_file,
            env=(environment if in_file or row.env else "") if version == 19 else "",
            takes_value=row.kind != "bool",
        )
    return found


_BY_VERSION = {version: _specs(version) for version in VERSIONS}


def option_specs(version: int) -> dict[str, OptionSpec]:
    """The options of 17, 18 or 19 by name."""
    return _BY_VERSION[version]


def versions_with(name: str) -> tuple[int, ...]:
    """The versions that declare an option of this name; empty where none does."""
    return tuple(v for v in VERSIONS if name in _BY_VERSION[v])
