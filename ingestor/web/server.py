"""The socket of whoever holds the state folder: HTTP on a Unix socket, for the owner only.

``POST /v1/ops/NAME`` answers with lines of JSON: ``{"progress": ...}`` now and then, at the end exactly one
``{"result": ...}`` or ``{"error": ...}``, and empty lines that show life. An operation runs in a thread of
its own and is not tied to who asked: when the client leaves, the work goes on. ``/healthz`` and ``/readyz`` answer
200 or 503, a service's ``/metrics`` what Prometheus reads; they alone are also served on a loopback port, where that is
configured.

A service also has the HTTP API (``ingestor.web.http``), here and, where one is configured, on a port: one application
behind a gate for each listener, which says who asks. The operations above are the owner's and stand at the socket only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestor import __version__, log, wire, wire_service
from ingestor.web.access import ANYBODY, OWNER, SCOPE_KEY, Access
from ingestor.web.api import ROUTES, Api, Operations, Route
from ingestor.web.failures import describe

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request
    from starlette.routing import Route as At
    from starlette.types import ASGIApp

PROGRESS_EVERY_S = 0.2
HEARTBEAT_S = 5.0
_GRACE_S = 2
_CONNECTIONS = 200
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_NDJSON = "application/x-ndjson"

_METRICS = "text/plain; version=0.0.4"

Health = Callable[[], wire_service.HealthReply]
Metrics = Callable[[], bytes]
"""The page in the text format of Prometheus."""


def command_health() -> wire_service.HealthReply:
    """That of a command which serves the socket while it works."""
    return wire_service.HealthReply(live=True, ready=False, checks={"service": "no service, but a command"})


_log = log.get()


class Server:
    """A running server. ``stop`` ends it; operations that still run keep their threads."""

    def __init__(self, inner: uvicorn.Server, listener: socket.socket, path: Path | None) -> None:
        self._inner = inner
        self._listener = listener
        self._path = path
        self._thread = threading.Thread(
            target=lambda: inner.run(sockets=[listener]), name="ingestor-socket", daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        while not self._inner.started and self._thread.is_alive():
            time.sleep(0.005)
        if not self._thread.is_alive():
            raise RuntimeError("The socket server ended while it started.")

    def stop(self) -> None:
        """Take no more requests, let open answers end for two seconds, then cut them. Safe to call twice."""
        if self._listener.fileno() < 0:
            return
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()  # first: who comes now finds no socket rather than a closing one
        self._inner.should_exit = True
        self._thread.join(_GRACE_S + 3)
        self._listener.close()


def serve(
    operations: Operations,
    socket_path: Path,
    *,
    ready: Callable[[], bool] = lambda: True,
    service: bool = False,
    health: Health | None = None,
    metrics: Metrics | None = None,
    api: Api | None = None,
) -> Server:
    """Serve ``operations`` at ``socket_path`` until ``stop``. Only for the holder of the state lock: a socket
    file that is there already is a dead process's and is replaced. ``ready`` is asked at every ping."""
    from starlette.applications import Starlette

    routes = _socket_routes(operations, ready, _pages(health or command_health, metrics), service=service)
    if api is None:
        return _serve(Starlette(routes=routes), _listen(socket_path), socket_path)
    from ingestor.web.guard import OwnersGate
    from ingestor.web.http import application

    gate = OwnersGate(application(operations, api, routes), Access(tokens=api.tokens, without=OWNER))
    return _serve(gate, _listen(socket_path), socket_path)


def serve_port(
    operations: Operations, api: Api, *, address: str, port: int, hosts: Sequence[str], per_minute: int
) -> Server:
    """Serve the HTTP API and the status page on a port. Where it is of the loopback interface, who has no token reads
    what is public; everywhere else he gets nothing. Raises ``OSError``."""
    from ingestor.web.guard import PortGate
    from ingestor.web.http import application
    from ingestor.web.mcp import routes
    from ingestor.web.page.routes import Page
    from ingestor.web.sessions import Sessions

    here, sessions = ip_address(address).is_loopback, Sessions(api.tokens)
    access = Access(tokens=api.tokens, without=ANYBODY if here else None, sessions=sessions)
    page = Page(operations, api, sessions).routes()
    names = [*hosts, *(_LOOPBACK_NAMES if here else (f"[{address}]" if ":" in address else address,))]
    tools, beside = routes(operations.search, api.reads)
    served = application(operations, api, [*page, *tools], beside)
    gate = PortGate(served, access, hosts=names, per_minute=per_minute)
    return _serve(gate, _bound(address, port), None, connections=_CONNECTIONS)


def serve_health(health: Health, port: int, metrics: Metrics | None = None) -> Server:
    """Serve these pages, and nothing else, on this port of the loopback interface. Raises ``OSError``."""
    from starlette.applications import Starlette

    return _serve(Starlette(routes=_pages(health, metrics)), _bound("127.0.0.1", port), None)


