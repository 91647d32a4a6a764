"""What a worker does to itself before it reads anything, and before and after each document.

It ends with its parent, leads a process group that nothing can leave, and takes in what its children left behind. It
is limited in memory, file size and processor time, and refused the network: by the kernel, and in Python already,
where the refusal can be told from other errors.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import time
from pathlib import Path
from socket import AF_UNIX

from ingestor.errors import ParseFailure, ParseReason
from ingestor.parsing import sandbox_filter

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NICENESS = 10
_ENDING_S = 5.0
_DENIED = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})


class NetworkDenied(PermissionError):
    """A parsing library wanted to talk to the network."""


def confine(parent: int, *, memory: int, scratch: int) -> None:
    """For good. ``memory`` and ``scratch`` (of one file) are bytes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which decides
    # systemd sends it to all of a service at once; the document at hand is not to blame, and the parent ends us.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # it was born with it blocked
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):  # where there is no prctl the closed pipe has to do
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to die with it
        os._exit(1)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, scratch)
    # Data, not address space: pandoc and pdfium reserve far more addresses than they ever use.
    _limit(resource.RLIMIT_DATA, memory)
    # spaCy takes torch along when it finds it: 2 s and 180 MB for nothing in a process that parses.
    sys.modules["torch"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    sandbox_filter.refuse()  # where it cannot, doctor and status say so; what follows holds anyhow
    sys.addaudithook(_deny_network)


def allow_processor(seconds: float) -> None:
    """From now on so much, in all threads together; the kernel ends who takes more (SIGXCPU). The limit is one of a
    process: what it starts may use as much again, within the wall clock."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))


def spent_by_children() -> float:
    """Processor seconds of the programs that were started here and are over."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def require_processor(*, since: float) -> None:
    """Raises ``ParseFailure`` where a program has failed for want of processor time: it was ended by the limit that it
    has from us, and says no more than that it fails."""
    limit, _ = resource.getrlimit(resource.RLIMIT_CPU)
    if limit != resource.RLIM_INFINITY and spent_by_children() - since >= limit - 1:
        raise ParseFailure(
            ParseReason.TIMEOUT,
            "The program that reads the file took more processor time than a parser may.",
            hint="Split the file, or exclude it.",
        )


def end_children() -> None:
    """Kill what the document started and left running; orphans of its children have become ours."""
    deadline = time.monotonic() + _ENDING_S
    while (children := _children()) and time.monotonic() < deadline:
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            found += [int(child) for child in task.read_text(encoding="ascii").split()]
    return found


def _limit(what: int, wanted: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _deny_network(event: str, args: tuple[object, ...]) -> None:
    if event in _DENIED or (event == "socket.__new__" and args[1] != AF_UNIX):
        raise NetworkDenied(event)
