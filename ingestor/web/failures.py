"""Errors as they cross the socket and as the command line prints them: a sentence, a hint, an exit code."""

from __future__ import annotations

from connectors.errors import ConnectorError
from ingestor.errors import IngestorError, LedgerError, SourceHeld, StateBusy, UserError
from ingestor.wire import ErrorReply


class ServiceFailure(IngestorError):
    """The service could not do what was asked, for a reason that it told us."""


def describe(error: BaseException) -> ErrorReply | None:
    """What a person should read of ``error``; None when it is a bug and wants its traceback."""
    if isinstance(error, IngestorError):
        return ErrorReply(message=error.message, hint=error.hint, exit_code=error.exit_code)
    if isinstance(error, ConnectorError):
        return ErrorReply(message=str(error), hint=error.hint, exit_code=3)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return ErrorReply(message=f"{place}{error.strerror}.", exit_code=4)
    return None


def outward(error: BaseException) -> ErrorReply | None:
    """What somebody else than the owner of the state folder reads of it. Of the ledger and of files nothing: their
    errors name our own folders."""
    return None if isinstance(error, LedgerError | OSError) else describe(error)


def rebuild(reply: ErrorReply) -> IngestorError:
    """The error that ``describe`` was given, by class as far as the exit code tells it."""
    match reply.exit_code:
        case 2:
            return UserError(reply.message, hint=reply.hint)
        case 3:
            return SourceHeld(reply.message, hint=reply.hint)
        case code:
            error = ServiceFailure(reply.message, hint=reply.hint)
            error.exit_code = code
            return error


def service_gone() -> IngestorError:
    """The other side ended in the middle of an answer. Everything is idempotent, so asking again is safe."""
    return StateBusy(
        "The service ended before it had answered.", hint="Run the command again; it carries on where this one was."
    )
