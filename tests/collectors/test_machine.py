from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from slotwise.collectors.machine import collect_machine
from slotwise.collectors.memory import collect_memory
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import Host, Memory

GIB = 1024**3


def host(root: Path, cgroup: str = "0::/\n", allowed: str = "0-7", **files: str) -> Host:
    texts = {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\nSwapTotal:       1024 kB\n",
        "proc/self/cgroup": cgroup,
        "proc/self/status": f"Name:\tx\nCpus_allowed_list:\t{allowed}\n",
        "proc/stat": "cpu  1 2\n" + "".join(f"cpu{n} 1 2\n" for n in range(8)),
        "proc/sys/kernel/hostname": "erp1\n",
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = collect_machine(root)
    assert isinstance(found, Host)
    return found


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)


def test_a_plain_machine(tmp_path: Path) -> None:
    found = host(tmp_path)
    assert (found.name, found.memory_bytes, found.memory_available_bytes) == ("erp1", 16 * GIB, 8 * GIB)
    assert (found.memory_limit_bytes, found.cores, found.swap_bytes) == (None, 8.0, 1024 * 1024)


def test_affinity_limits_the_cores(tmp_path: Path) -> None:
    assert host(tmp_path, allowed="0-1,4").cores == 3.0


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    cgroup = "sys/fs/cgroup/system.slice"
    found = host(
        tmp_path,
        "0::/system.slice/odoo.service\n",
        **{
            f"{cgroup}/odoo.service/memory.max": "max\n",
            f"{cgroup}/memory.max": f"{4 * GIB}\n",
            f"{cgroup}/odoo.service/cpu.max": "250000 100000\n",
            f"{cgroup}/cpu.max": "max 100000\n",
        },
    )
    assert (found.memory_limit_bytes, found.cores) == (4 * GIB, 2.5)


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    found = host(
        tmp_path,
        "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
        **{
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (found.memory_limit_bytes, found.cores) == (2 * GIB, 1.5)


def test_a_limit_above_the_memory_is_none(tmp_path: Path) -> None:
    assert host(tmp_path, **{"sys/fs/cgroup/memory.max": f"{64 * GIB}\n"}).memory_limit_bytes is None


def test_no_proc_is_a_gap(tmp_path: Path) -> None:
    assert isinstance(collect_machine(tmp_path), Unavailable)


def test_a_sample_of_backends_is_measured(tmp_path: Path) -> None:
    for pid in range(100):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        text = f"x\nPss: {pid} kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\nPrivate_Hugetlb: 4 kB\n"
        (tmp_path / f"proc/{pid}/smaps_rollup").write_text(text)
    memory = collect_memory(range(90), [95, 200], tmp_path)
    assert isinstance(memory, Memory)
    assert len(memory.processes) == 21 and memory.processes[-1].pid == 95
    assert {m.private_bytes for m in memory.processes} == {7 * 1024}
    pids = [m.pid for m in memory.processes[:-1]]
    assert pids[0] == 0 and max(b - a for a, b in pairwise(pids)) <= 5
    assert isinstance(collect_memory([500], [], tmp_path), Unavailable)
