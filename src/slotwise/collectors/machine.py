"""Reads what the machine has: memory, swap, the control group's limit and the cores that may be used."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import Host

_KILOBYTES = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
_UNLIMITED_BYTES = 1 << 60
"""memory.limit_in_bytes of cgroup v1 shows a number near 2**63 where there is no limit."""


def collect_machine(root: Path = Path("/"), pid: int | str = "self") -> Host | Unavailable:
    """The machine as process ``pid`` may use it: the tightest memory limit and processor quota of its control groups,
    from its own up to the root (cgroup v1 and v2, Documentation/admin-guide/cgroup-v2.rst)."""
    sizes = {m[1]: int(m[2]) * 1024 for m in _KILOBYTES.finditer(_read(root / "proc/meminfo") or "")}
    if "MemTotal" not in sizes:
        return Unavailable("/proc/meminfo", "not readable", "run slotwise on the host of Odoo and PostgreSQL")
    groups = _groups(_read(root / f"proc/{pid}/cgroup") or "")
    limit = _tightest(root, groups, ("memory.max",), ("memory", "memory.limit_in_bytes"))
    quota = _processor_quota(root, groups)
    cores = float(_cores(root, pid))
    return Host(
        name=_host_name(root),
        memory_bytes=sizes["MemTotal"],
        memory_available_bytes=sizes.get("MemAvailable"),
        memory_limit_bytes=limit if limit is not None and limit < sizes["MemTotal"] else None,
        cores=min(cores, quota) if quota is not None else cores,
        swap_bytes=sizes.get("SwapTotal"),
        source="/proc/meminfo and cgroup",
    )


def _groups(text: str) -> dict[str, str]:
    """Controller -> path; the unified hierarchy (v2) is ``""``: lines `0::/path` and `4:memory:/path`."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3:
            found.update(dict.fromkeys(fields[1].split(","), fields[2]))
    return found


def _directories(root: Path, controller: str, path: str) -> list[Path]:
    """A control group and everything above it. In a container the path may be the host's: then only the top exists."""
    top = root / "sys/fs/cgroup" / controller
    parts = [p for p in path.split("/") if p and p != ".."]
    return [top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _tightest(root: Path, groups: dict[str, str], names: tuple[str, ...], old: tuple[str, str]) -> int | None:
    places = [d / name for d in _directories(root, "", groups.get("", "/")) for name in names]
    if old[0] in groups:
        places += [d / old[1] for d in _directories(root, old[0], groups[old[0]])]
    values = [int(t) for p in places if (t := (_read(p) or "").strip()).isdecimal()]
    return min((v for v in values if v < _UNLIMITED_BYTES), default=None)


def _processor_quota(root: Path, groups: dict[str, str]) -> float | None:
    """Cores that the control groups allow: cpu.max is `quota period` or `max period` (v2); cfs_quota_us -1 is none."""
    quotas: list[float] = []
    for directory in _directories(root, "", groups.get("", "/")):
        fields = (_read(directory / "cpu.max") or "").split()
        if len(fields) == 2 and all(f.isdecimal() for f in fields) and int(fields[1]):
            quotas.append(int(fields[0]) / int(fields[1]))
    for controller in ("cpu", "cpu,cpuacct"):
        for directory in _directories(root, controller, groups.get("cpu", "/")) if "cpu" in groups else ():
            quota, period = ((_read(directory / f"cpu.cfs_{n}_us") or "").strip() for n in ("quota", "period"))
            if quota.isdecimal() and period.isdecimal() and int(period):
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _cores(root: Path, pid: int | str) -> int:
    """The processors that the process may run on: Cpus_allowed_list in its status, else all of them."""
    match = re.search(r"^Cpus_allowed_list:\s+(\S+)$", _read(root / f"proc/{pid}/status") or "", re.MULTILINE)
    allowed = sum(_span(part) for part in match[1].split(",")) if match else 0
    present = len(re.findall(r"^cpu\d+ ", _read(root / "proc/stat") or "", re.MULTILINE))
    return min(n for n in (allowed, present, os.cpu_count() or 1) if n) if allowed or present else os.cpu_count() or 1


def _span(text: str) -> int:
    first, _, last = text.partition("-")
    return int(last or first) - int(first) + 1 if first.isdecimal() and (last or first).isdecimal() else 0


def _host_name(root: Path) -> str:
    return (_read(root / "proc/sys/kernel/hostname") or "").strip() or socket.gethostname()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
