"""A new PgBouncer, where the operator asks for one: its file, its users, and Odoo's way through it."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from slotwise.apply.ground import read_files
from slotwise.apply.servers import scram_verifier
from slotwise.capacity.pooling import PoolSizing
from slotwise.capacity.routes import configured_host, configured_port, is_local
from slotwise.commands.fix_ground import DEBIAN_INI, on_the_way, version_of
from slotwise.errors import OperatorError
from slotwise.fixes.ground import MANAGED, Ground, PgBouncerGround
from slotwise.fixes.odoo_conf import overruling
from slotwise.fixes.pgbouncer_auth import LOOKUP_ROLE, Auth, by_lookup, by_passwords, by_verifiers, can_look_up
from slotwise.fixes.pgbouncer_ini import OLDEST, Backend, Listening, Version, new_ini
from slotwise.fixes.pooler import limits_drop_in, new_pooler
from slotwise.fixes.pooler_files import cloudnativepg_pooler, compose_service, kubernetes_deployment
from slotwise.fixes.remedy import GeneratedFile, Remedy
from slotwise.fixes.requested import Requested
from slotwise.fixes.systemd import changed_start, path_of
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.postgres import Databases

PORT = 6432
NEVER = frozenset({"postgres", "template0", "template1"})


def pooler_wanted(
    snapshot: Snapshot,
    sizing: PoolSizing | None,
    users: tuple[str, ...],
    ground: Ground,
    ini_path: str | None,
    platform: str | None,
    lookup: bool = False,
) -> tuple[tuple[Remedy, ...], tuple[str, ...], tuple[Requested, ...]]:
    """Remedies, notes, and the options of Odoo that lead through the pooler. Raises OperatorError where there is one
    already, or where its size is unknown."""
    if on_the_way(snapshot) is not None:
        raise OperatorError("Odoo goes through a PgBouncer already", "leave --pooler out: fix changes that one")
    if sizing is None:
        raise OperatorError(
            "the size of a PgBouncer is unknown: demand or slots could not be read", "see `slotwise doctor`"
        )
    if not sizing.fits:
        raise OperatorError(
            f"the slots do not bear a PgBouncer: {sizing.budget} are left for its pools, {sizing.wanted_slots} needed",
            "raise max_connections or use fewer workers (`slotwise plan --live`)",
        )
    assert isinstance(snapshot.odoo, Odoo)
    if not users:
        raise OperatorError("the role that Odoo connects as is unknown", "set db_user in odoo.conf")
    path = ini_path or DEBIAN_INI
    directory = Path(path).parent
    userlist = str(directory / "userlist.txt")
    files = read_files((path, userlist))
    here = PgBouncerGround(
        address=None,
        version=_installed_version(),
        ini_path=path,
        ini=files[path],
        userlist_path=userlist,
        userlist=files[userlist],
        reloadable=False,
    )
    backend = _backend(snapshot)
    version = here.version or OLDEST
    auth = _lookup(users, ground, version) if lookup else _auth(snapshot, users, ground)
    databases = _databases(snapshot)
    listening = Listening(auth_type=auth.auth_type, auth_file=userlist, auth_query=auth.settings)
    listening = _placed(listening, directory)
    if platform in ("compose", "kubernetes", "cloudnativepg"):
        made = _elsewhere(platform, backend, sizing, version, users, listening, databases)
        reason = f"{sizing.clients} processes share {sizing.pools.max_user_connections} server connections"
        remedy = Remedy(
            target=platform, title="a PgBouncer", reasons=(reason,), rules=("plan",), activation="restart", files=made
        )
        return (
            (remedy,),
            ("userlist.txt holds the secrets: make it from pg_authid, or with the password of odoo.conf",),
            (),
        )
    if here.version is None:
        note: tuple[str, ...] = ("PgBouncer is not installed here: apt install pgbouncer",)
    else:
        note = ()
    reasons = (
        f"{sizing.clients} processes of Odoo share {sizing.pools.max_user_connections} server connections at most;"
        f" {sizing.max_client_conn} clients may connect",
    )
    remedies, notes = new_pooler(sizing, backend, users, auth, listening, here, databases, reasons)
    drop_in = limits_drop_in(sizing, ground.drop_ins.get(path_of("pgbouncer.service")))
    if drop_in is not None and path == DEBIAN_INI and Path("/run/systemd/system").is_dir():
        remedies = (*remedies, drop_in)
    way = f"db_host = {listening.address} and db_port = {listening.port}"
    last = f"when it runs, set {way} in odoo.conf and restart Odoo; then `slotwise verify` and `slotwise doctor`"
    started = _started_through(snapshot, ground, listening)
    return (*remedies, *started), (*note, *notes, last), ()


def _started_through(snapshot: Snapshot, ground: Ground, listening: Listening) -> tuple[Remedy, ...]:
    """Drop-ins that lead Odoo through the pooler where its command line names the server. Only generated: before the
    pooler runs, Odoo would find nobody there."""
    assert isinstance(snapshot.odoo, Odoo)
    files: list[GeneratedFile] = []
    commands: list[str] = []
    for instance in snapshot.odoo.instances:
        way: dict[str, str | None] = {"db_host": listening.address, "db_port": str(listening.port)}
        given = {name: value for name, value in way.items() if overruling(instance, name) is not None}
        unit = ground.odoo_units.get(instance.id)
        after = changed_start(unit, given) if unit is not None and given else None
        if unit is None or after is None:
            continue
        name = f"through-pgbouncer/{unit.name}.d/slotwise.conf"
        files.append(GeneratedFile(name, after.decode("utf-8", "surrogateescape")))
        commands += [
            f"install -D -m 644 {name} {path_of(unit.name)}  # when PgBouncer runs",
            "systemctl daemon-reload",
            f"systemctl restart {unit.name}  # ends every running request and scheduled action",
        ]
    if not files:
        return ()
    remedy = Remedy(
        target="systemd, Odoo's way through PgBouncer",
        title="db_host and db_port on Odoo's command line, which wins over odoo.conf",
        reasons=(f"Odoo is to connect to {listening.address}:{listening.port}",),
        risks=("before PgBouncer runs, Odoo finds nobody there: these files are written by --output only",),
        rules=("plan",),
        activation="restart",
        files=tuple(files),
        commands=tuple(commands),
    )
    return (remedy,)


def _placed(listening: Listening, directory: Path) -> Listening:
    """Log, pid file and socket where Debian has them, else beside the file."""
    if directory == Path(DEBIAN_INI).parent:
        return listening
    return structs.replace(
        listening,
        log_file=str(directory / "pgbouncer.log"),
        pid_file=str(directory / "pgbouncer.pid"),
        socket_directory=str(directory),
    )


def _elsewhere(
    platform: str,
    backend: Backend,
    sizing: PoolSizing,
    version: Version,
    users: tuple[str, ...],
    listening: Listening,
    databases: tuple[str, ...],
) -> tuple[GeneratedFile, ...]:
    inside = structs.replace(
        listening,
        address="*",
        auth_file="/etc/pgbouncer/userlist.txt",
        log_file="",
        pid_file="",
        socket_directory="",
    )
    ini = new_ini(backend, sizing, version, users, inside, databases)
    kept = "".join(line for line in ini.splitlines(keepends=True) if not line.startswith(("logfile =", "pidfile =")))
    if platform == "compose":
        return compose_service(kept, sizing)
    made = kubernetes_deployment(kept)
    return (*made, *cloudnativepg_pooler(sizing, len(users))) if platform == "cloudnativepg" else made


def _backend(snapshot: Snapshot) -> Backend:
    """Where the instances connect to now. A local socket becomes loopback: PgBouncer's own OS user is not Odoo's, so
    peer authentication would refuse it."""
    assert isinstance(snapshot.odoo, Odoo)
    ways = {(configured_host(i), configured_port(i)) for i in snapshot.odoo.instances}
    if len(ways) != 1:
        raise OperatorError("the instances of Odoo use different servers", "name those of one server with --config")
    ((host, port),) = ways
    return Backend("127.0.0.1" if is_local(host) else host, int(port))


def _auth(snapshot: Snapshot, users: tuple[str, ...], ground: Ground) -> Auth:
    """Verifiers where pg_authid may be read, else the passwords of odoo.conf."""
    if ground.postgres is not None and ground.postgres.secrets:
        return by_verifiers(users, ground.postgres.secrets)
    return by_passwords(users, _passwords(ground, users, snapshot))


def _lookup(users: tuple[str, ...], ground: Ground, version: Version) -> Auth:
    """A function on the server that tells PgBouncer the verifiers. Its role's password is made here and now."""
    import secrets

    if not can_look_up(version):
        raise OperatorError(
            f"PgBouncer {version[0]}.{version[1]} does not know auth_dbname (1.19)", "leave --pooler-lookup out"
        )
    if ground.postgres is None or not ground.postgres.is_superuser or ground.postgres.platform in MANAGED:
        raise OperatorError("--pooler-lookup needs a superuser: the function reads pg_authid", "leave it out")
    if LOOKUP_ROLE in ground.postgres.roles:
        raise OperatorError(
            f"role {LOOKUP_ROLE} exists already, and its password is not known here",
            "roll the former change back, or drop the role and its schema",
        )
    password = secrets.token_urlsafe(24)
    verifier = scram_verifier(password)
    return by_lookup(users, verifier, password, ground.postgres.functions, ground.postgres.roles)


