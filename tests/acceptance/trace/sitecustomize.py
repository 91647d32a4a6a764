"""Records what a Python process does, for the tests that promise what it does not do.

With this folder on PYTHONPATH every Python process of the program appends lines to a file of its own in
``$INGESTOR_TEST_TRACE``: the processes that it starts, the addresses that it turns to, and at its end the
modules that it imported. Parser processes ignore PYTHONPATH on purpose; what they do is seen by the kernel.
"""

import atexit
import contextlib
import json
import os
import sys

_FOLDER = os.environ.get("INGESTOR_TEST_TRACE", "")
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
_TALKS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}


def _main() -> None:
    path = os.path.join(_FOLDER, f"{os.getpid()}.jsonl")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(kind: str, what: object) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, (json.dumps([kind, what], default=repr) + "\n").encode())

    def audit(event: str, details: tuple[object, ...]) -> None:
        if event in _STARTS:
            note("start", [event, details[0] if details else ""])
        elif event in _TALKS:
            note("talk", [event, details[0] if event.startswith("socket.get") else details[1]])

    note("argv", sys.orig_argv)
    sys.addaudithook(audit)
    atexit.register(lambda: note("modules", sorted(sys.modules)))


if _FOLDER:
    _main()
