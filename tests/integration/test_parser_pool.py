from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import clock, ocr, process, sandbox_filter, tesseract
from ingestor.parsing.limits import Limits
from ingestor.parsing.parse import parse
from ingestor.parsing.pool import ParserPool
from ingestor.parsing.soffice import parse_doc
from tests.support import pictures

MEBIBYTE = 2**20


def poisoned(request: ParseRequest) -> Document:
    """Runs in a worker: does what the name says, and parses everything else."""
    if request.name == "loop":
        while True:
            pass
    if request.name == "loop in C":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sum(range(10**15))
    if request.name == "exit":
        os._exit(3)
    if request.name == "exit 0":
        os._exit(0)
    if request.name == "sys.exit":
        sys.exit(1)
    if request.name == "segv":
        ctypes.string_at(0)
    if request.name == "memory":
        return described(len(bytearray(8 * 2**30)))
    if request.name == "many bytes":
        return described(len([bytearray(MEBIBYTE) for _ in range(1000)]))
    if request.name == "abort":
        held = bytearray(int(request.content) * MEBIBYTE)
        time.sleep(0.8)
        os.kill(os.getpid(), signal.SIGABRT if held is not None else 0)
    if request.name == "surprise":
        raise KeyError("a bug")
    if request.name == "child":
        child = subprocess.Popen(["sleep", "600"])
        Path(request.content.decode()).write_text(f"{child.pid} {os.getpid()}")
        while True:
            time.sleep(1)
    if request.name == "socket":
        try:
            socket.create_connection(("127.0.0.1", int(request.content)), timeout=5)
        except PermissionError:
            return described("denied")
        return described("connected")
    if request.name == "network":
        socket.create_connection(("127.0.0.1", 9), timeout=5)
    if request.name == "network by the kernel":
        return described(refused_calls())
    if request.name == "network of a child":
        done = subprocess.run(["bash", "-c", "echo > /dev/tcp/127.0.0.1/9"], check=False, capture_output=True)
        return described(done.stderr.decode())
    if request.name == "threads":
        burn = "import hashlib\nwhile True: hashlib.sha256(bytes(10**6))"
        for _ in range(2):
            threading.Thread(target=exec, args=(burn,), daemon=True).start()
        time.sleep(600)
    if request.name.startswith("fork, then "):
        script = f"sleep 600 > /dev/null 2>&1 & echo $! > {request.content.decode()}"
        subprocess.run(["sh", "-c", script], check=True)
        return poisoned(ParseRequest(name=request.name.removeprefix("fork, then "), content=request.content))
    if request.name == "leave a child":
        child = subprocess.Popen(["sleep", "600"])
        return described(child.pid)
    if request.name == "leave a grandchild":
        script = "sleep 600 > /dev/null 2>&1 & echo $!"
        return described(subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout.decode().strip())
    if request.name == "one large file":
        Path("large").write_bytes(bytes(64 * MEBIBYTE))
    if request.name == "many files":
        for number in range(64):
            Path(f"part {number}").write_bytes(bytes(MEBIBYTE))
        time.sleep(600)
    if request.name == "half an answer":
        (pipe,) = [thing for thing in gc.get_objects() if isinstance(thing, Connection)]
        os.write(pipe.fileno(), (1000).to_bytes(4, "big") + b"and no more")
        time.sleep(600)
    if request.name == "ended by the service manager":
        child = subprocess.Popen(["sleep", "0.5"])
        os.killpg(0, signal.SIGTERM)
        return described(child.wait())
    if request.name == "files":
        return described(sorted(path.name for path in Path.cwd().iterdir()))
    if request.name == "convert":
        parse_doc(request)
    if request.name == "pages":
        for _ in range(int(request.content)):
            clock.picture_begins()
            time.sleep(0.6)
        return described("read")
    if request.name == "stretches":
        for _ in range(int(request.content)):
            clock._process.tell(clock.Mark.STRETCH)
            time.sleep(0.6)
        return described("read")
    if request.name == "beside others":
        burn = "while True: pass"
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for _ in range(3):
            subprocess.Popen([sys.executable, "-c", burn])
        needed = time.process_time() + 1
        while time.process_time() < needed:
            pass
        return described("read")
    if request.name.startswith("libraries"):
        with clock.loading():
            time.sleep(float(request.content))
        return described("read") if request.name == "libraries" else poisoned(ParseRequest(name="loop", content=b""))
    if request.name == "print":
        print("noise on stdout", flush=True)
        os.write(1, b"noise\n")
        os.write(2, b"noise\n")
    if request.name == "where":
        Path("left behind").write_text("x")
        return described(
            f"{os.getpid()} {os.getpgid(0)} {os.nice(0)} {signal.getsignal(signal.SIGINT) is signal.SIG_IGN} "
            f"{os.getcwd()} {'unstructured' in sys.modules}"
        )
    return parse(request)