def _passwords(ground: Ground, users: tuple[str, ...], snapshot: Snapshot) -> dict[str, str]:
    from slotwise.fixes.ini_text import get_value

    assert isinstance(snapshot.odoo, Odoo)
    found: dict[str, str] = {}
    for instance in snapshot.odoo.instances:
        content = ground.odoo_files.get(instance.config_file or "")
        user = instance.value("db_user")
        if content is None or user not in users:
            continue
        password = get_value(content.decode("utf-8", "surrogateescape"), "options", "db_password", "odoo")
        if password and password.lower() not in ("false", "none"):
            found[str(user)] = password
    return found


def _databases(snapshot: Snapshot) -> tuple[str, ...]:
    """The application databases by name: pinned ones first, else all when they are few."""
    assert isinstance(snapshot.odoo, Odoo)
    pinned = dict.fromkeys(name for i in snapshot.odoo.instances for name in i.pinned_databases)
    if pinned:
        return tuple(pinned)
    if not isinstance(snapshot.databases, Databases):
        return ()
    users = snapshot.odoo.users
    return tuple(
        d.name
        for d in snapshot.databases.databases
        if d.owner in users and not d.is_template and d.allows_connections and d.name not in NEVER
    )


def _installed_version() -> Version | None:
    """What ``pgbouncer --version`` of this host says."""
    import os
    import shutil
    import subprocess

    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    program = shutil.which("pgbouncer", path=places)
    if program is None:
        return None
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return version_of(done.stdout)
