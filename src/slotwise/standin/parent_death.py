"""A child that ends when its parent does, even if the parent is killed while the child waits for a server."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. ``parent`` is the pid it should still have."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the call.
    if os.getppid() != parent:
        os._exit(1)