def _bound(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


def _serve(
    application: ASGIApp, listener: socket.socket, path: Path | None, *, connections: int | None = None
) -> Server:
    import uvicorn

    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on" if connections else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody could say that he comes from elsewhere
        limit_concurrency=connections,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = Server(uvicorn.Server(config), listener, path)
    server.start()
    return server


def _listen(path: Path) -> socket.socket:
    """Bound by us and not by the server, which would open the file to everybody for a moment."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    path.chmod(0o600)  # before listen: until then nobody can connect
    listener.listen(64)
    return listener


def _socket_routes(
    operations: Operations, ready: Callable[[], bool], pages: Sequence[At], *, service: bool
) -> Sequence[At]:
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route as At

    async def ping(_request: Request) -> Response:
        return JSONResponse({"pid": os.getpid(), "version": __version__, "ready": ready(), "service": service})

    async def operate(request: Request) -> Response:
        if request.scope.get(SCOPE_KEY, OWNER) is not OWNER:
            return refusal(403, "This is for the owner of the state folder, without a token.")
        name = request.path_params["name"]
        route = ROUTES.get(name)
        if route is None:
            return refusal(404, f"This service knows no operation {name!r}.")
        try:
            asked = route.request.model_validate_json(await request.body())
        except ValueError as error:
            return refusal(422, f"The request is not valid: {_first_line(error)}.")
        request_id = secrets.token_hex(4)
        job = _Job(operations, name, route, asked, request_id)
        return StreamingResponse(job.lines(), media_type=_NDJSON, headers={"X-Request-Id": request_id})

    def refusal(status: int, message: str) -> Response:
        body = _line("error", wire.ErrorReply(message=message, exit_code=2))
        return Response(body, status_code=status, media_type=_NDJSON)

    return [
        At("/v1/ping", ping, methods=["GET"]),
        At("/v1/ops/{name}", operate, methods=["POST"]),
        *pages,
    ]


def _pages(health: Health, metrics: Metrics | None) -> list[At]:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route as At

    async def health_page(request: Request) -> Response:
        reply = await run_in_threadpool(health)
        well = reply.live if request.url.path == "/healthz" else reply.ready
        return JSONResponse(reply.model_dump(mode="json"), status_code=200 if well else 503)

    pages = [At(path, health_page, methods=["GET"]) for path in ("/healthz", "/readyz")]
    if metrics is None:
        return pages

    async def metrics_page(_request: Request) -> Response:
        return Response(await run_in_threadpool(metrics), media_type=_METRICS)

    return [*pages, At("/metrics", metrics_page, methods=["GET"])]


class _Job:
    """One operation in its thread, and the newest progress of each source on its way to the client."""

    def __init__(self, operations: Operations, name: str, route: Route, request: wire.Wire, request_id: str) -> None:
        self._request_id = request_id
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._ending: asyncio.Future[bytes] = self._loop.create_future()
        self._lock = threading.Lock()
        self._latest: dict[str, wire.Progress] = {}
        threading.Thread(
            target=self._work, args=(operations, name, route, request), name=f"ingestor-{name}", daemon=True
        ).start()

    async def lines(self) -> AsyncIterator[bytes]:
        """Progress at most every ``PROGRESS_EVERY_S`` and source, then the ending, at once."""
        changed: asyncio.Future[Any] = asyncio.ensure_future(self._changed.wait())
        ending: asyncio.Future[Any] = self._ending
        try:
            while not ending.done():
                done, _ = await asyncio.wait(
                    {changed, ending}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if changed in done:
                    self._changed.clear()
                    changed = asyncio.ensure_future(self._changed.wait())
                    for progress in self._take():
                        yield _line("progress", progress)
                    await asyncio.wait({ending}, timeout=PROGRESS_EVERY_S)
                elif not done:
                    yield b"\n"
            for progress in self._take():
                yield _line("progress", progress)
            yield self._ending.result()
        finally:
            changed.cancel()

    def _work(self, operations: Operations, name: str, route: Route, request: wire.Wire) -> None:
        began = time.monotonic()
        with log.bound(request_id=self._request_id):
            ending, outcome = self._answer(operations, name, route, request)
            seconds = round(time.monotonic() - began, 3)
            _log.info("request_done", operation=name, outcome=outcome, duration_s=seconds)
        self._in_loop(self._end, ending)

    def _answer(self, operations: Operations, name: str, route: Route, request: wire.Wire) -> tuple[bytes, str]:
        """The last line, and how it went."""
        try:
            return _line("result", route.call(operations, name, request, self._report)), "ok"
        except Exception as error:  # everything must reach the client as an ending
            reply = describe(error)
            if reply is not None:
                return _line("error", reply), "refused"
            _log.error("operation_crashed", operation=name, kind=type(error).__name__, exc_info=True)
            reply = wire.ErrorReply(
                message=f"The service failed at this request ({type(error).__name__}).",
                hint=f"Its log has the details: request_id {self._request_id}.",
            )
            return _line("error", reply), "crashed"

    def _report(self, progress: wire.Progress) -> None:
        with self._lock:
            first = not self._latest
            self._latest[progress.source] = progress
        if first:
            self._in_loop(self._changed.set)

    def _take(self) -> list[wire.Progress]:
        with self._lock:
            taken, self._latest = self._latest, {}
        return list(taken.values())

    def _end(self, ending: bytes) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    def _in_loop(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the server stopped; nobody listens any more
            self._loop.call_soon_threadsafe(call, *args)


def _line(key: str, value: wire.Wire) -> bytes:
    return b'{"' + key.encode("ascii") + b'":' + value.model_dump_json().encode("utf-8") + b"}\n"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
