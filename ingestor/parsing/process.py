"""A worker as its parent sees it: one process with its pipe, its process group and its folder.

Everything that a document can do to its worker ends here as a ``ParseFailure`` with its reason.
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
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from ingestor.cputime import of_process
from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import ParseRequest
from ingestor.parsing import reply
from ingestor.parsing.deadline import Deadline
from ingestor.parsing.limits import Limits
from ingestor.parsing.unstructured_adapter import QUIET

# The modules come from where the parent has them: a worker must not find others in its own folder.
_BOOT = (
    "import sys; sys.path[:] = {path!r}; from ingestor.parsing.worker import main; main({fd}, {parent}, {settings!r})"
)
_START_SECONDS = 60.0
_LARGEST_ANSWER = 2**31 - 1
_LOOK_SECONDS = 0.25  # between two looks at what a document has written
_GRACE_SECONDS = 30.0  # to take a document in, and to hand an answer over
_FOLDER = "ingestor-parse-"
# How libraries in C end that are refused memory. More than this share of what is allowed was seen in use then.
_COLLAPSED = frozenset({-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGTRAP, -signal.SIGILL})
_MOST = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Retired(Exception):
    """The worker ended itself for want of work just before it was asked."""


class Worker:
    """One process with its pipe and its folder for temporary files. Used by one thread at a time, except
    ``end``, which any thread may call to stop it."""

    def __init__(self, settings: str, scratch: Path | None, *, ocr_pages: int = 0) -> None:
        """``ocr_pages`` is how many of its pages may put a document's clock forward."""
        self.asked = 0
        self._ocr_pages = ocr_pages
        self._folder = tempfile.mkdtemp(prefix=_FOLDER, dir=scratch)
        self._ending = threading.Lock()
        self._ended = False
        self._ready = False
        self._data = 0  # bytes, when last looked at
        ours, theirs = Pipe()
        self._pipe: Connection = ours
        with theirs, _deaf_to_term():
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

    def ask(self, request: ParseRequest, limits: Limits) -> bytes:
        """The worker's answer. Raises ``ParseFailure`` (timeout, crashed, expansion); then it is good for nothing."""
        if not self._ready:
            self._start()
        try:
            self.asked += 1
            self._data = 0
            head = {"name": request.name, "media_type": request.media_type}
            with self._fuse():
                self._pipe.send_bytes(json.dumps(head).encode())
                self._pipe.send_bytes(request.content)
            answer = self._await(limits)
        except (EOFError, OSError, ValueError) as error:
            raise self._gone(limits) from error
        self._clear_scratch()
        return answer

    def cpu_s(self) -> float:
        """Processor seconds of the process, with what it started and saw end."""
        return of_process(self._process.pid)

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
        try:
            if not self._pipe.poll(_START_SECONDS) or self._pipe.recv_bytes() != b"ready":
                raise not_started()
        except (EOFError, OSError) as error:
            raise not_started() from error
        self._ready = True

    def _await(self, limits: Limits) -> bytes:
        """Until there is an answer, or one limit that only an onlooker can keep is passed."""
        deadline = Deadline(limits, pictures=self._ocr_pages, pid=self._process.pid)
        while True:
            left = deadline.left()
            if self._pipe.poll(max(0.0, min(_LOOK_SECONDS, left))):
                with self._fuse():
                    answer = self._pipe.recv_bytes(_LARGEST_ANSWER)
                if not deadline.takes(answer):
                    return answer
            elif left <= 0:
                raise deadline.failure()
            self._data = _data_of(self._process.pid) or self._data
            if _exceeds(self._folder, limits.scratch):
                raise reply.too_much_scratch()

    @contextlib.contextmanager
    def _fuse(self) -> Iterator[None]:
        """A worker that a document has taken over may begin a message and never end it, or never take one in."""
        fuse = threading.Timer(_GRACE_SECONDS, self.end)
        fuse.daemon = True
        fuse.start()
        try:
            yield
        finally:
            fuse.cancel()

    def _clear_scratch(self) -> None:
        """The next document finds nothing of this one."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as left:
            for entry in left:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    with contextlib.suppress(OSError):
                        Path(entry.path).unlink()

    def _gone(self, limits: Limits) -> ParseFailure:
        """Why the pipe broke. Raises ``Retired`` where nothing happened to the document."""
        status = self._exit_status()
        patience = time.monotonic() + 1.0  # the pipe closes a moment before the process is over
        while status is None and time.monotonic() < patience:
            time.sleep(0.005)
            status = self._exit_status()
        if status == 0 and self.asked > 1:
            raise Retired
        if status == -signal.SIGXCPU:
            return ParseFailure(
                ParseReason.TIMEOUT,
                f"Parsing took more than {limits.processor:g} s of processor time.",
                hint="Split the file, or exclude it.",
            )
        if status in _COLLAPSED and self._data > _MOST * limits.memory:
            return reply.too_much_memory()
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


@contextlib.contextmanager
def _deaf_to_term() -> Iterator[None]:
    """What is started here is deaf to SIGTERM from birth. A service manager sends it to every process at a stop, also
    to one that has not come to ignore it yet; the death of that would be told of the document."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_leftovers(scratch: Path) -> None:
    """Kill what a killed predecessor's documents left running: its workers died with it, what they had started did
    not. It is known by its folder for temporary files, which nobody else has."""
    mark = f"TMPDIR={scratch}/{_FOLDER}".encode()
    for process in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):
            if any(entry.startswith(mark) for entry in (process / "environ").read_bytes().split(b"\0")):
                os.kill(int(process.name), signal.SIGKILL)


def _exceeds(folder: str, limit: int) -> bool:
    """Whether the files in it take more room than that."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_blocks * 512
        if total > limit:
            return True
    return False


def _data_of(pid: int) -> int:
    """Bytes of what the memory limit is on; 0 where they cannot be told (any more)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[5]) * _PAGE
    return 0


def not_started() -> ParseFailure:
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
