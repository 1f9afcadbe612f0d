"""What one look at a host may take over from the look before it, so that it costs little where little has changed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from slotwise.collectors.process_facts import ProcessFacts
from slotwise.snapshot.postgres import Settings
from slotwise.snapshot.processes import Process, ProcessMemory

Stamp = tuple[int, int]
"""Inode number and change time (nanoseconds) of a directory /proc/PID. They stay while the process lives and differ for
another process with its pid: the kernel gives each its own inode, made when it is first looked up, and drops that of a
dead one (fs/proc/base.c of Linux 6.1, proc_pid_make_inode and pid_revalidate)."""


class Standing(Struct, frozen=True):
    """The process of an established session. Who is at its other end, its socket, user and start stay as they are while
    it lives; only the state in its title changes, which pg_stat_activity tells."""

    facts: ProcessFacts
    stamp: Stamp
    process: Process


class Measured(Struct, frozen=True):
    """The memory of a process that was started at ``started_at`` (epoch seconds, None where that is not known)."""

    started_at: float | None
    memory: ProcessMemory


class Configured(Struct, frozen=True):
    """What the files of a server that was started at ``started_at`` set, and its control file."""

    started_at: float | None
    settings: Settings


class EarlierLook(Struct, frozen=True):
    """By pid: sessions' processes, what memory was measured, and postmasters' settings as files tell them."""

    sessions: Mapping[int, Standing] = field(default_factory=dict)
    memory: Mapping[int, Measured] = field(default_factory=dict)
    settings: Mapping[int, Configured] = field(default_factory=dict)
