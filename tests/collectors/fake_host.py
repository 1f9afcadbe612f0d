"""A /proc of our own making under a temporary directory: processes, sockets and files that no test host has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def add_process(
    root: Path,
    pid: int,
    ppid: int,
    arguments: Sequence[str],
    *,
    inodes: Sequence[int] = (),
    namespace: int = 1,
    depth: int = 1,
    environment: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> Path:
    """A process with sockets among its files. ``depth`` is how many pid namespaces it is in."""
    directory = root / f"proc/{pid}"
    (directory / "fd").mkdir(parents=True)
    (directory / "ns").mkdir()
    (directory / "net").mkdir()
    name = arguments[0].rsplit("/", 1)[-1][:15] if arguments else "x"
    (directory / "stat").write_text(f"{pid} ({name}) S {ppid} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 1 1\n")
    (directory / "cmdline").write_bytes(b"\0".join(a.encode() for a in arguments) + b"\0")
    (directory / "status").write_text(f"Name:\t{name}\nNSpid:\t" + "\t".join(str(pid + n) for n in range(depth)) + "\n")
    (directory / "cgroup").write_text("0::/system.slice/x.service\n")
    (directory / "environ").write_bytes(b"".join(f"{k}={v}\0".encode() for k, v in (environment or {}).items()))
    (directory / "cwd").symlink_to(cwd)
    (directory / "ns/net").symlink_to(f"net:[{namespace}]")
    for number, inode in enumerate(inodes, 3):
        (directory / f"fd/{number}").symlink_to(f"socket:[{inode}]")
    (directory / "fd/0").symlink_to("/dev/null")
    return directory


def tcp(*sockets: tuple[str, str, str, int]) -> str:
    """The text of /proc/net/tcp on a little-endian machine: local end, remote end (`10.0.0.2:5432`), state, inode."""
    lines = ["  sl  local_address rem_address   st"]
    for number, (local, remote, state, inode) in enumerate(sockets):
        ends = " ".join(_hexadecimal(end) for end in (local, remote))
        lines.append(f"   {number}: {ends} {state} 0:0 00:0 0 101 0 {inode} 1 0")
    return "\n".join(lines) + "\n"


def _hexadecimal(end: str) -> str:
    address, _, port = end.partition(":")
    return "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{int(port):04X}"


def write_host(root: Path, files: Mapping[str, str], own_namespace: int = 1) -> None:
    """The files of a host, and /proc/self in the network namespace that is our own."""
    for name, text in {"proc/stat": "cpu  1\nbtime 1700000000\n", "proc/net/tcp": tcp(), **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "proc/self/ns").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/ns/net").symlink_to(f"net:[{own_namespace}]")
    (root / "proc/self/status").write_text("Name:\tx\nNSpid:\t1\n")
