"""The other side of the socket: the operations of whoever holds the state folder, and how to find it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ingestor import __version__, wire, wire_models, wire_service
from ingestor.errors import StateBusy, UserError
from ingestor.state import StateFolder, StateLock
from ingestor.web.api import Pong, Report
from ingestor.web.failures import rebuild, service_gone

if TYPE_CHECKING:
    import httpx

PATIENCE_S = 60.0
_PING_TIMEOUT_S = 5.0

Reply = TypeVar("Reply", bound=wire.Wire)


class RemoteOperations:
    """``ingestor.web.api.Operations`` by way of the service at ``socket_path``. Holds no connection between
    calls. Besides what the operations raise: ``StateBusy`` when the service ends before it has answered."""

    def __init__(self, socket_path: Path, *, pid: int = 0) -> None:
        self.socket_path = socket_path
        self.pid = pid

    def backfill(self, request: wire.BackfillRequest, progress: Report, /) -> wire.RunsReply:
        return self._call("backfill", request, wire.RunsReply, progress)

    def sync(self, request: wire.SyncRequest, progress: Report, /) -> wire.RunsReply:
        return self._call("sync", request, wire.RunsReply, progress)

    def search(self, request: wire.SearchRequest, /) -> wire.SearchReply:
        return self._call("search", request, wire.SearchReply)

    def verify(self, request: wire.VerifyRequest, progress: Report, /) -> wire.VerifyReply:
        return self._call("verify", request, wire.VerifyReply, progress)

    def rebuild(self, request: wire.RebuildRequest, progress: Report, /) -> wire.RebuildReply:
        return self._call("rebuild", request, wire.RebuildReply, progress)

    def model_switch(self, request: wire_models.ModelSwitchRequest, progress: Report, /) -> wire_models.ModelReply:
        return self._call("model_switch", request, wire_models.ModelReply, progress)

    def model_rollback(self, request: wire_models.ModelRollbackRequest, /) -> wire_models.ModelReply:
        return self._call("model_rollback", request, wire_models.ModelReply)

    def backup(self, request: wire_service.BackupRequest, progress: Report, /) -> wire_service.BackupReply:
        return self._call("backup", request, wire_service.BackupReply, progress)

    def source_add(self, request: wire.SourceAddRequest, /) -> wire.SourceReply:
        return self._call("source_add", request, wire.SourceReply)

    def source_remove(self, request: wire.SourceRemoveRequest, /) -> wire.SourceReply:
        return self._call("source_remove", request, wire.SourceReply)

    def pause(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply:
        return self._call("pause", request, wire_service.PausedReply)

    def resume(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply:
        return self._call("resume", request, wire_service.PausedReply)

    def reload(self, request: wire_service.ReloadRequest, /) -> wire_service.ReloadReply:
        return self._call("reload", request, wire_service.ReloadReply)

    def quarantine_retry(self, request: wire.QuarantineRequest, progress: Report, /) -> wire.RunsReply:
        return self._call("quarantine_retry", request, wire.RunsReply, progress)

    def quarantine_ignore(self, request: wire.QuarantineRequest, /) -> wire.QuarantineReply:
        return self._call("quarantine_ignore", request, wire.QuarantineReply)

    def plan(self, request: wire.PlanRequest, /) -> wire.PlanReply:
        return self._call("plan", request, wire.PlanReply)

    def approve(self, request: wire.ApproveRequest, progress: Report, /) -> wire.RunsReply:
        return self._call("approve", request, wire.RunsReply, progress)

    def _call(self, name: str, request: wire.Wire, reply: type[Reply], progress: Report | None = None) -> Reply:
        import httpx

        # No time-out on reading: a backfill may take a day. A dead service closes the connection.
        timeout = httpx.Timeout(_PING_TIMEOUT_S, read=None)
        try:
            with (
                _client(self.socket_path, timeout) as client,
                client.stream("POST", f"/v1/ops/{name}", content=request.model_dump_json()) as response,
            ):
                for line in _lines(response.iter_raw()):
                    message = json.loads(line)
                    if "progress" in message and progress is not None:
                        progress(wire.Progress.model_validate(message["progress"]))
                    elif "result" in message:
                        return reply.model_validate(message["result"])
                    elif "error" in message:
                        raise rebuild(wire.ErrorReply.model_validate(message["error"]))
        except (httpx.TransportError, httpx.StreamError) as error:
            raise service_gone() from error
        raise service_gone()


def ping(socket_path: Path) -> Pong | None:
    """Who answers at ``socket_path``; None when nobody does."""
    if not _listened_to(socket_path):
        return None
    import httpx

    try:
        with _client(socket_path, httpx.Timeout(_PING_TIMEOUT_S)) as client:
            answer = client.get("/v1/ping").json()
            return Pong(
                pid=answer["pid"],
                version=answer["version"],
                ready=answer["ready"],
                service=answer.get("service", False),
            )
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def health(state: StateFolder) -> wire_service.HealthReply:
    """How the service on ``state`` is. Raises ``StateBusy`` where none answers."""
    try:
        return wire_service.HealthReply.model_validate_json(_page(state, "/healthz"))
    except ValueError as error:
        raise _silent(state, 0) from error


def metrics(state: StateFolder) -> str:
    """What monitoring reads of the service on ``state``; of a command nothing. Raises ``StateBusy`` where none
    answers."""
    text = _page(state, "/metrics").decode("utf-8", "replace")
    return text if text.startswith("#") else ""


def _page(state: StateFolder, path: str) -> bytes:
    """Without httpx, whose import would cost more than the answer: probes ask often."""
    holder = state.holder()
    if holder is None:
        raise StateBusy(f"No service runs on {state.root}.", hint="Start one: ingestor run.")
    try:
        with socket.socket(socket.AF_UNIX) as way:
            way.settimeout(_PING_TIMEOUT_S)
            way.connect(os.fspath(holder.socket_path))
            way.sendall(f"GET {path} HTTP/1.0\r\nHost: ingestor\r\n\r\n".encode("ascii"))
            answer = b"".join(iter(lambda: way.recv(65_536), b""))
    except OSError as error:
        raise _silent(state, holder.pid) from error
    return answer.partition(b"\r\n\r\n")[2]


def _listened_to(socket_path: Path) -> bool:
    """Asked before httpx is imported for it; httpx would also leave a refused connection open."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PING_TIMEOUT_S)
        try:
            probe.connect(os.fspath(socket_path))
        except OSError:
            return False
        return True


