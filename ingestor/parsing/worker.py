"""The process that parses: takes one request at a time from its parent, answers, and holds no state.

It is expendable. Everything that limits it is set here, before the first request: memory, core dumps, file
size, niceness, signals, the network. It leads its own process group, so that what it starts (pandoc) ends
with it, and it dies with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import reply

_PR_SET_PDEATHSIG = 1
_TEMPORARY_BYTES = 2 * 2**30
_NICENESS = 10
_DENIED = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})


class NetworkDenied(PermissionError):
    """A parsing library wanted to talk to the network."""


def main(descriptor: int, parent: int, settings: str) -> None:
    """Serve until the parent closes the connection or nothing was asked for a while."""
    limits = json.loads(settings)
    _confine(parent, int(limits["memory"]))
    parse = _imported(limits["parse"])
    with Connection(descriptor) as connection:
        connection.send_bytes(b"ready")
        # An idle worker gives its memory back; the parent starts another when there is work.
        while connection.poll(float(limits["idle"])):
            try:
                head = json.loads(connection.recv_bytes())
                content = connection.recv_bytes()
            except EOFError:
                return
            connection.send_bytes(_answer(parse, ParseRequest(content=content, **head)))


def _answer(parse: Callable[[ParseRequest], Document], request: ParseRequest) -> bytes:
    try:
        return reply.encode_document(parse(request))
    except ParseFailure as failure:
        return reply.encode_failure(failure)
    except MemoryError:
        return reply.encode_failure(
            ParseFailure(
                ParseReason.MEMORY,
                "Parsing the file takes more memory than a parser is allowed.",
                hint="Split the file, or exclude it.",
            )
        )


def _confine(parent: int, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):  # where there is no prctl the closed pipe has to do
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to die with it
        os._exit(1)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _TEMPORARY_BYTES)
    # Data, not address space: pandoc and pdfium reserve far more addresses than they ever use.
    _limit(resource.RLIMIT_DATA, memory)
    # spaCy takes torch along when it finds it: 2 s and 180 MB for nothing in a process that parses.
    sys.modules["torch"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    sys.addaudithook(_deny_network)


def _limit(what: int, wanted: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _deny_network(event: str, _args: tuple[object, ...]) -> None:
    if event in _DENIED:
        raise NetworkDenied(event)


def _imported(path: str) -> Callable[[ParseRequest], Document]:
    module, _, name = path.partition(":")
    found: Callable[[ParseRequest], Document] = getattr(import_module(module), name)
    return found
