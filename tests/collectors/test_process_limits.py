from __future__ import annotations

import os
import resource
from pathlib import Path

from slotwise.collectors.process_limits import open_files_limit


def test_the_soft_limit_of_this_process() -> None:
    assert open_files_limit(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_process_that_is_gone_or_unlimited_has_no_number(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/limits").write_text("Limit  Soft Limit\nMax open files            unlimited  unlimited files\n")
    assert open_files_limit(7, tmp_path) is None
    assert open_files_limit(8, tmp_path) is None
