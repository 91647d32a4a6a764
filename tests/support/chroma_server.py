"""A real ``chroma run`` server on a loopback port, which can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path


class ChromaServer:
    """Files in ``folder``; the port stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        chroma = Path(sys.executable).parent / "chroma"
        self._process = subprocess.Popen(
            [chroma, "run", "--host", "127.0.0.1", "--port", str(self.port), "--path", self.folder / "data"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        for _ in range(1_200):
            with (
                contextlib.suppress(OSError),
                contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 1)),
            ):
                return
            time.sleep(0.05)
        raise AssertionError("The Chroma server does not start.")

    def collections(self) -> dict[str, str]:
        """The present name of each collection, and the name that it was made under. Asked by a process of its
        own: Chroma is not for the process of the tests."""
        code = (
            "import json, sys, chromadb\n"
            "found = chromadb.HttpClient(host='127.0.0.1', port=int(sys.argv[1])).list_collections()\n"
            "print(json.dumps({c.name: (c.metadata or {}).get('generation', '') for c in found}))\n"
        )
        command = [sys.executable, "-W", "ignore", "-c", code, str(self.port)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
