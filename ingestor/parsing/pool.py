"""The parser port: documents parsed in expendable processes, several at once.

A thread and a process per document in flight. The thread hands the content over, waits until the deadline
and then ends the whole process group; so a document can hang, crash or grow without hurting another, and
what it started (pandoc) ends with it. Workers are kept warm and given up after many documents, after a
failure that may have left something behind, or by themselves when nothing is asked of them.

Plain ``subprocess`` and a pipe each, instead of a pool from a library: those share a lock among their
workers that one death can leave held, end a process and not its group, and start by importing ``__main__``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from ingestor import space
from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import reply
from ingestor.parsing.parse import parse as parse_in_process
from ingestor.parsing.recipe import recipe as recipe_of
from ingestor.parsing.unstructured_adapter import QUIET

# The modules come from where the parent has them: a worker must not find others in its own folder.
_BOOT = (
    "import sys; sys.path[:] = {path!r}; from ingestor.parsing.worker import main; main({fd}, {parent}, {settings!r})"
)
_START_SECONDS = 60.0
_LARGEST_ANSWER = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """``seconds`` of wall clock and ``memory`` in bytes for a document, ``documents`` until a worker is
    replaced, ``idle`` seconds until one ends by itself."""

    seconds: float = 60.0
    memory: int = 4 * 2**30
    documents: int = 500
    idle: float = 120.0


class InlineParser:
    """The port without a sandbox, for one document in the foreground: no limits, no other process."""

    def recipe(self, name: str, media_type: str | None) -> str:
        return recipe_of(name, media_type)

    def submit(self, request: ParseRequest) -> Future[Document]:
        future: Future[Document] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(parse_in_process(request))
        except ParseFailure as failure:
            future.set_exception(failure)
        return future

    def close(self) -> None:
        """Nothing to end."""


class ParserPool:
    """The port as the program uses it. No process starts before the first ``submit``."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        parse: Callable[[ParseRequest], Document] = parse_in_process,
        scratch: Path | None = None,
    ) -> None:
        """``parse`` is any importable function; it runs in the workers. ``scratch`` is a folder of this pool
        alone for their temporary files: what a killed predecessor left there goes at the first worker. While its
        disk is full, futures raise ``NoSpace``, which is about no document."""
        self._limits = limits or Limits()
        self._settings = json.dumps(
            {
                "parse": f"{parse.__module__}:{parse.__qualname__}",
                "memory": self._limits.memory,
                "idle": self._limits.idle,
            }
        )
        self._threads = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)), thread_name_prefix="ingestor-parse")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False
        self._scratch = scratch
        self._swept = scratch is None

    def recipe(self, name: str, media_type: str | None) -> str:
        return recipe_of(name, media_type)

    def submit(self, request: ParseRequest) -> Future[Document]:
        try:
            return self._threads.submit(self._parse, request)
        except RuntimeError:  # closed
            future: Future[Document] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    def close(self) -> None:
        """Ends every worker at once; what runs or waits is cancelled."""
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
            self._idle.clear()
        for worker in workers:
            worker.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _parse(self, request: ParseRequest) -> Document:
        self._require_room()
        try:
            return self._ask(request)
        except ParseFailure:
            if self._is_closed():  # the failure is that of a worker which was ended
                raise CancelledError from None
            self._require_room()  # no verdict on a document that had no room to be read in
            raise

    def _require_room(self) -> None:
        if self._scratch is not None:
            space.require(self._scratch)

    def _ask(self, request: ParseRequest) -> Document:
        worker = self._take()
        keep = False
        try:
            document = reply.decode(worker.ask(request, self._limits.seconds))
            keep = True
        except _Retired:
            return self._ask(request)  # once: a new worker never retires before its first answer
        except ParseFailure as failure:
            # A verdict on the content leaves a worker as it was; the rest may not.
            keep = failure.reason not in {ParseReason.TIMEOUT, ParseReason.MEMORY, ParseReason.CRASHED}
            raise
        finally:
            self._give_back(worker, keep=keep)
        return document

    def _take(self) -> _Worker:
        """A warm worker, else a new one. The most recently used first, so that the others fall idle."""
        while True:
            with self._lock:
                if self._closed:
                    raise CancelledError
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                break
            if worker.alive():
                return worker
            self._discard(worker)
        try:
            worker = _Worker(self._settings, self._swept_scratch())
        except OSError as error:  # no memory, descriptors or temporary space for another process
            raise _not_started() from error
        with self._lock:
            self._all.add(worker)
        if self._is_closed():
            self._discard(worker)
            raise CancelledError
        return worker

    def _give_back(self, worker: _Worker, *, keep: bool) -> None:
        if keep and worker.asked < self._limits.documents:
            with self._lock:
                if not self._closed:
                    self._idle.append(worker)
                    return
        self._discard(worker)

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()

    def _is_closed(self) -> bool:
        with self._lock:
            return self._closed

    def _swept_scratch(self) -> Path | None:
        with self._lock:
            if not self._swept and self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)
                self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._swept = True
        return self._scratch


