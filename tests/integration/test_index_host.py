"""The index host: a child process alone on its store, whose death and silence are findings and not ours."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ingestor.errors import IndexFailure, IndexUnavailable, IndexWrecked
from ingestor.index.chroma import ChromaIndex
from ingestor.index.manifest import folder_manifest
from ingestor.index.place import Folder, Limits, Server
from ingestor.model import ChunkId

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return Folder(path=tmp_path / "store", collection="ingestor")


@pytest.fixture
def make(folder):
    """Indexes on the folder, closed at the end."""
    made = []

    def new(place=folder, **more):
        made.append(ChromaIndex(place, **more))
        return made[-1]

    yield new
    for index in made:
        index.close()


def rows(count, start=0):
    vectors = np.random.default_rng(start).standard_normal((count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [ChunkId(f"{number:040x}") for number in range(start, start + count)]
    return ids, vectors, ["text"] * count, [{"page": 1}] * count


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_rows_survive_a_clean_close(make):
    """After close the process is gone, the files are at rest, and another index finds the rows."""
    first = make()
    first.upsert(*rows(20))
    pid = first.host_pid
    assert first.close_clean()
    assert gone(pid)
    at_rest = folder_manifest(first.place.path)
    assert folder_manifest(first.place.path) == at_rest
    assert make().count() == 20


def test_closing_twice_or_unopened_is_harmless(make):
    """Close may be called at any time; afterwards the index does not open again."""
    index = make()
    assert not index.close_clean()
    index.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        index.count()


def test_a_death_in_a_call_is_a_wreck_and_the_next_call_opens_again(make):
    """SIGKILL while it writes gives IndexWrecked to the caller; the store is opened anew at the next call."""
    failures, openings = [], []
    index = make(on_failure=failures.append, before_open=lambda: openings.append(1))
    index.upsert(*rows(10))
    pid = index.host_pid

    def kill_soon():
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_soon)
    killer.start()
    with pytest.raises(IndexWrecked, match="SIGKILL"):
        for start in range(100, 1_000_000, 1_000):
            index.upsert(*rows(1_000, start=start))
    killer.join()
    assert [type(error) for error in failures] == [IndexWrecked]
    with contextlib.suppress(IndexFailure):  # a kill may have ruined the files: that is for the probe
        assert index.count() >= 10
    assert len(openings) == 2


def test_silence_is_ended_by_the_time_limit(make):
    """A host that hangs is killed; the caller learns that nothing is known."""
    index = make(limits=Limits(read_s=0.5, write_s=0.5, close_s=0.5))
    index.count()
    pid = index.host_pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(IndexUnavailable, match="no answer"):
        index.count()
    assert gone(pid)
    assert index.count() == 0


def test_close_does_not_wait_for_a_call_that_hangs(make):
    """A stop of the service ends a hung host; the thread in the call gets its error."""
    index = make(limits=Limits(close_s=0.5))
    index.count()
    os.kill(index.host_pid, signal.SIGSTOP)
    raised = []

    def ask():
        with pytest.raises(IndexFailure) as caught:
            index.count()
        raised.append(caught.value)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: index._turns._busy)
    assert not index.close_clean()
    asking.join(30)
    assert raised


def test_signals_for_the_service_do_not_reach_the_host(make):
    """Ctrl-C and SIGTERM to all processes leave the host alive: the service closes it in order."""
    index = make()
    index.upsert(*rows(3))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(index.host_pid, number)
    assert index.count() == 3


def test_two_hosts_never_share_a_folder(make):
    """While one has the folder open, another is refused (two lose vectors in silence), and may come later."""
    first = make()
    first.upsert(*rows(3))
    second = make(limits=Limits(lock_s=0.2))
    with pytest.raises(IndexUnavailable, match="Another process"):
        second.count()
    first.close()
    assert second.count() == 3


def test_the_host_ends_with_its_parent_and_frees_the_folder(make, folder):
    """Kill -9 of the service: its host finishes its call and leaves; the next service opens the folder."""
    code = (
        "import sys, time; from pathlib import Path; import numpy as np\n"
        "from ingestor.index.chroma import ChromaIndex; from ingestor.index.place import Folder\n"
        "index = ChromaIndex(Folder(path=Path(sys.argv[1]), collection='ingestor'))\n"
        "index.count(); print(index.host_pid, 'chromadb' in sys.modules, flush=True); time.sleep(600)\n"
    )
    service = subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE, cwd=ROOT)
    with service:
        pid, imported = service.stdout.readline().split()
        service.kill()
    assert imported == b"False"
    wait_for(lambda: gone(int(pid)))
    assert make().count() == 0


def test_a_file_cannot_grow_without_bounds(make, folder):
    """The limit on file size turns a runaway store into an error of one call."""
    index = make(limits=Limits(file_bytes=512 * 1024))
    with pytest.raises(IndexFailure):
        index.upsert(*rows(2_000))
    assert max(path.stat().st_size for path in folder.path.rglob("*") if path.is_file()) <= 512 * 1024


def test_memory_cannot_grow_without_bounds(make):
    """With too little memory to run at all the host fails and the caller lives."""
    with pytest.raises(IndexFailure):
        make(limits=Limits(memory_bytes=24 * 1024 * 1024)).count()


def test_a_store_that_cannot_be_opened_is_a_wreck(make, folder):
    """Garbage in place of the database is found at the opening."""
    folder.path.mkdir()
    (folder.path / "chroma.sqlite3").write_bytes(b"garbage" * 5_000)
    with pytest.raises(IndexWrecked):
        make().count()


def test_a_store_in_an_unwritable_place_is_unavailable(make, tmp_path):
    """No permission or no disk says nothing about the store."""
    blocker = tmp_path / "blocker"
    blocker.write_bytes(b"")
    index = make(Folder(path=blocker / "store", collection="ingestor"))
    with pytest.raises(IndexUnavailable):
        index.count()


def test_a_server_that_is_away_is_unavailable(make):
    """A refused connection says nothing about the collection."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(IndexUnavailable, match="no answer"):
        make(Server(url=f"http://127.0.0.1:{port}", collection="ingestor")).count()


def test_a_question_overtakes_waiting_writes(make):
    """Searches do not stand behind a backfill."""
    index = make()
    index.upsert(*rows(300))
    order = []

    def write():
        index.upsert(*rows(3_000, start=10_000))
        order.append("write")

    writing = threading.Thread(target=write)
    writing.start()
    wait_for(lambda: index._turns._busy)
    index.query(rows(1)[1][0], 3)
    order.append("query")
    writing.join()
    assert order == ["query", "write"]
