"""Processor time of other processes and of threads that are not Python's, as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> float:
    """Seconds of a process, with what it started and saw end; 0 where they cannot be told (any more)."""
    return sum(_times(Path(f"/proc/{pid}/stat"))[:4]) / _TICKS


def of_native_threads() -> float:
    """Seconds of this process's threads that Python did not start: those in which libraries compute."""
    ours = {thread.native_id for thread in threading.enumerate()}
    spent = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc/self/task"):
            if int(entry.name) not in ours:
                spent += sum(_times(Path(entry.path, "stat"))[:2])
    return spent / _TICKS


def _times(file: Path) -> list[int]:
    """User, system, and both of the children that were waited for, in ticks; empty where the thread is gone."""
    with contextlib.suppress(OSError):
        # The name stands in parentheses and may hold anything.
        return [int(field) for field in file.read_bytes().rpartition(b")")[2].split()[11:15]]
    return []
