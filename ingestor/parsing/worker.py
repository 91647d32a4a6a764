"""The process that parses: takes one request at a time from its parent, answers, and holds no state.

It is expendable. ``sandbox`` limits it before the first request and around each; it leads its own process group, so
that what it starts (pandoc) ends with it, and it dies with its parent.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ParseRequest
from ingestor.parsing import clock, ocr, reply, sandbox

_CAUSES = 10  # of an error, looked through for one of the sandbox


def main(descriptor: int, parent: int, settings: str) -> None:
    """Serve until the parent closes the connection or nothing was asked for a while."""
    limits = json.loads(settings)
    sandbox.confine(parent, memory=int(limits["memory"]), scratch=int(limits["scratch"]))
    parse = _imported(limits["parse"])
    with Connection(descriptor) as connection:

        def tell(mark: clock.Mark) -> None:
            """By the parent's clock, and for this process."""
            connection.send_bytes(mark.value)
            sandbox.allow_processor(float(limits["processor"]))

        clock.prepare(tell, stretches=int(limits["stretches"]))
        ocr.prepare(
            ocr.Ocr(**{**limits["ocr"], "mode": ocr.OcrMode(limits["ocr"]["mode"])}),
            page_seconds=float(limits["page"]),
        )
        connection.send_bytes(b"ready")
        # An idle worker gives its memory back; the parent starts another when there is work.
        while connection.poll(float(limits["idle"])):
            try:
                head = json.loads(connection.recv_bytes())
                content = connection.recv_bytes()
            except EOFError:
                return
            sandbox.allow_processor(float(limits["processor"]))
            answer = _answer(parse, ParseRequest(content=content, **head))
            sandbox.end_children()
            connection.send_bytes(answer)


def _answer(parse: Callable[[ParseRequest], Document], request: ParseRequest) -> bytes:
    try:
        return reply.encode_document(parse(request))
    except ParseFailure as failure:
        return reply.encode_failure(_refused(failure) or failure)
    except MemoryError:
        return reply.encode_failure(reply.too_much_memory())
    except OSError as error:
        if (refused := _refused(error)) is None:
            raise
        return reply.encode_failure(refused)


def _refused(error: BaseException) -> ParseFailure | None:
    """The failure to report where a limit of ours is behind the error: a library sees only a call that fails."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if isinstance(cause, sandbox.NetworkDenied):
            return ParseFailure(
                ParseReason.UNSUPPORTED,
                "To read the file its parser wanted something from the network, which it never gets.",
                hint="Save the file with everything in it, or exclude it.",
            )
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            return reply.too_much_scratch()
        if cause is None:
            break
        cause = cause.__cause__ or cause.__context__
    return None


def _imported(path: str) -> Callable[[ParseRequest], Document]:
    module, _, name = path.partition(":")
    found: Callable[[ParseRequest], Document] = getattr(import_module(module), name)
    return found
