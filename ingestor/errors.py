"""Errors of the program, by who has to act; the class decides the exit code (CONTRACTS).

::

    IngestorError
    ├── UserError                 exit 2: the command, the configuration or an id is wrong
    │   ├── ConfigError           all problems of a configuration at once
    │   └── UnknownId
    ├── SourceHeld                exit 3: deletions wait for a person (``ingestor approve``)
    ├── LedgerError               exit 4: the truth cannot be read or written
    │   ├── LedgerTooNew          written by a newer program; refused
    │   ├── StateBusy             another process holds the state folder and does not answer
    │   └── VectorsMissing        a chunk counts as embedded and its vectors are gone; embedded again
    ├── IndexFailure              a derived index; retried, rebuilt, never fatal to the service
    │   ├── IndexUnavailable      it does not answer; nothing is known about the last call (R3)
    │   └── IndexWrecked          the probe found damage: rebuild into a new generation
    ├── ParseFailure              one document; quarantined with ``reason``
    └── EmbedderError             the model cannot be loaded or run

Source-side errors live in ``connectors.errors``. Every message is a whole sentence that says what
happened, where, and (``hint``) what to do; tracebacks are for bugs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class IngestorError(Exception):
    """Base of every error raised on purpose."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UserError(IngestorError):
    """The person asked for something that cannot be."""

    exit_code = 2


class ConfigError(UserError):
    """Everything that is wrong with a configuration, listed at once."""

    def __init__(self, problems: Sequence[str], *, where: str = "") -> None:
        self.problems = tuple(problems)
        head = f"The configuration{f' {where}' if where else ''} has {len(problems)} problem(s):"
        super().__init__("\n  - ".join([head, *problems]))


class UnknownId(UserError):
    """An id, name or path that nothing is known about."""


class SourceHeld(IngestorError):
    """Deletions of one source wait for a person."""

    exit_code = 3


class LedgerError(IngestorError):
    """The ledger cannot be read or written."""


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer program."""


class StateBusy(LedgerError):
    """Another process holds the state folder and does not answer."""


class VectorsMissing(LedgerError):
    """Chunks count as embedded, but vectors of theirs are gone from the ledger."""


class IndexFailure(IngestorError):
    """The vector index failed; the ledger is unharmed."""


class IndexUnavailable(IndexFailure):
    """The index did not answer. Whether the last call was applied is unknown (R3)."""


class IndexWrecked(IndexFailure):
    """The index gave an answer that cannot be true, or its host died on opening it."""


class EmbedderError(IngestorError):
    """The embedding model cannot be loaded or run."""


class ParseReason(StrEnum):
    """Why a document waits in quarantine (CONTRACTS)."""

    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    EXPANSION = "expansion"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    NO_TEXT = "no_text"


class ParseFailure(IngestorError):
    """One document could not be parsed; ``transient`` says whether another try may succeed, ``cpu_s`` what the attempt
    took of a processor, where that was measured."""

    cpu_s = 0.0

    def __init__(self, reason: ParseReason, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        # Crosses a process boundary; the default would lose the keyword arguments.
        return (_rebuild_parse_failure, (self.reason, self.message, self.hint, self.transient))


def _rebuild_parse_failure(reason: ParseReason, message: str, hint: str, transient: bool) -> ParseFailure:
    return ParseFailure(reason, message, hint=hint, transient=transient)
