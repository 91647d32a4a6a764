"""Real servers on this machine for a folder of bare repositories: git's own HTTP service, and OpenSSH's daemon."""

from __future__ import annotations

import contextlib
import getpass
import gzip
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else None)
_PATIENCE_S = 20.0


class HttpServer:
    """``git http-backend`` behind Python's server, with a token, and with the weather that a test asks for."""

    def __init__(self, root: Path, *, token: str = "", tls: Path | None = None) -> None:
        """``tls`` is a folder to put a certificate of our own into; ``ca_file`` is what a client has to trust."""
        self.root = root
        self.token = token
        self.status = 0
        """Answer everything with this."""
        self.retry_after = ""
        self.redirect = ""
        self.cut_after: int | None = None
        """Break a pack off after so many bytes."""
        self.stall = threading.Event()
        """While it is not set, packs stop in their middle."""
        self.stall.set()
        self.stalled = threading.Event()
        self.logins: list[str] = []
        self.requests: list[str] = []
        self.ca_file = tls / "cert.pem" if tls else None
        outer = self

        class Handler(_Handler):
            server_of_git = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            tls.mkdir(parents=True, exist_ok=True)
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            command += ["-keyout", str(tls / "key.pem"), "-out", str(tls / "cert.pem"), "-days", "2"]
            command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
            subprocess.run(command, check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_of_git: HttpServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that left
            super().handle()

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        else:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, body: bytes) -> None:
        server = self.server_of_git
        server.requests.append(f"{self.command} {self.path}")
        login = self.headers.get("Authorization", "")
        if login:
            server.logins.append(login)
        if server.redirect:
            return self._short(301, {"Location": server.redirect + self.path})
        if server.status:
            return self._short(server.status, {"Retry-After": server.retry_after} if server.retry_after else {})
        if server.token and not self._may(login):
            return self._short(401, {"WWW-Authenticate": 'Basic realm="wiki"'})
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROJECT_ROOT": str(server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status, headers = 200, {}
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            elif name:
                headers[name] = value
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = server.cut_after
        if cut is not None and b"PACK" in content:
            self.wfile.write(content[: content.index(b"PACK") + cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if b"PACK" in content and not server.stall.is_set():
            half = content.index(b"PACK") + 40
            self.wfile.write(content[:half])
            self.wfile.flush()
            server.stalled.set()
            server.stall.wait(_PATIENCE_S)
            content = content[half:]
        self.wfile.write(content)
        return None

    def _may(self, login: str) -> bool:
        import base64

        kind, _, packed = login.partition(" ")
        return kind == "Basic" and base64.b64decode(packed).decode().partition(":")[2] == self.server_of_git.token

    def _short(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


class SshServer:
    """OpenSSH's daemon on a port of its own, for this account, with keys of its own."""

    def __init__(self, folder: Path) -> None:
        assert SSHD is not None
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key_file = folder / "client"
        self.known_hosts_file = folder / "known_hosts"
        self._keygen(self.key_file)
        self._keygen(folder / "host")
        shutil.copy(folder / "client.pub", folder / "authorized")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.pin()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts its unprivileged part in
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    def pin(self) -> None:
        """Write the host's present key where the client looks for it."""
        key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        self.known_hosts_file.write_text(f"[127.0.0.1]:{self.port} {key}\n")

    def new_host_key(self) -> None:
        """As after a new installation, or as somebody in between would show."""
        self.stop()
        self._keygen(self.folder / "host")
        self.start()

    def start(self) -> None:
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        assert SSHD is not None
        command = [SSHD, "-D", "-f", str(config), "-E", str(self.folder / "sshd.log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    @staticmethod
    def _keygen(place: Path) -> None:
        for old in (place, place.with_name(place.name + ".pub")):
            old.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place)], check=True)


@contextlib.contextmanager
def http_server(root: Path, *, token: str = "", tls: Path | None = None) -> Iterator[HttpServer]:
    server = HttpServer(root, token=token, tls=tls)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    server = SshServer(folder)
    try:
        yield server
    finally:
        server.stop()