def refused_calls() -> list[str]:
    """What of this a worker may not do when it goes around Python: sockets, a connection, leaving the group."""
    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "inet": lambda: libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0),
        "inet6": lambda: libc.socket(socket.AF_INET6, socket.SOCK_DGRAM, 0),
        "netlink": lambda: libc.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "packet": lambda: libc.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
        "local": lambda: libc.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0),
        "connect": lambda: libc.connect(0, 0, 0),
        "setsid": libc.setsid,
        "setpgid": lambda: libc.setpgid(0, 0),
        "io_uring": lambda: libc.syscall(425, 1, 0),
        "getpid": libc.getpid,
    }
    return [name for name, call in calls.items() if call() == -1 and ctypes.get_errno() == errno.EPERM]


def described(what: object) -> Document:
    return Document(text=str(what), elements=(), title="", kind="test")


def test_the_end_of_the_service_is_not_the_documents_fault(make: Callable[..., ParserPool]) -> None:
    """systemd sends SIGTERM to all processes of a service at once: neither the worker nor what it started dies of it,
    so that nothing is set aside as crashed; the service ends them when it closes."""
    request = ParseRequest(name="ended by the service manager", content=b"")
    assert make(workers=1).submit(request).result(60).text == "0"


def test_a_worker_is_deaf_to_the_end_of_the_service_from_birth(
    make: Callable[..., ParserPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal may come before the worker has run its first line; it would be the end of a document never read."""
    start = subprocess.Popen

    def started(*command: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = start(*command, **options)
        child.send_signal(signal.SIGTERM)
        return child

    monkeypatch.setattr(process.subprocess, "Popen", started)
    assert ask(make(), "words").text == "words"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


@pytest.fixture
def make() -> Iterator[Callable[..., ParserPool]]:
    pools = []

    def factory(*, workers: int = 1, **limits: float) -> ParserPool:
        pools.append(ParserPool(workers=workers, limits=Limits(**limits), parse=poisoned))
        return pools[-1]

    yield factory
    for pool in pools:
        pool.close()


def ask(pool: ParserPool, name: str, content: bytes = b"words") -> Document:
    return pool.submit(ParseRequest(name=name, content=content)).result(timeout=120)


def where(pool: ParserPool) -> list[str]:
    return ask(pool, "where").text.split()


def failure(pool: ParserPool, name: str, content: bytes = b"words") -> ParseFailure:
    with pytest.raises(ParseFailure) as caught:
        ask(pool, name, content)
    return caught.value


def gone(pid: int) -> bool:
    """Whether the process is over (a zombie is)."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("name", "reason", "says"),
    [
        ("loop", ParseReason.TIMEOUT, "within 1.5 s"),
        ("loop in C", ParseReason.TIMEOUT, "within 1.5 s"),
        ("exit", ParseReason.CRASHED, "ended"),
        ("exit 0", ParseReason.CRASHED, "ended"),
        ("sys.exit", ParseReason.CRASHED, "ended"),
        ("surprise", ParseReason.CRASHED, "ended"),
        ("segv", ParseReason.CRASHED, "SIGSEGV"),
    ],
)
def test_a_poisonous_document_ends_itself_alone(
    make: Callable[..., ParserPool], name: str, reason: ParseReason, says: str
) -> None:
    """Whatever it does to its worker, the document fails with its reason, may be tried again, and the
    next document succeeds."""
    pool = make(seconds=1.5)
    assert ask(pool, "a.txt").text == "words"
    caught = failure(pool, name)
    assert caught.reason is reason
    assert says in caught.message
    assert caught.transient
    assert caught.hint
    assert ask(pool, "a.txt").text == "words"


@pytest.mark.parametrize("name", ["memory", "many bytes"])
def test_a_document_cannot_take_more_memory_than_allowed(make: Callable[..., ParserPool], name: str) -> None:
    """The limit of the worker turns growth into a reason, and the worker is replaced."""
    pool = make(memory=300 * MEBIBYTE)
    before = where(pool)[0]
    caught = failure(pool, name)
    assert caught.reason is ParseReason.MEMORY
    assert caught.transient  # the next try has a new process
    assert where(pool)[0] != before


@pytest.mark.parametrize(("held", "reason"), [(300, ParseReason.MEMORY), (1, ParseReason.CRASHED)])
def test_a_library_that_dies_of_refused_memory_is_told_from_one_that_crashes(
    make: Callable[..., ParserPool], held: int, reason: ParseReason
) -> None:
    """Code in C aborts where Python has an exception: with most of its memory in use that is the reason. Either may
    pass in a new process."""
    caught = failure(make(memory=400 * MEBIBYTE), "abort", str(held).encode())
    assert (caught.reason, caught.transient) == (reason, True)


def test_poison_beside_good_documents_costs_only_itself(make: Callable[..., ParserPool]) -> None:
    """With several workers, good documents come through while others crash and hang."""
    pool = make(workers=2, seconds=2)
    names = ["a.txt", "segv", "a.txt", "loop", "a.txt", "exit", "a.txt"]
    futures = [pool.submit(ParseRequest(name=name, content=b"words")) for name in names]
    assert [f.exception(timeout=60) is None for f in futures] == [name == "a.txt" for name in names]


def test_what_a_parser_started_ends_with_it(make: Callable[..., ParserPool], tmp_path: Path) -> None:
    """A grandchild that sleeps is in the worker's group and is killed with it."""
    note = tmp_path / "pids"
    caught = failure(make(seconds=1), "child", str(note).encode())
    assert caught.reason is ParseReason.TIMEOUT
    assert all(gone(int(pid)) for pid in note.read_text().split())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loop in C", ParseReason.TIMEOUT),
        ("memory", ParseReason.MEMORY),
        ("exit", ParseReason.CRASHED),
        ("segv", ParseReason.CRASHED),
        ("network", ParseReason.UNSUPPORTED),
    ],
)
def test_a_grandchild_ends_with_its_document_however_that_ends(
    make: Callable[..., ParserPool], tmp_path: Path, name: str, reason: ParseReason
) -> None:
    """A process that sleeps and whose parent is over is gone after the document, and the next document succeeds."""
    pool, note = make(seconds=3), tmp_path / "pid"
    assert failure(pool, f"fork, then {name}", str(note).encode()).reason is reason
    assert gone(int(note.read_text()))
    assert ask(pool, "a.txt").text == "words"


