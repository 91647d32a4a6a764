"""What the commands stand on: the wiring, seen as a protocol, imported when a command runs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connectors.examining import Finding
    from ingestor import wire, wire_models, wire_reading, wire_service
    from ingestor.context import Context
    from ingestor.evaluation.generate import Generated
    from ingestor.web.api import Operations, Report


class Reading(Protocol):
    """What a read connection to the ledger answers; needs neither lock nor service nor an existing ledger."""

    def status(self) -> wire.StatusReply: ...

    def runs(self, limit: int, source: str | None) -> wire.RunsReply: ...

    def source_list(self) -> wire.SourcesReply: ...

    def cost(self, source: str | None) -> wire_reading.CostReply:
        """Raises ``UnknownId`` for a source that was never charged with anything."""

    def facts(self) -> wire_reading.StateFacts:
        """Of the files, as far as they can be read."""

    def sample(self, documents: int) -> Sequence[str]:
        """The beginnings of so many documents, taken at random."""

    def models(self) -> wire_models.ModelsReply: ...

    def quarantine(self, source: str | None, *, ignored: bool = False) -> wire.QuarantineReply: ...

    def set_aside(self, target: str, path: str) -> wire.QuarantineItem:
        """A document's id, else the document at ``path``, which is absolute. Raises ``UnknownId``."""

    def document(
        self, document_id: str, first: int, count: int, principals: Sequence[str] | None
    ) -> wire_reading.DocumentReply: ...

    def passage(self, chunk_id: str, context: int, principals: Sequence[str] | None) -> wire.SearchHit: ...

    def freshness(self, principals: Sequence[str] | None) -> wire_reading.FreshnessReply: ...

    def why(self, path: str) -> wire_reading.WhyReply: ...

    def trace(self, chunk_id: str, principals: Sequence[str] | None) -> wire_reading.TraceReply:
        """``principals`` None: the owner of the state folder. Raises ``UnknownId``."""

    def answer(self, answer_id: str, principals: Sequence[str] | None) -> wire_reading.AnswerReply:
        """``principals`` None: the owner of the state folder. Raises ``UnknownId``."""

    def generate(
        self, count: int, seed: int, sources: Sequence[str], principals: Sequence[str] | None
    ) -> Sequence[Generated]:
        """Questions out of headings and titles of documents that may be seen."""

    def history(self, target: str, path: str, principals: Sequence[str] | None) -> wire_reading.HistoryReply:
        """A document's id or uri, else the document at ``path``, which is absolute. Raises ``UnknownId``."""


class Backend(Protocol):
    """The wiring as the commands see it; the module ``ingestor.wiring`` is one."""

    def open_operations(self, context: Context, /) -> AbstractContextManager[Operations]:
        """The operations, here under the lock or by way of the process that holds it."""

    def read_only(self, context: Context, /) -> Reading: ...

    def examine_source(self, context: Context, name: str, /) -> Iterator[Finding]:
        """The connection check of one source. Raises ``UnknownId``."""

    def restore(self, context: Context, archive: Path, progress: Report, /) -> wire_service.RestoreReply:
        """Fill the state folder, which nobody may hold, from a backup."""

    def running_service(self, context: Context, /) -> Operations:
        """The operations of a service, which must run."""

    def run_service(self, context: Context, /) -> int:
        """Serve until a signal; the exit code."""


def backend() -> Backend:
    """The one backend. Imported here, because ``--help`` needs none of what it imports."""
    from ingestor import wiring

    return wiring
