"""What others see of a host: in /proc, and in pg_stat_activity."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from slotwise.demo.postgres_server import PostgresServer
from tests.servers import odoo_sessions


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def sockets(pid: int) -> set[str]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}


def listening_inode(port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A":
            return f"socket:[{fields[9]}]"
    raise AssertionError(f"nobody listens on {port}")


def applications(server: PostgresServer, database: str) -> Counter[str]:
    return Counter(s.application for s in odoo_sessions(server) if s.database == database)


def states(server: PostgresServer, database: str) -> Counter[tuple[str, str]]:
    return Counter((s.state, s.query) for s in odoo_sessions(server) if s.database == database)