def service_at(state: StateFolder, *, patience_s: float = PATIENCE_S) -> RemoteOperations:
    """The service on ``state``, waited for while it starts. Raises ``UserError`` where none runs, ``StateBusy`` where
    it is of another version or does not answer."""
    deadline = time.monotonic() + patience_s
    while (holder := state.holder()) is not None:
        pong = ping(holder.socket_path)
        if pong is not None:
            _same_version(pong)
            if pong.ready and not pong.service:
                break
            if pong.ready:
                return RemoteOperations(holder.socket_path, pid=pong.pid)
        if time.monotonic() > deadline:
            raise _silent(state, holder.pid)
        time.sleep(0.1)
    raise UserError(f"No service runs on {state.root}.", hint="Start one: ingestor run.")


def rendezvous(state: StateFolder, *, patience_s: float = PATIENCE_S) -> StateLock | RemoteOperations:
    """The lock of ``state``, or the process that holds it, whichever can be had first.

    Another command may hold the lock for a moment without serving a socket, and a service is not ready at
    once: both are waited for. Raises ``StateBusy`` after ``patience_s``, or at once when the service is of
    another version, whose requests and replies may differ."""
    deadline = time.monotonic() + patience_s
    pause = 0.02
    while True:
        lock = state.try_lock()
        if lock is not None:
            return lock
        holder = state.holder()
        pong = ping(holder.socket_path) if holder is not None else None
        if holder is not None and pong is not None:
            _same_version(pong)
            if pong.ready:
                return RemoteOperations(holder.socket_path, pid=pong.pid)
        if time.monotonic() > deadline:
            raise _silent(state, holder.pid if holder is not None else 0)
        time.sleep(pause)
        pause = min(pause * 2, 0.5)


def _same_version(pong: Pong) -> None:
    """Of another version, requests and replies may differ."""
    if pong.version != __version__:
        raise StateBusy(
            f"The service (process {pong.pid}) is of version {pong.version}, this command of {__version__}.",
            hint="Restart the service.",
        )


def _silent(state: StateFolder, pid: int) -> StateBusy:
    return StateBusy(
        f"{f'Process {pid}' if pid else 'Another process'} holds the state folder {state.root} and does not answer.",
        hint="Wait for it, or end it; nothing is lost.",
    )


def _client(socket_path: Path, timeout: httpx.Timeout) -> httpx.Client:
    import httpx

    # Without certificates, which nothing asks for on a socket: to read them takes 30 ms, more than most answers.
    transport = httpx.HTTPTransport(uds=str(socket_path), verify=False)
    return httpx.Client(transport=transport, base_url="http://ingestor", timeout=timeout, trust_env=False)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split at line feeds alone: a text may hold U+2028 and its like, which JSON leaves as they are."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