class _Retired(Exception):
    """The worker ended itself for want of work just before it was asked."""


class _Worker:
    """One process with its pipe and its folder for temporary files. Used by one thread at a time, except
    ``end``, which any thread may call to stop it."""

    def __init__(self, settings: str, scratch: Path | None) -> None:
        self.asked = 0
        self._folder = tempfile.mkdtemp(prefix="ingestor-parse-", dir=scratch)
        self._ending = threading.Lock()
        self._ended = False
        self._ready = False
        ours, theirs = Pipe()
        self._pipe: Connection = ours
        with theirs:
            boot = _BOOT.format(path=_module_path(), fd=theirs.fileno(), parent=os.getpid(), settings=settings)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", boot],
                stdin=subprocess.DEVNULL,
                # Ours carry answers and progress; what a parsing library prints is neither.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **QUIET, "TMPDIR": self._folder, "OMP_NUM_THREADS": "1"},
                cwd=self._folder,
                process_group=0,
            )

    def ask(self, request: ParseRequest, seconds: float) -> bytes:
        """The worker's answer. Raises ``ParseFailure`` (timeout, crashed); then it is good for nothing."""
        try:
            if not self._ready:
                self._start()
            self.asked += 1
            head = {"name": request.name, "media_type": request.media_type}
            self._pipe.send_bytes(json.dumps(head).encode())
            self._pipe.send_bytes(request.content)
            deadline = time.monotonic() + seconds
            if not self._pipe.poll(max(0.0, deadline - time.monotonic())):
                raise ParseFailure(
                    ParseReason.TIMEOUT,
                    f"Parsing did not end within {seconds:g} s.",
                    hint="It is tried again later; exclude the file if it never passes.",
                    transient=True,
                )
            return self._pipe.recv_bytes(_LARGEST_ANSWER)
        except (EOFError, OSError, ValueError) as error:
            raise self._gone() from error

    def alive(self) -> bool:
        """False once it gave itself up for want of work."""
        return not self._ended and self._exit_status() is None

    def end(self) -> None:
        """Kill the process group and remove its files. Safe to call twice and from any thread."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            # Until it is waited for, nobody else can get its number.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        # Not the pipe: another thread may be reading it, and finds its end there.
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        if not self._pipe.poll(_START_SECONDS) or self._pipe.recv_bytes() != b"ready":
            raise _not_started()
        self._ready = True

    def _gone(self) -> ParseFailure:
        """Why the pipe broke. Raises ``_Retired`` where nothing happened to the document."""
        status = self._exit_status()
        patience = time.monotonic() + 1.0  # the pipe closes a moment before the process is over
        while status is None and time.monotonic() < patience:
            time.sleep(0.005)
            status = self._exit_status()
        if status == 0 and self.asked > 1:
            raise _Retired
        if not self._ready:
            return _not_started()
        how = f"was ended by {_signal_name(-status)}" if status is not None and status < 0 else "ended"
        return ParseFailure(
            ParseReason.CRASHED,
            f"The parser process {how} while it read the file.",
            hint="It is tried again later; exclude the file if it never passes.",
            transient=True,
        )

    def _exit_status(self) -> int | None:
        """None while it runs; a signal is negative. Does not wait for it: ``end`` needs its number."""
        try:
            state = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return self._process.returncode
        if state is None:
            return None
        return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status


def _not_started() -> ParseFailure:
    return ParseFailure(
        ParseReason.CRASHED,
        "A parser process did not start.",
        hint="Check memory and installation (ingestor doctor); it is tried again later.",
        transient=True,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _module_path() -> list[str]:
    """Where the parent finds modules; an empty entry is its working directory."""
    return [str(Path(place).absolute()) for place in sys.path]
