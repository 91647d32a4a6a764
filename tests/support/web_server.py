"""A web server on this machine that answers as a test scripts it, faults of the wire included."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

_PATIENCE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request; ``fields`` are those of the query and of a form together, ``query`` is what stood behind the
    question mark, ``body`` is what was sent as it came."""

    method: str
    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``cut``: the connection breaks after so many bytes of the body. ``stall_s``: nothing comes for so long before
    the body. ``drip_s``: each byte takes so long. ``close``: the length is not said, the connection's end is the
    body's. ``dead``: no answer at all."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    stall_s: float = 0.0
    drip_s: float = 0.0
    close: bool = False
    dead: bool = False


@dataclass
class WebServer:
    """``answer`` is asked for each request, in several threads."""

    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        outer = self

        class Handler(_Handler):
            web = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    web: WebServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its head would wait 40 ms for the client's acknowledgement

    def log_message(self, *_args: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that left
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        form = body.decode() if is_form else ""
        fields = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(parse_qsl(form, keep_blank_values=True))
        asked = Asked(
            method=self.command,
            path=parts.path,
            fields=fields,
            headers=dict(self.headers.items()),
            body=body,
            query=parts.query,
        )
        self.web.asked.append(asked)
        answer = self.web.answer(asked)
        if answer.dead:
            return self._hang_up()
        if any(name == "Date" for name, _ in answer.headers):
            self.send_response_only(answer.status)
        else:
            self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.close:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.flush()
        self._wait(answer.stall_s)
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        if answer.drip_s:
            for byte in body:
                if self.web.closing.is_set():
                    break
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                self._wait(answer.drip_s)
        else:
            self.wfile.write(body)
            self.wfile.flush()
        if answer.cut is not None:
            self._hang_up()
        return None

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + min(seconds, _PATIENCE_S)
        while time.monotonic() < until and not self.web.closing.is_set():
            time.sleep(min(0.02, seconds))

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def web_server(answer: Callable[[Asked], Answer]) -> Iterator[WebServer]:
    server = WebServer(answer)
    try:
        yield server
    finally:
        server.close()
