"""Reads the sockets of a host: TCP of its own and of containers' network namespaces, Unix-domain with their peers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct

from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.procfs import KnownSockets
from slotwise.collectors.sock_diag import unix_sockets_and_peers
from slotwise.collectors.tcp_sockets import addresses_in_use, by_unique_peer, listening, parse_proc_net_tcp
from slotwise.collectors.unix_sockets import parse_proc_net_unix
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import Sockets, TcpSocket, UnixSocket

_LOCAL = re.compile(r"\|-- (?P<addr>[\d.]+)\n\s+/32 host LOCAL")
_POSTGRESQL_SOCKET = re.compile(r"\.s\.PGSQL\.\d+$")
_HOST = Path("/")


class Network(Struct, frozen=True):
    """The sockets of one host before those that matter are picked. ``unix`` is the reason where peers are not known."""

    tcp: tuple[TcpSocket, ...]
    unix: tuple[UnixSocket, ...] | Unavailable
    unix_listening: dict[int, str]
    local_addresses: tuple[str, ...]

    @property
    def ports(self) -> dict[int, int]:
        """Inode -> port of the TCP sockets that listen."""
        return listening(self.tcp)

    def known(self) -> KnownSockets:
        """What spares a sweep most of its cost."""
        connected = {s.inode for s in self.tcp if s.inode and s.state != "LISTEN"}
        if not isinstance(self.unix, Unavailable):
            connected.update(s.inode for s in self.unix if s.peer_inode)
        return KnownSockets(frozenset(connected), by_unique_peer(self.tcp))


def read_network(root: Path = _HOST) -> Network | Unavailable:
    """The sockets of this host's own network namespace. Under another root peers of Unix-domain sockets are unknown:
    only the running kernel can be asked."""
    texts = [_read(root / "proc/net/tcp"), _read(root / "proc/net/tcp6")]
    if all(t is None for t in texts):
        return Unavailable("/proc/net/tcp", "not readable", "run slotwise on the host of Odoo and PostgreSQL")
    tcp = tuple(s for t in texts if t for s in parse_proc_net_tcp(t))
    gap = Unavailable("sock_diag", "not the running host", "run slotwise on the host itself")
    return Network(
        tcp=tcp,
        unix=unix_sockets_and_peers() if root == _HOST else gap,
        unix_listening=parse_proc_net_unix(_read(root / "proc/net/unix") or ""),
        local_addresses=tuple(sorted({*addresses_in_use(tcp), *_interface_addresses(root)})),
    )


def with_containers(network: Network, facts: Iterable[ProcessFacts], root: Path = _HOST) -> Network:
    """The network with the TCP sockets of the other network namespaces that Odoo, servers and poolers live in.

    Sockets on a container's own loopback are taken only where a PostgreSQL server lives in that namespace: every
    namespace has a 127.0.0.1 of its own, and they must not be mixed up.
    """
    own = _namespace(root / "proc/self/ns/net")
    members: dict[int, list[ProcessFacts]] = {}
    for process in facts:
        if process.namespace is not None and process.namespace != own:
            members.setdefault(process.namespace, []).append(process)
    extra: list[TcpSocket] = []
    paths = dict(network.unix_listening)
    for processes in members.values():
        directory = root / f"proc/{processes[0].pid}/net"
        has_server = any(p.program in ("postgres", "postmaster") for p in processes)
        sockets = [s for name in ("tcp", "tcp6") for s in parse_proc_net_tcp(_read(directory / name) or "")]
        extra += [s for s in sockets if has_server or s.state == "LISTEN" or not _is_loopback(s.local_addr)]
        paths.update(parse_proc_net_unix(_read(directory / "unix") or ""))
    addresses = {*network.local_addresses, *addresses_in_use(tuple(s for s in extra if s.state != "LISTEN"))}
    return Network((*network.tcp, *extra), network.unix, paths, tuple(sorted(addresses)))


def sockets_that_matter(network: Network, ports: Collection[int], pids: Iterable[ProcessFacts] = ()) -> Sockets:
    """The sockets that lead to a database server or pooler: TCP by port, Unix-domain by PostgreSQL's socket names.

    ``pids`` are processes whose Unix-domain sockets are kept whatever their name (backends: an accepted socket has the
    server's path, its client's end has none).
    """
    kept = {i for f in pids for i in f.inodes or ()}
    unix: tuple[UnixSocket, ...] = ()
    if not isinstance(network.unix, Unavailable):
        server_ends = {s.inode for s in network.unix if s.inode in kept or _POSTGRESQL_SOCKET.search(s.path or "")}
        unix = tuple(s for s in network.unix if s.inode in server_ends or s.peer_inode in server_ends)
    return Sockets(
        tcp=tuple(s for s in network.tcp if s.local_port in ports or s.remote_port in ports),
        unix=unix,
        unix_peers=not isinstance(network.unix, Unavailable),
        local_addresses=network.local_addresses,
    )


def ends_of(network: Network | Unavailable, inodes: Collection[int]) -> frozenset[tuple[str | None, int | None]]:
    """Address and port of the TCP sockets with these inodes; none where the network could not be read."""
    if isinstance(network, Unavailable):
        return frozenset()
    return frozenset((s.local_addr, s.local_port) for s in network.tcp if s.inode in inodes)


def _interface_addresses(root: Path) -> set[str]:
    """The addresses of this host: IPv4 from /proc/net/fib_trie, IPv6 from /proc/net/if_inet6."""
    found = {m["addr"] for m in _LOCAL.finditer(_read(root / "proc/net/fib_trie") or "")}
    for line in (_read(root / "proc/net/if_inet6") or "").splitlines():
        digits = line.split(" ", 1)[0]
        if len(digits) == 32 and all(c in "0123456789abcdefABCDEF" for c in digits):
            found.add(str(ipaddress.IPv6Address(bytes.fromhex(digits))))
    return found


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _namespace(link: Path) -> int | None:
    try:
        digits = link.readlink().name.partition("[")[2].rstrip("]")
    except OSError:
        return None
    return int(digits) if digits.isdecimal() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
