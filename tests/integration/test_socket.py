"""The socket between a command and the process that holds the state folder: real sockets, real HTTP."""

from __future__ import annotations

import multiprocessing
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.errors import SourceUnavailable
from ingestor import __version__, wire, wire_models, wire_service
from ingestor.errors import IngestorError, SourceHeld, StateBusy, UserError
from ingestor.state import StateFolder, StateLock, resolve
from ingestor.web import client as client_module
from ingestor.web.api import ROUTES, Report
from ingestor.web.client import RemoteOperations, ping, rendezvous
from ingestor.web.server import Server, serve

RUN = wire.RunReply(
    source="handbook",
    trigger="backfill",
    outcome="ok",
    documents=wire.DocumentCounts(added=3),
    chunks=wire.ChunkCounts(added=9),
    embedded=20,
    index_writes=9,
    bytes_read=1234,
    duration_s=0.5,
)
# Line and paragraph separators, NEL and form feed: JSON leaves them as they are, str.splitlines() does not.
AWKWARD = "a\u2028b\u2029c\x85d\x0ce \N{SNOWMAN} \N{CJK UNIFIED IDEOGRAPH-4E2D}"


class Scripted:
    """Operations that do what a test tells them; everything asked of them is kept."""

    def __init__(self) -> None:
        self.asked: list[wire.Wire] = []
        self.work: Callable[[Report], wire.RunsReply] = lambda _report: wire.RunsReply(runs=(RUN,))
        self.error: Exception | None = None

    def _take(self, request: wire.Wire) -> None:
        self.asked.append(request)
        if self.error is not None:
            raise self.error

    def backfill(self, request: wire.BackfillRequest, progress: Report) -> wire.RunsReply:
        self._take(request)
        return self.work(progress)

    def sync(self, request: wire.SyncRequest, progress: Report) -> wire.RunsReply:
        self._take(request)
        return self.work(progress)

    def search(self, request: wire.SearchRequest) -> wire.SearchReply:
        self._take(request)
        return wire.SearchReply(query=request.query, took_ms=1.0, hits=())

    def verify(self, request: wire.VerifyRequest, progress: Report) -> wire.VerifyReply:
        self._take(request)
        return wire.VerifyReply(ok=True, checked=1, lost=0, orphan=0, duplicate=0, stale=0)

    def rebuild(self, request: wire.RebuildRequest, progress: Report) -> wire.RebuildReply:
        self._take(request)
        return wire.RebuildReply(outcome="ok", rows=9, duration_s=0.5, generation="generation-1")

    def backup(self, request: wire_service.BackupRequest, progress: Report) -> wire_service.BackupReply:
        self._take(request)
        return wire_service.BackupReply(
            path=request.path, bytes=1, files=("ledger.sqlite3",), made_at=1.0, duration_s=0.5
        )

    def model_switch(self, request: wire_models.ModelSwitchRequest, progress: Report) -> wire_models.ModelReply:
        self._take(request)
        return wire_models.ModelReply(outcome="done", name=request.name, model="m2", previous="m1", duration_s=0.5)

    def model_rollback(self, request: wire_models.ModelRollbackRequest) -> wire_models.ModelReply:
        self._take(request)
        return wire_models.ModelReply(outcome="done", name="first", model="m1", previous="m2")

    def pause(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        self._take(request)
        return wire_service.PausedReply(sources=(wire_service.PausedSource(name="docs", paused=True, changed=True),))

    def resume(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        self._take(request)
        return wire_service.PausedReply(sources=(wire_service.PausedSource(name="docs", paused=False, changed=True),))

    def reload(self, request: wire_service.ReloadRequest) -> wire_service.ReloadReply:
        self._take(request)
        return wire_service.ReloadReply(added=("wiki",), restart=("index.url",))

    def quarantine_retry(self, request: wire.QuarantineRequest, progress: Report) -> wire.RunsReply:
        self._take(request)
        return self.work(progress)

    def quarantine_ignore(self, request: wire.QuarantineRequest) -> wire.QuarantineReply:
        self._take(request)
        return wire.QuarantineReply(items=(), ignored=2)

    def source_add(self, request: wire.SourceAddRequest) -> wire.SourceReply:
        self._take(request)
        return wire.SourceReply(name="docs", kind="files", place=request.path, origin="added", created=True)

    def source_remove(self, request: wire.SourceRemoveRequest) -> wire.SourceReply:
        self._take(request)
        return wire.SourceReply(name=request.name, kind="files", place="/docs", origin="added")

    def plan(self, request: wire.PlanRequest) -> wire.PlanReply:
        self._take(request)
        return wire.PlanReply(source=request.source, plan_id="p1", items=("a.md",))

    def approve(self, request: wire.ApproveRequest, progress: Report) -> wire.RunsReply:
        self._take(request)
        return self.work(progress)


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = resolve(tmp_path / "state", {})
    folder.prepare()
    return folder


@pytest.fixture
def operations() -> Scripted:
    return Scripted()


@pytest.fixture
def server(operations: Scripted, state: StateFolder) -> Iterator[Server]:
    running = serve(operations, state.socket_path)
    yield running
    running.stop()


@pytest.fixture
def remote(server: Server, state: StateFolder) -> RemoteOperations:
    return RemoteOperations(state.socket_path)


def quiet(_progress: wire.Progress) -> None:
    """A report that nobody watches."""


def test_every_operation_crosses_the_socket_unchanged(remote: RemoteOperations, operations: Scripted) -> None:
    """Each request arrives as it was sent and each reply as it was given."""
    requests: dict[str, wire.Wire] = {
        "backfill": wire.BackfillRequest(paths=("/docs",), sources=("a",), dry_run=True, owner="ana"),
        "sync": wire.SyncRequest(sources=("a",)),
        "search": wire.SearchRequest(query=AWKWARD, principals=("user:ana",)),
        "verify": wire.VerifyRequest(repair=True),
        "rebuild": wire.RebuildRequest(),
        "backup": wire_service.BackupRequest(path="/backup/state.tar", overwrite=True),
        "model_switch": wire_models.ModelSwitchRequest(name="second", keep_s=60.0, questions=AWKWARD, margin=0.1),
        "model_rollback": wire_models.ModelRollbackRequest(),
        "quarantine_retry": wire.QuarantineRequest(documents=("d1",), sources=("docs",)),
        "quarantine_ignore": wire.QuarantineRequest(documents=("d1", "d2")),
        "source_add": wire.SourceAddRequest(path="/docs", name="docs"),
        "source_remove": wire.SourceRemoveRequest(name="docs", purge=True),
        "pause": wire_service.PauseRequest(sources=("docs",)),
        "resume": wire_service.PauseRequest(sources=("docs",)),
        "reload": wire_service.ReloadRequest(),
        "plan": wire.PlanRequest(source="docs"),
        "approve": wire.ApproveRequest(source="docs", plan_id="p1"),
    }
    assert requests.keys() == ROUTES.keys()
    for name, request in requests.items():
        arguments = (request, quiet) if ROUTES[name].reports else (request,)
        there = getattr(remote, name)(*arguments)
        assert operations.asked[-1] == request
        assert there == getattr(operations, name)(*arguments)


def test_progress_is_thinned_out_but_the_last_of_each_source_arrives(
    remote: RemoteOperations, operations: Scripted
) -> None:
    """A thousand reports become a few lines, and the final totals of every source are among them."""

    def work(report: Report) -> wire.RunsReply:
        for number in range(1, 501):
            report(wire.Progress(source="a", documents=number))
            report(wire.Progress(source="b", documents=number * 2, current=AWKWARD))
        return wire.RunsReply(runs=(RUN,))

    operations.work = work
    seen: list[wire.Progress] = []
    assert remote.backfill(wire.BackfillRequest(), seen.append).runs == (RUN,)
    assert len(seen) < 100
    last = {progress.source: progress for progress in seen}
    assert (last["a"].documents, last["b"].documents, last["b"].current) == (500, 1000, AWKWARD)


@pytest.mark.parametrize(
    ("raised", "expected", "code"),
    [
        (UserError("No such source.", hint="See source list."), UserError, 2),
        (SourceHeld("Held.", hint="Approve it."), SourceHeld, 3),
        (SourceUnavailable("The share is offline.", place="/mnt/x", hint="Mount it."), SourceHeld, 3),
        (StateBusy("Busy.", hint="Wait."), IngestorError, 4),
    ],
)
def test_an_error_of_the_service_is_raised_here(
    remote: RemoteOperations, operations: Scripted, raised: Exception, expected: type[IngestorError], code: int
) -> None:
    """Sentence, hint and exit code are those of the error that the service raised."""
    operations.error = raised
    with pytest.raises(expected) as caught:
        remote.sync(wire.SyncRequest(), quiet)
    assert caught.value.exit_code == code
    assert caught.value.message == str(raised).removesuffix(getattr(raised, "hint", "")).strip()
    assert caught.value.hint == getattr(raised, "hint", "")


def test_a_bug_in_the_service_is_an_error_without_its_details(
    remote: RemoteOperations, operations: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client learns that it was a bug; the traceback stays in the service's log."""
    operations.error = ZeroDivisionError("secret detail")
    with pytest.raises(IngestorError) as caught:
        remote.search(wire.SearchRequest(query="x"))
    assert caught.value.exit_code == 4
    assert "ZeroDivisionError" in caught.value.message
    assert "secret detail" not in str(caught.value)
    assert "operation_crashed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/v1/ops/format_disk", b"{}", 404), ("/v1/ops/search", b'{"nonsense": 1}', 422), ("/v1/ops/search", b"{", 422)],
)
def test_what_is_no_valid_request_is_refused(
    server: Server, state: StateFolder, operations: Scripted, path: str, body: bytes, status: int
) -> None:
    """An unknown operation or a request of another shape reaches no operation and gets one error line."""
    import httpx

    with client_module._client(state.socket_path, httpx.Timeout(5)) as http:
        response = http.post(path, content=body)
    assert response.status_code == status
    assert response.json()["error"]["exit_code"] == 2
    assert operations.asked == []


