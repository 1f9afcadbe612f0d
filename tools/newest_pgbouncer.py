"""Unpacks the newest PgBouncer that the distribution has, beside the installed one: nothing of the system is changed.

``python tools/newest_pgbouncer.py DIRECTORY`` asks the mirror of this machine's own apt sources for Debian's *sid* (on
Ubuntu: *devel*), checks its signature with the distribution's keyring, and unpacks the program with every library that
it needs, the C library too, since the release of this machine has older ones: ``DIRECTORY/VERSION/pgbouncer`` and
``DIRECTORY/VERSION/lib``. slotwise.demo.pgbouncer_server can run that. Needs no root. Exit code 2 and two lines where
no mirror can be reached.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITES = {"debian": ("sid", "main"), "ubuntu": ("devel", "main universe")}
KEYRING = "/usr/share/keyrings/{}-archive-keyring.gpg"


class Failed(Exception):
    """What went wrong, in one line."""


class Apt:
    """apt with sources, lists and cache of its own."""

    def __init__(self, directory: Path, source: str) -> None:
        for name in ("parts", "state/lists/partial", "cache/archives/partial", "debs"):
            (directory / name).mkdir(parents=True)
        (directory / "parts" / "newest.sources").write_text(source)
        (directory / "status").touch()
        self._downloads = directory / "debs"
        here = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": directory / "parts",
            "Dir::State": directory / "state",
            "Dir::State::status": directory / "status",
            "Dir::Cache": directory / "cache",
            "APT::Sandbox::User": _user(),
            "Acquire::Languages": "none",
        }
        self._options = [part for name, value in here.items() for part in ("-o", f"{name}={value}")]

    def update(self) -> None:
        """Fetch the index of the suite."""
        run(["apt-get", *self._options, "-q", "--error-on=any", "update"])

    def libraries(self, package: str) -> list[str]:
        """The packages of shared libraries that ``package`` needs, theirs included."""
        quiet = [f"--no-{kind}" for kind in ("recommends", "suggests", "enhances", "breaks", "conflicts", "replaces")]
        direct = run(["apt-cache", *self._options, "depends", *quiet, package])
        needed = run(["apt-cache", *self._options, "depends", "--recurse", *quiet, *_libraries(direct)])
        return _libraries(direct + needed)

    def download(self, packages: list[str]) -> list[Path]:
        """Fetch packages; their signatures are checked through the index."""
        run(["apt-get", *self._options, "-q", "download", *packages], self._downloads)
        return sorted(self._downloads.glob("*.deb"))


def _libraries(listing: str) -> list[str]:
    words = (line.split(":", 1)[1].strip() for line in listing.splitlines() if "Depends:" in line)
    return list(dict.fromkeys(word for word in words if word.startswith(("lib", "zlib"))))


def run(command: list[str], directory: Path | None = None) -> str:
    """What a command prints. Raises Failed with its last line."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Failed(f"{' '.join((command[0], command[-1]))}: {' '.join(last)}")
    return done.stdout


def _user() -> str:
    import getpass

    return getpass.getuser()


def mirrors(distribution: str) -> list[str]:
    """Where this machine's apt gets the distribution from: its archive first, not that of security updates."""
    listing = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)", "Created-By: Packages"])
    rows = [line.split("|", 1) for line in listing.splitlines()]
    named = [uri for origin, uri in rows if origin.lower() == distribution]
    # Before the first `apt-get update` no origin is known, but the address mostly tells.
    likely = [uri for _, uri in rows if uri.rstrip("/").endswith(f"/{distribution}")]
    return list(dict.fromkeys(sorted((*likely, *named), key=lambda uri: "security" in uri)))


def source(distribution: str, mirror: str) -> str:
    """The entry for the newest suite of a mirror."""
    suite, components = SUITES[distribution]
    keyring = KEYRING.format(distribution)
    return f"Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: {components}\nSigned-By: {keyring}\n"


def unpack(files: list[Path], scratch: Path, target: Path) -> None:
    """The program and all libraries, in two places that do not depend on the distribution's layout."""
    tree = scratch / "tree"
    for file in files:
        run(["dpkg-deb", "-x", str(file), str(tree)])
    (target / "lib").mkdir(parents=True)
    shutil.copy2(tree / "usr/sbin/pgbouncer", target / "pgbouncer")
    for library in sorted(tree.glob("**/*.so*")):
        if library.is_file() and library.parent.name == f"{platform.machine()}-linux-gnu":
            shutil.copy2(library, target / "lib" / library.name, follow_symlinks=False)


def fetch(directory: Path) -> Path:
    """Fetch and unpack it. The directory of its version."""
    release = platform.freedesktop_os_release()
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    distribution = next((name for name in names if name in SUITES), None)
    if distribution is None:
        raise Failed("neither Debian nor Ubuntu")
    failure = "apt has no source of the distribution"
    for mirror in mirrors(distribution):
        with tempfile.TemporaryDirectory() as made:
            scratch = Path(made)
            scratch.chmod(0o755)
            apt = Apt(scratch / "apt", source(distribution, mirror))
            try:
                apt.update()
                files = apt.download(["pgbouncer", *apt.libraries("pgbouncer")])
            except Failed as error:
                failure = str(error)
                continue
            version = next(f.name.split("_")[1] for f in files if f.name.startswith("pgbouncer_")).split("-")[0]
            target = directory / version
            shutil.rmtree(target, ignore_errors=True)
            unpack(files, scratch, target)
            return target
    raise Failed(failure)


def main() -> int:
    """Exit code 0, or 2 with two lines."""
    try:
        print(fetch(Path(sys.argv[1])))
    except Failed as error:
        print(f"error: the newest PgBouncer could not be fetched: {error}", file=sys.stderr)
        print("  do: see that `apt-get update` works, then run this again", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
