from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from slotwise.collectors.isolation import Workshop
from tests.servers import until


class Work(Struct):
    what: str
    file: str = ""


def nothing() -> None:
    return


def perform(job: bytes, tell: Callable[[bytes], None]) -> None:
    what = job.decode()
    tell(str(os.getpid()).encode())
    if "hang" in what:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
    if "raise" in what:
        raise ValueError("a bug in a collector")
    if "large" in what:
        tell(b"x" * 1_000_000)


def run(what: str, seconds: float, wait_seconds: float) -> tuple[bytes | None, bool]:
    with Workshop(perform, nothing) as shop:
        job = shop.submit(Work(what), seconds)
        shop.wait((job,), wait_seconds, time.monotonic)
        return job.last, job.ended


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_the_last_line_is_the_answer() -> None:
    said, ended = run("large", 20, 20)
    assert said == b"x" * 1_000_000 and ended


def test_a_job_that_hangs_leaves_what_it_said_before_and_no_process() -> None:
    said, ended = run("hang", 600, 0.5)
    assert said is not None and not ended
    until(lambda: not alive(int(said)))


def test_the_first_line_can_be_waited_for_while_the_job_goes_on() -> None:
    with Workshop(perform, nothing) as shop:
        job = shop.submit(Work("hang"), 600)
        shop.wait((job,), 600, time.monotonic, first_line=True)
        assert job.last is not None and not job.ended


def test_the_kernel_ends_a_job_at_its_own_deadline() -> None:
    said, ended = run("hang", 0.2, 20)
    assert said is not None and said.isdigit() and ended


def test_one_job_that_hangs_does_not_keep_another_from_answering() -> None:
    with Workshop(perform, nothing) as shop:
        jobs = (shop.submit(Work("hang"), 600), shop.submit(Work("quick"), 600))
        shop.wait(jobs[1:], 20, time.monotonic)
        assert jobs[1].ended and not jobs[0].ended


def test_a_bug_comes_through_as_a_bug() -> None:
    with pytest.raises(RuntimeError, match="a bug in a collector"):
        run("raise", 20, 20)


def test_a_helper_that_was_killed_is_an_end_without_an_answer() -> None:
    with Workshop(perform, nothing) as shop:
        os.kill(shop._pid, signal.SIGKILL)
        job = shop.submit(Work("quick"), 20)
        shop.wait((job,), 20, time.monotonic)
        assert job.ended and job.last is None


def test_closing_twice_is_harmless() -> None:
    shop = Workshop(perform, nothing)
    shop.close()
    shop.close()