def test_the_socket_is_for_its_owner_only(server: Server, state: StateFolder) -> None:
    """The socket file has mode 0600 and stands in a folder of mode 0700."""
    assert stat.S_IMODE(state.socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_ping_tells_who_answers(state: StateFolder, operations: Scripted) -> None:
    """A ping is answered with process, version and readiness, and by nobody once the server stopped."""
    ready = threading.Event()
    running = serve(operations, state.socket_path, ready=ready.is_set)
    try:
        answer = ping(state.socket_path)
        assert answer is not None
        assert (answer.pid, answer.version, answer.ready) == (os.getpid(), __version__, False)
        ready.set()
        answer = ping(state.socket_path)
        assert answer is not None
        assert answer.ready
    finally:
        running.stop()
    assert not state.socket_path.exists()
    assert ping(state.socket_path) is None
    running.stop()


def test_a_socket_file_of_a_dead_process_is_replaced(state: StateFolder, operations: Scripted) -> None:
    """What a killed process left behind neither answers nor keeps the next one from serving."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(state.socket_path))
    dead.close()
    assert ping(state.socket_path) is None
    running = serve(operations, state.socket_path)
    try:
        assert ping(state.socket_path) is not None
    finally:
        running.stop()


def test_the_work_goes_on_when_the_client_leaves(server: Server, state: StateFolder, operations: Scripted) -> None:
    """A client that hangs up in the middle of a backfill ends its waiting, not the backfill."""
    import httpx

    left, finished = threading.Event(), threading.Event()

    def work(report: Report) -> wire.RunsReply:
        report(wire.Progress(source="a", documents=1))
        assert left.wait(20)
        report(wire.Progress(source="a", documents=2))
        finished.set()
        return wire.RunsReply(runs=(RUN,))

    operations.work = work
    with (
        client_module._client(state.socket_path, httpx.Timeout(20)) as http,
        http.stream("POST", "/v1/ops/backfill", content=b"{}") as response,
    ):
        assert b"progress" in next(client_module._lines(response.iter_raw()))
    left.set()
    assert finished.wait(20)
    assert RemoteOperations(state.socket_path).plan(wire.PlanRequest(source="a")).plan_id == "p1"


def test_operations_run_beside_each_other(remote: RemoteOperations, operations: Scripted) -> None:
    """A search is answered while a backfill is under way."""
    begun, searched = threading.Event(), threading.Event()

    def work(_report: Report) -> wire.RunsReply:
        begun.set()
        assert searched.wait(20)
        return wire.RunsReply(runs=(RUN,))

    operations.work = work
    backfill = threading.Thread(target=remote.backfill, args=(wire.BackfillRequest(), quiet))
    backfill.start()
    assert begun.wait(20)
    assert remote.search(wire.SearchRequest(query="x")).query == "x"
    searched.set()
    backfill.join(20)
    assert not backfill.is_alive()


def test_stopping_cuts_an_answer_that_does_not_end(
    server: Server, remote: RemoteOperations, operations: Scripted
) -> None:
    """A client that waits when the service stops for good learns that it got no answer."""
    begun, release = threading.Event(), threading.Event()

    def work(_report: Report) -> wire.RunsReply:
        begun.set()
        release.wait(20)
        return wire.RunsReply(runs=())

    operations.work = work
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            remote.sync(wire.SyncRequest(), quiet)
        except StateBusy as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(20)
    server.stop()
    asking.join(20)
    release.set()
    assert len(failures) == 1
    assert "before it had answered" in str(failures[0])


def _serve_and_die(root: Path, ready: object) -> None:
    """Another process: serves, then dies in the middle of an operation, as if by kill -9."""
    state = resolve(root, {})
    lock = state.try_lock()
    assert lock is not None
    operations = Scripted()
    operations.work = lambda _report: os._exit(9)
    serve(operations, state.socket_path)
    ready.set()  # type: ignore[attr-defined]  # multiprocessing's Event has no nameable type
    threading.Event().wait(60)


def test_a_service_that_dies_is_noticed_and_leaves_the_lock(state: StateFolder) -> None:
    """A killed service ends the waiting at once with a sentence, and its lock is free for the next command."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=_serve_and_die, args=(state.root, ready))
    process.start()
    assert ready.wait(60)
    found = rendezvous(state)
    assert isinstance(found, RemoteOperations)
    assert found.pid == process.pid
    with pytest.raises(StateBusy, match="before it had answered"):
        found.sync(wire.SyncRequest(), quiet)
    process.join(20)
    again = rendezvous(state)
    assert isinstance(again, StateLock)
    again.release()


def test_rendezvous_takes_a_free_lock(state: StateFolder) -> None:
    """With nobody there the command gets the lock and does the work itself."""
    found = rendezvous(state)
    assert isinstance(found, StateLock)
    found.release()


def test_rendezvous_waits_for_a_holder_that_serves_nothing(state: StateFolder) -> None:
    """A holder without a socket is waited for; when it lets go, the lock is ours."""
    held = state.try_lock()
    assert held is not None
    threading.Timer(0.2, held.release).start()
    found = rendezvous(state)
    assert isinstance(found, StateLock)
    found.release()


def test_rendezvous_gives_up_with_a_sentence(state: StateFolder) -> None:
    """A holder that neither serves nor lets go is named after the waiting."""
    with state.try_lock() or pytest.fail("the lock is free"), pytest.raises(StateBusy, match=str(os.getpid())):
        rendezvous(state, patience_s=0.0)


def test_rendezvous_refuses_a_service_of_another_version(
    server: Server, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade the old service is named with the remedy instead of being misunderstood."""
    monkeypatch.setattr(client_module, "__version__", "99.0")
    with state.try_lock() or pytest.fail("the lock is free"), pytest.raises(StateBusy, match=r"99\.0.*Restart"):
        rendezvous(state)
