"""``slotwise logs`` on a big mixed log, and beside pgbadger on one file in the same run.

``python -m bench logs``; SLOTWISE_BENCH_LOG_MB (default 2048) is the size of the big log, made in the temporary
directory and removed. Both read one file of 256 MB of the same lines (SLOTWISE_BENCH_PEER_MB: pgbadger takes seven
minutes for 2 GB); of pgbadger's reports (apt) every one is off that can be, except those about connections; without it
only slotwise is measured. Processor seconds are shown beside the time on the clock, because other programs may share
the cores.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench._table import Table

SHARE_RELEVANT = 0.01
_BLOCK_LINES = 20_000
_PEER_MB = int(os.environ.get("SLOTWISE_BENCH_PEER_MB", "256"))
_PREFIX = "%m [%p] %q%u@%d "


def main() -> Table:
    """Measure and print."""
    megabytes = int(os.environ.get("SLOTWISE_BENCH_LOG_MB", "2048"))
    with tempfile.TemporaryDirectory(prefix="slotwise-bench-") as directory:
        free_mb = shutil.disk_usage(directory).free // 1_000_000
        if free_mb < megabytes + 500:
            print(f"logs: {megabytes} MB wanted, {free_mb} MB free: smaller log")
            megabytes = max(64, free_mb - 1000)
        peer_file = Path(directory) / "peer.log"
        big = Path(directory) / "big.log"
        write_log(peer_file, _PEER_MB)
        write_log(big, megabytes)
        small = measure(peer_file)
        run = measure(big)
        size = big.stat().st_size / 1e6
        print(
            f"logs: {size:,.0f} MB of mixed logs, {SHARE_RELEVANT:.0%} relevant: {run.seconds:.1f} s, "
            f"{size / run.seconds:,.0f} MB/s; {run.processor_seconds:.1f} s of processor, that is "
            f"{2 * size / run.processor_seconds:,.0f} MB/s on two free cores"
        )
        print(f"logs: {run.said}")
        print(
            f"logs: peak memory of a process {run.memory_mb:.0f} MB ({small.memory_mb:.0f} MB for {_PEER_MB} MB of log)"
        )
        beside = beside_pgbadger(peer_file)
    ours = (f"slotwise logs, {size:,.0f} MB", *_cells(size, run.seconds, run.processor_seconds))
    rows = (ours, *beside, ("peak memory of a process", f"{run.memory_mb:.0f} MB", "", ""))
    return Table("slotwise logs", ("run", "time", "of the processor", "speed"), rows)


def _cells(size_mb: float, seconds: float, processor_seconds: float) -> tuple[str, str, str]:
    return f"{seconds:.2f} s", f"{processor_seconds:.2f} s", f"{size_mb / seconds:,.1f} MB/s"


class Run(NamedTuple):
    seconds: float
    processor_seconds: float
    memory_mb: float
    said: str


def measure(path: Path) -> Run:
    """One run in a fresh interpreter, as a user starts it. ``memory_mb`` is the highest of all runs so far."""
    before, begin = _processor_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "slotwise", "logs", "--quiet", str(path)], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begin
    memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return Run(seconds, _processor_seconds() - before, memory_mb, done.stdout.strip().splitlines()[-1])


def beside_pgbadger(path: Path) -> tuple[tuple[str, ...], ...]:
    """Rows of both on one file; none where pgbadger is missing."""
    pgbadger = shutil.which("pgbadger")
    if pgbadger is None:
        print("logs: pgbadger is not installed (apt install pgbadger): no comparison")
        return ()
    off = [f"--disable-{part}" for part in ("query", "lock", "temporary", "checkpoint", "autovacuum", "hourly", "type")]
    out = path.with_suffix(".json")
    options = ["-q", "-f", "stderr", "-p", _PREFIX, "-j", str(os.cpu_count() or 1), "-x", "json", "-o", str(out)]
    before, begin = _processor_seconds(), time.perf_counter()
    quiet_streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([pgbadger, *options, *off, str(path)], check=False, **quiet_streams)
    theirs, their_processor = time.perf_counter() - begin, _processor_seconds() - before
    runs = [measure(path) for _ in range(3)]
    ours, our_processor = min(run.seconds for run in runs), min(run.processor_seconds for run in runs)
    size = path.stat().st_size / 1e6
    print(
        f"logs: {size:.0f} MB, slotwise {ours:.2f} s ({size / ours:.0f} MB/s), pgbadger {theirs:.1f} s "
        f"({size / theirs:.1f} MB/s): {theirs / ours:.0f} times faster; by processor seconds {our_processor:.2f} "
        f"against {their_processor:.1f}: {their_processor / our_processor:.0f} times less"
    )
    return (
        (f"slotwise logs, {size:.0f} MB", *_cells(size, ours, our_processor)),
        (f"pgbadger, {size:.0f} MB, only its report on connections", *_cells(size, theirs, their_processor)),
    )


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_log(path: Path, megabytes: int) -> None:
    """Odoo, PostgreSQL and PgBouncer lines as one stream over some days, one in a hundred about connections."""
    blocks = [block(random.Random(seed)) for seed in range(8)]
    written = minute = 0
    with path.open("wb") as file:
        while written < megabytes * 1_000_000:
            data = blocks[minute % len(blocks)].replace(b"@DAY", f"2026-11-{1 + minute // 1440 % 28:02d}".encode())
            data = data.replace(b"@TIME", f"{minute // 60 % 24:02d}:{minute % 60:02d}".encode())
            file.write(data)
            written += len(data)
            minute += 1


def block(dice: random.Random) -> bytes:
    """One minute of logs."""
    lines = []
    for number in range(_BLOCK_LINES):
        moment = f"@DAY @TIME:{number * 60 // _BLOCK_LINES:02d}"
        milli = f"{dice.randrange(1000):03d}"
        pid = dice.randrange(1000, 30000)
        lines.append(
            relevant(dice, moment, milli, pid) if dice.random() < SHARE_RELEVANT else quiet(dice, moment, milli, pid)
        )
    return "".join(lines).encode()


def relevant(dice: random.Random, moment: str, milli: str, pid: int) -> str:
    return dice.choice(
        (
            f"{moment}.{milli} UTC [{pid}] odoo@prod FATAL:  sorry, too many clients already\n",
            f"{moment}.{milli} UTC [{pid}] odoo@shop FATAL:  remaining connection slots are reserved for roles with the"
            " SUPERUSER attribute\n",
            f"{moment},{milli} {pid} INFO prod odoo.sql_db: Connection to the database failed \n",
            f"{moment}.{milli} UTC [982] WARNING C-0x55cf48bb5d90: prod/odoo@10.0.0.4:5000 pooler error:"
            " query_wait_timeout\n",
            f"{moment}.{milli} UTC [{pid}] odoo@prod ERROR:  deadlock detected\n",
        )
    )


def quiet(dice: random.Random, moment: str, milli: str, pid: int) -> str:
    number = dice.randrange(60000)
    return dice.choice(
        (
            f"{moment},{milli} {pid} INFO prod werkzeug: 192.0.2.{number % 255} - - "
            f'"POST /web/dataset/call_kw/sale.order/web_search_read HTTP/1.1" 200 - '
            f"{number % 99} 0.0{number % 90} 0.1{number % 80}\n",
            f"{moment}.{milli} UTC [{pid}] odoo@prod LOG:  duration: {number % 9000}.123 ms  statement:"
            ' SELECT "res_partner"."id" FROM "res_partner" WHERE ("res_partner"."active" = true) ORDER BY 1\n',
            f"{moment}.{milli} UTC [{pid}] [unknown]@[unknown] LOG:  connection received: host=192.0.2.9"
            f" port={number}\n",
            f"{moment}.{milli} UTC [982] LOG C-0x55cf48bb{number:05d}: prod/odoo@192.0.2.4:{number} closing because:"
            " client close request (age=3s)\n",
            f"{moment},{milli} {pid} INFO shop odoo.addons.base.models.ir_cron: Starting job"
            " `Mail: Email Queue Manager`. \n",
        )
    )


if __name__ == "__main__":
    main()
