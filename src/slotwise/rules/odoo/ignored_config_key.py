"""SW112 ignored-config-key."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Change, Finding, Fix, Manual, SetOdooOption, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.instances import each_instance, set_option
from slotwise.snapshot.odoo import IgnoredKey, Odoo, OdooInstance

MOVED = {"longpolling_port": "gevent_port", "xmlrpc_port": "http_port", "xmlrpc_interface": "http_interface"}
"""Old name -> option (odoo/tools/config.py 17.0:140-141,559-565; 18.0; 19.0:907-912)."""

ABOUT_CONNECTIONS = ("db_", "worker", "cron", "gevent", "longpolling", "proxy", "limit_", "maxconn", "http_enable")
"""What a key is about when ignoring it changes how many connections there are, or who may take them."""


@rule("SW112", Severity.WARNING)
def ignored_config_key(odoo: Odoo) -> Iterator[Finding]:
    """A key in odoo.conf is not read by this version of Odoo, or is read as another option.

    **Why it matters.** Odoo says little or nothing about a key that it does not know: 17 and 18 keep it silently, 19
    logs one warning. A `longpolling_port` that stayed from an older version moves the websocket port in 17 and does
    nothing in 18 and 19; a `max_cron_thread` or `db_max_conn` leaves the default in force while everybody believes in
    the file.

    **Evidence.** The keys of the `[options]` section against those that the running version declares
    (odoo/tools/config.py). Keys that belong to addons are left alone: only names of another version, names that a
    command line knows and a file does not, and near misses of an option are reported.

    **Fix.** Rename the key to the option that was meant, or remove it.

    **When to ignore it.** When the same file serves several versions of Odoo on purpose.
    """

    def check(instance: OdooInstance) -> Iterator[Finding]:
        for key in instance.ignored_keys:
            yield _finding(instance, key)
        instance.need_major()

    yield from each_instance(odoo, check)


def _finding(instance: OdooInstance, key: IgnoredKey) -> Finding:
    matters = any(part in key.name for part in ABOUT_CONNECTIONS)
    version = f"Odoo {instance.version}" if instance.version else "this Odoo"
    return Finding(
        f"{key.name} = {key.value} in {key.source}: {version}: {key.meaning}",
        (
            cite(key.name, key.value, key.source),
            cite("version", instance.version, instance.version_source or "unknown"),
        ),
        _mend(instance, key),
        subject=f"{instance.id} {key.name}",
        severity=None if matters else Severity.INFO,
    )


def _mend(instance: OdooInstance, key: IgnoredKey) -> Fix:
    """A key moves only where its new option still has its default: a value that somebody set there wins."""
    removal = _remove(instance, key)
    meant = MOVED.get(key.name)
    option = instance.option(meant) if meant is not None else None
    if meant is None or option is None:
        summary = f"remove {key.name}, after setting the option that was meant"
        return Fix(summary, removal, "the option that was meant keeps its present value until it is set")
    read_already = option.source.startswith(key.name)
    if read_already or option.source.startswith("default"):
        return Fix(f"rename {key.name} to {meant}", (*set_option(instance, meant, key.value), *removal))
    return Fix(f"remove {key.name}: {meant} is set to {option.value} already", removal)


def _remove(instance: OdooInstance, key: IgnoredKey) -> tuple[Change, ...]:
    changes: tuple[Change, ...] = (SetOdooOption(instance.id, key.name, None),)
    if instance.config_file is None or not key.source.startswith(instance.config_file):
        changes += (Manual(f"remove {key.name} from {key.source}"),)
    return changes
