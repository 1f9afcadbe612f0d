"""A process that applies, resumes or rolls back a change of files and dies at the Nth point that it passes.

``python dying.py STATE DIRECTORY N apply|resume|rollback``: prints the number of points passed when it lives through.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers
from slotwise.fixes.remedy import FixPlan, Remedy, WriteFile

OLD = {"odoo.conf": b"[options]\nworkers = 4\n" * 400, "pgbouncer.ini": b"[pgbouncer]\n; caf\xe9\n"}
NEW = {
    "odoo.conf": b"[options]\nworkers = 8\n" * 500,
    "pgbouncer.ini": b"[pgbouncer]\nx = 1\n",
    "fresh.conf": b"a = 1\n",
}


def plan(directory: Path) -> FixPlan:
    steps = tuple(WriteFile(str(directory / name), OLD.get(name), NEW[name], like=str(directory)) for name in NEW)
    remedy = Remedy(target="files", title="files", reasons=("a test",), steps=steps)
    return FixPlan(remedies=(remedy,))


def main(state: Path, directory: Path, die_at: int, what: str) -> None:
    passed = 0

    def notify(point: str) -> None:
        nonlocal passed
        passed += 1
        if passed == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    journals = Journals(state)
    hand = Hand(journals, Servers(None), notify=notify)
    with journals.locked():
        if what == "apply":
            hand.apply(plan(directory))
        elif what == "resume":
            change = journals.interrupted()
            if change is not None:
                hand.resume(change)
        else:
            hand.roll_back(journals.find(None))
    print(passed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
