"""What systemd is told: datagrams to the socket that it names in the environment (sd_notify(3)). Without it, nothing.

Forty lines of our own: the libraries for it bring libsystemd along, which containers do not have.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping


class Notifier:
    """Takes its variables out of the environment, so that neither parsers nor the index host speak for us.
    ``watchdog_s`` is how long systemd lets us be silent; None where nobody watches."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        address = env.pop("NOTIFY_SOCKET", "")
        micros, pid = env.pop("WATCHDOG_USEC", ""), env.pop("WATCHDOG_PID", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        ours = not pid or pid == str(os.getpid())
        self.watchdog_s = int(micros) / 1e6 if self._address and micros.isdecimal() and ours else None
        self._status = ""

    def ready(self) -> None:
        self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Stopping")

    def status(self, sentence: str) -> None:
        """Shown by ``systemctl status``; sent where it changed."""
        if sentence != self._status:
            self._status = sentence
            self._send(f"STATUS={sentence}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def frozen(self) -> None:
        """Do now what the watchdog does after silence."""
        self._send("WATCHDOG=trigger")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # A manager that is being restarted takes nothing for a moment; the next word reaches it.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way,
        ):
            way.settimeout(1.0)
            way.connect(self._address)
            way.sendall("\n".join(lines).encode())
