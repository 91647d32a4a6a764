"""The index host as its parent sees it: one child process, asked one thing at a time, replaced when it fails.

A plain child on a socket pair and not a pool: a pool would start another worker by itself, and whether
the store may be opened again is for us to decide; and it would measure its time-outs by the wall clock.
The child is a fresh interpreter, so nothing of this process's threads and locks is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

from ingestor.errors import IndexFailure, IndexUnavailable, IndexWrecked
from ingestor.index.place import Folder, Limits, Place

# The same search path as ours and no other: `-m` would put the working directory, a person's documents, first.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ingestor.index.worker import main; main(*json.loads(sys.argv[2]))"
)


class HostSilent(IndexUnavailable):
    """The host did not answer in time and was killed. Opening again and probing tell what that means."""


class ServerFault(IndexUnavailable):
    """A Chroma server answered with an error of its own: it may be passing, or the collection is damaged."""


class Host:
    """One child process with one store open in it. For one thread at a time."""

    def __init__(self, place: Place, limits: Limits) -> None:
        self._place = place
        self._limits = limits
        self._socket_pair: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of a running host."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process and open the store. Raises ``IndexWrecked`` when a folder cannot be opened."""
        ours, theirs = socket.socketpair()
        with theirs:
            place = {
                "folder": str(self._place.path) if isinstance(self._place, Folder) else "",
                "url": "" if isinstance(self._place, Folder) else self._place.url,
                "collection": self._place.collection,
            }
            limits = {
                "file_bytes": self._limits.file_bytes,
                "memory_bytes": self._limits.memory(),
                "lock_s": self._limits.lock_s,
            }
            command = [sys.executable, "-P", "-c", _BOOT, json.dumps(_search_path())]
            try:
                self._process = subprocess.Popen(
                    [*command, json.dumps([theirs.fileno(), place, limits])],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",  # Chroma reads a .env of the working directory
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise IndexUnavailable(f"The index host cannot be started: {error}.") from error
        # A stopped child must not hold us in a half-written message for ever.
        patience = struct.pack("ll", int(max(1.0, self._limits.read_s)), 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self._socket_pair = Connection(ours.detach())
        try:
            self._hear_hello()
            self.call("open", (), self._limits.open_s)
        except HostSilent as error:
            self.kill()
            if isinstance(self._place, Folder):
                raise IndexWrecked(f"The index host hung while it opened {self._place}.") from error
            raise
        except IndexFailure:
            self.kill()
            raise

    def call(self, operation: str, args: tuple[Any, ...], timeout: float) -> Any:
        """Ask, and wait at most ``timeout`` seconds. Raises ``IndexUnavailable`` or ``IndexWrecked``; after a
        death or a time-out the process is gone."""
        wire = self._socket_pair
        if wire is None:
            raise IndexUnavailable(f"The index host is not running ({self._place}).")
        try:
            wire.send((operation, args))
            answer = wire.recv() if wire.poll(timeout) else None
        except BlockingIOError:  # half a message, and then nothing
            answer = None
        except (EOFError, OSError) as error:
            raise self._died(operation) from error
        if answer is None:
            self.kill()
            raise HostSilent(f"The index host gave no answer to {operation} in time ({self._place}).")
        kind, value = answer
        match kind:
            case "ok":
                return value
            case "wrecked":
                raise IndexWrecked(f"{value} ({self._place})")
            case "fault":
                raise ServerFault(str(value))
            case _:
                raise IndexUnavailable(str(value))

    def stop(self) -> bool:
        """Close the store and end the process; false when it had to be killed."""
        if self._socket_pair is None:
            self.kill()
            return False
        clean = False
        with contextlib.suppress(IndexFailure):
            self.call("close", (), self._limits.close_s)
            clean = True
        self._hang_up()
        if self._process is not None:
            try:
                self._process.wait(self._limits.close_s)
            except subprocess.TimeoutExpired:
                clean = False
        self.kill()
        return clean

    def kill(self) -> None:
        """End the process at once; safe when there is none."""
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def interrupt(self) -> None:
        """End the process while another thread waits for its answer: that thread is told that it died."""
        process = self._process
        if process is not None:
            process.kill()

    def _hear_hello(self) -> None:
        """A host that does not come up says nothing about the store, which it has not touched."""
        wire = self._socket_pair
        try:
            if wire is not None and wire.poll(self._limits.open_s):
                wire.recv()
                return
        except (EOFError, OSError):
            pass
        self.kill()
        raise IndexUnavailable("The index host does not start.", hint="Run `ingestor doctor`.")

    def _hang_up(self) -> None:
        wire, self._socket_pair = self._socket_pair, None
        if wire is not None:
            wire.close()

    def _died(self, operation: str) -> IndexFailure:
        self._hang_up()
        process = self._process
        how = "ended"
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            code = process.returncode
            if code is not None and code < 0:
                with contextlib.suppress(ValueError):
                    how = f"was ended by {signal.Signals(-code).name}"
            elif code is not None:
                how = f"ended with status {code}"
        self.kill()
        message = f"The index host {how} during {operation} ({self._place})."
        # Behind a server our child holds no files: its death says nothing about the store.
        return IndexWrecked(message) if isinstance(self._place, Folder) else IndexUnavailable(message)


def _search_path() -> list[str]:
    """Ours, made absolute: the child stands in another directory."""
    return [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - no resolving of links