@pytest.mark.parametrize(("program", "file"), [("soffice", "convert"), ("tesseract", "a.png")])
def test_a_program_that_hangs_ends_with_its_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, file: str
) -> None:
    """LibreOffice that waits for a password, and what it has started, do not outlive the time of the document."""
    note = tmp_path / "pids"
    stand_in = tmp_path / "programs" / program
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! > {note}\nwait\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(tesseract, "installed", lambda: tesseract.Tesseract(version="5", languages=("eng",)))
    pool = ParserPool(workers=1, limits=Limits(seconds=6, page=1), parse=poisoned)
    try:
        assert (
            failure(pool, file, pictures.as_file(pictures.page(["Words."], height=80), "PNG")).reason
            is ParseReason.TIMEOUT
        )
        assert all(gone(int(pid)) for pid in note.read_text().split())
        assert ask(pool, "a.txt").text == "words"
    finally:
        pool.close()


@pytest.mark.parametrize(("program", "file"), [("soffice", "convert"), ("pandoc", "a.rtf")])
def test_a_program_that_takes_too_much_processor_time_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, file: str
) -> None:
    """It dies of its limit without a word; the file is not called damaged for it."""
    stand_in = tmp_path / program
    stand_in.write_text('#!/bin/sh\n[ "$1" = --version ] && echo pandoc 3.1 && exit\nwhile :; do :; done\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYPANDOC_PANDOC", str(stand_in))
    pool = ParserPool(workers=1, limits=Limits(processor=1), parse=poisoned)
    try:
        caught = failure(pool, file, rb"{\rtf1\ansi {\pard Words in RTF.\par}}")
        assert (caught.reason, caught.transient) == (ParseReason.TIMEOUT, False)
        assert "processor time" in caught.message
    finally:
        pool.close()


def test_a_parser_cannot_talk_to_the_network(make: Callable[..., ParserPool]) -> None:
    """A connection attempt is refused inside the worker, even to this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ask(make(), "socket", str(port).encode()).text == "denied"


def test_a_document_that_wants_the_network_says_so(make: Callable[..., ParserPool]) -> None:
    """A parser that does not get over the refusal ends its document with that reason, once and for all; the worker
    goes on."""
    pool = make()
    before = where(pool)[0]
    caught = failure(pool, "network")
    assert (caught.reason, caught.transient) == (ParseReason.UNSUPPORTED, False)
    assert "network" in caught.message
    assert where(pool)[0] == before


@pytest.mark.skipif(bool(sandbox_filter.trouble()), reason="this kernel takes no filter; doctor says so")
def test_the_kernel_refuses_the_network_whatever_the_parser_is_written_in(make: Callable[..., ParserPool]) -> None:
    """Calls that go around Python are refused too, those of a program that the parser starts, and leaving the
    process group; what is harmless goes through."""
    pool = make()
    refused = ["inet", "inet6", "netlink", "packet", "connect", "setsid", "setpgid", "io_uring"]
    assert ask(pool, "network by the kernel").text == str(refused)
    assert "Operation not permitted" in ask(pool, "network of a child").text


def test_processor_time_of_all_threads_is_limited(make: Callable[..., ParserPool]) -> None:
    """Who burns more than allowed is ended by the kernel, well before the wall clock, and not tried again."""
    pool = make(seconds=60, processor=1)
    assert ask(pool, "a.txt").text == "words"
    caught = failure(pool, "threads")
    assert (caught.reason, caught.transient) == (ParseReason.TIMEOUT, False)
    assert "more than 1 s of processor time" in caught.message
    assert ask(pool, "a.txt").text == "words"


@pytest.mark.parametrize("name", ["leave a child", "leave a grandchild"])
def test_what_a_document_left_running_ends_with_it(make: Callable[..., ParserPool], name: str) -> None:
    """A parser that succeeds and leaves a process behind, be it an orphan, does not keep it; the worker goes on."""
    pool = make()
    before = where(pool)[0]
    assert gone(int(ask(pool, name).text))
    assert where(pool)[0] == before


@pytest.mark.parametrize("name", ["one large file", "many files"])
def test_temporary_files_are_limited(make: Callable[..., ParserPool], name: str) -> None:
    """Neither one file nor many together may fill the disk; the document ends with its reason and its files go."""
    pool = make(scratch=8 * MEBIBYTE, seconds=60)
    folder = where(pool)[4]
    caught = failure(pool, name)
    assert (caught.reason, caught.transient) == (ParseReason.EXPANSION, False)
    assert "temporary space" in caught.message
    assert not Path(folder).exists()
    assert ask(pool, "a.txt").text == "words"


def test_an_answer_that_never_ends_is_given_up(
    make: Callable[..., ParserPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was taken over holds its parent up for no longer than the fuse."""
    monkeypatch.setattr(process, "_GRACE_SECONDS", 1.0)
    pool = make(seconds=1)
    caught = failure(pool, "half an answer")
    assert (caught.reason, caught.transient) == (ParseReason.CRASHED, True)
    assert ask(pool, "a.txt").text == "words"


def test_each_page_for_ocr_puts_the_clock_forward_so_often_and_no_more() -> None:
    """Three pages take longer than a document may, and are read; a document that asks once more than it has pages is
    ended."""
    pool = ParserPool(workers=1, limits=Limits(seconds=1, page=1), parse=poisoned, ocr=ocr.Ocr(pages=3))
    try:
        assert ask(pool, "pages", b"3").text == "read"
        assert failure(pool, "pages", b"4").reason is ParseReason.CRASHED
        assert ask(pool, "a.txt").text == "words"
    finally:
        pool.close()


@pytest.mark.parametrize("patience", [1, 60])
def test_waiting_for_a_processor_is_not_the_documents_time(make: Callable[..., ParserPool], patience: float) -> None:
    """A second of work beside three others on one processor takes four, which is more than it may by the clock: it is
    read, unless there is no patience at all."""
    pool = make(seconds=2, patience=patience)
    if patience == 1:
        assert failure(pool, "beside others").reason is ParseReason.TIMEOUT
    else:
        assert ask(pool, "beside others").text == "read"


def test_stretches_of_pages_put_the_clock_forward_so_often_and_no_more(make: Callable[..., ParserPool]) -> None:
    """A long document takes longer than a short one may, and is read; one that goes on beyond the last is ended."""
    pool = make(seconds=1, page=1, stretches=3)
    assert ask(pool, "stretches", b"3").text == "read"
    assert failure(pool, "stretches", b"4").reason is ParseReason.CRASHED
    assert ask(pool, "a.txt").text == "words"


def test_the_time_of_a_document_begins_when_its_libraries_are_loaded(make: Callable[..., ParserPool]) -> None:
    """What a new worker imports first takes longer than a document may, and costs the document nothing of its own
    time, which is no longer for it."""
    pool = make(seconds=1.5, loading=60)
    assert ask(pool, "libraries", b"2.5").text == "read"
    caught = failure(pool, "libraries, then loop", b"2.5")
    assert (caught.reason, caught.transient) == (ParseReason.TIMEOUT, True)
    assert "within 1.5 s" in caught.message


def test_libraries_that_never_load_end_with_a_word_of_their_own(make: Callable[..., ParserPool]) -> None:
    """The document is not to blame, may be tried again, and the next one is read."""
    pool = make(seconds=1, loading=0.5)
    caught = failure(pool, "libraries", b"600")
    assert (caught.reason, caught.transient) == (ParseReason.TIMEOUT, True)
    assert "libraries" in caught.message
    assert ask(pool, "a.txt").text == "words"


def test_a_document_finds_no_files_of_the_one_before(make: Callable[..., ParserPool]) -> None:
    """What one document wrote is not there for the next, which may be somebody else's."""
    pool = make()
    before = where(pool)[0]  # it leaves a file
    assert ask(pool, "files").text == "[]"
    assert where(pool)[0] == before


def test_workers_are_confined_and_kept_warm(make: Callable[..., ParserPool]) -> None:
    """One worker serves document after document, nicely, in its own group and folder, deaf to Ctrl-C; a
    text document did not make it import unstructured."""
    pool = make()
    ask(pool, "a.md", b"# x")
    pid, group, nice, deaf, folder, heavy = where(pool)
    assert (pid, deaf, heavy) == (group, "True", "False")
    assert int(nice) >= 10
    assert Path(folder) != Path.cwd()
    assert where(pool)[0] == pid
    pool.close()
    assert gone(int(pid))
    assert not Path(folder).exists()


def test_no_process_starts_before_the_first_document(make: Callable[..., ParserPool]) -> None:
    """Making a pool and asking for recipes starts nothing."""
    before = set(Path("/proc/self/task").glob("*/children"))
    children = {c for path in before for c in path.read_text().split()}
    pool = make(workers=2)
    pool.recipe("a.docx", None)
    assert {c for path in Path("/proc/self/task").glob("*/children") for c in path.read_text().split()} <= children


def test_a_worker_is_replaced_after_its_share_of_documents(make: Callable[..., ParserPool]) -> None:
    """What a library leaks is given back to the machine after so many documents."""
    pool = make(documents=2)
    pids = [where(pool)[0] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_an_idle_worker_ends_and_another_takes_its_place(make: Callable[..., ParserPool]) -> None:
    """Memory is given back when nothing is asked, and nobody notices at the next document."""
    pool = make(idle=0.2)
    first = int(where(pool)[0])
    assert gone(first)
    assert int(where(pool)[0]) != first


def test_what_workers_print_does_not_reach_our_output(
    make: Callable[..., ParserPool], capfd: pytest.CaptureFixture[str]
) -> None:
    """stdout carries answers and stderr progress; a chatty library writes to neither."""
    ask(make(), "print")
    assert capfd.readouterr() == ("", "")


def test_close_ends_what_runs_and_cancels_what_waits(make: Callable[..., ParserPool], tmp_path: Path) -> None:
    """No process is left, and every future says that it was cancelled."""
    pool = make(seconds=600)
    note = tmp_path / "pids"
    running = pool.submit(ParseRequest(name="child", content=str(note).encode()))
    waiting = [pool.submit(ParseRequest(name="a.txt", content=b"x")) for _ in range(3)]
    while not note.exists() or len(note.read_text().split()) < 2:
        time.sleep(0.01)
    pool.close()
    for future in (running, *waiting):
        with pytest.raises(CancelledError):
            future.result(timeout=10)
    assert all(gone(int(pid)) for pid in note.read_text().split())


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no parser behind, not even one that loops."""
    note = tmp_path / "pids"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_parser_pool as t\n"
        "pool = t.ParserPool(workers=1, parse=t.poisoned)\n"
        f"pool.submit(t.ParseRequest(name='child', content={str(note).encode()!r})).result()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not note.exists() or len(note.read_text().split()) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    child, worker = map(int, note.read_text().split())
    try:
        assert gone(worker)
    finally:
        os.kill(child, signal.SIGKILL)


def test_large_content_crosses_the_pipe_whole(make: Callable[..., ParserPool]) -> None:
    """Megabytes go to the worker and come back."""
    content = b"line of words\n" * 500_000
    assert len(ask(make(), "a.txt", content).text) == len(content)


def test_real_parsing_works_inside_the_limits() -> None:
    """With the default limits the heavy formats and pandoc run as they should."""
    pool = ParserPool(workers=1)
    try:
        page = ParseRequest(name="a.html", content=b"<h1>Refunds</h1><p>They take 14 days.</p>")
        assert pool.submit(page).result(timeout=120).title == "Refunds"
        letter = ParseRequest(name="a.rtf", content=rb"{\rtf1\ansi {\pard Words in RTF.\par}}")
        assert pool.submit(letter).result(timeout=120).text == "Words in RTF."
    finally:
        pool.close()


def test_what_a_killed_predecessor_left_running_is_ended(tmp_path: Path) -> None:
    """A program that a parser had started outlives a service that is killed, but not its next start; what others run
    is left alone."""
    scratch = tmp_path / "scratch"
    left, other = (
        subprocess.Popen(["sleep", "600"], env={**os.environ, "TMPDIR": str(folder)})
        for folder in (scratch / "ingestor-parse-old", tmp_path)
    )
    pool = ParserPool(workers=1, scratch=scratch)
    try:
        pool.submit(ParseRequest(name="a.md", content=b"# A\n\nText.\n")).result(timeout=60)
        assert left.wait(timeout=60) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        pool.close()
        for process_ in (left, other):
            process_.kill()
            process_.wait()


def test_what_a_killed_predecessor_left_in_the_scratch_folder_goes(tmp_path: Path) -> None:
    """Temporary files hold content; they do not pile up, and they are nobody else's to read."""
    scratch = tmp_path / "scratch"
    (scratch / "ingestor-parse-old").mkdir(parents=True)
    (scratch / "ingestor-parse-old" / "page.tmp").write_text("left behind")
    pool = ParserPool(workers=1, scratch=scratch)
    try:
        pool.submit(ParseRequest(name="a.md", content=b"# A\n\nText.\n")).result(timeout=60)
        assert "ingestor-parse-old" not in {path.name for path in scratch.iterdir()}
        assert scratch.stat().st_mode & 0o777 == 0o700
    finally:
        pool.close()
    assert list(scratch.iterdir()) == []
