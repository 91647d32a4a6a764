"""The seams of the program: protocols of at most eight methods, each with its contract in prose.

A stage sees the ledger, the index and the models only through these. Every implementation, the
in-memory ones of the tests included, passes the same contract suite (``tests/contract``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

from connectors.base import ItemId, Scope
from ingestor.model import (
    Applied,
    Candidate,
    ChunkId,
    Deceased,
    DocId,
    Document,
    Filters,
    Generation,
    GenerationId,
    GenerationState,
    Hash,
    HeldWord,
    Hit,
    KnownItem,
    ModelId,
    Op,
    ParseRequest,
    Passage,
    PendingRow,
    Plan,
    Reader,
    RunId,
    RunReport,
    SourceMemory,
    SourceState,
    Tally,
    Trigger,
    UnitId,
)

if TYPE_CHECKING:  # numpy costs 0.2 s at import, and a no-op run needs none
    import numpy as np
    from numpy.typing import NDArray


# -- stages ----------------------------------------------------------------------------------------


class Parser(Protocol):
    """Bytes to documents, in a sandbox, several at once."""

    def recipe(self, name: str, media_type: str | None) -> str:
        """Fingerprint of what would parse an item of this name: code version and settings. Pure."""

    def submit(self, request: ParseRequest) -> Future[Document]:
        """Start parsing; never blocks long. The future raises ``ParseFailure`` for anything that is
        the document's own fault (a crash and a time-out of the sandbox included), nothing else."""

    def close(self) -> None:
        """Cancel what runs and end every process; safe to call twice."""


class Cutter(Protocol):
    """Documents to passages. Pure, deterministic, local; knows no model."""

    def recipe(self) -> str:
        """Fingerprint of code version and settings."""

    def cut(self, document: Document) -> tuple[Passage, ...]:
        """Passages in order, disjoint, covering every element; made of whole units."""


class Embedder(Protocol):
    """Texts to unit vectors. One thread at a time; loads its model at the first call."""

    @property
    def model(self) -> ModelId:
        """Fingerprint of model, pooling and settings; known without loading the model."""

    @property
    def dimensions(self) -> int:
        """Length of a vector; loads the model."""

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), dimensions)``, rows of length 1, in order. A text longer than the model reads
        is embedded in windows and pooled. Same text, same vector (within rounding), whatever the batch.
        Raises ``EmbedderError``."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """``(dimensions,)``, length 1: the question side where a model distinguishes it."""


class Reranker(Protocol):
    """A slower judge of the best hits."""

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """How well each text answers, in order, higher is better; comparable within one call only. Raises
        ``EmbedderError``: then the hits stay in the order that they had."""


class VectorStore(Protocol):
    """Unit vectors of one model, half precision, content-addressed: adding twice changes nothing."""

    @property
    def model(self) -> ModelId: ...

    def missing(self, units: Sequence[UnitId]) -> list[UnitId]:
        """Those of ``units`` that have no vector, in order, without repeats."""

    def add(self, units: Sequence[UnitId], vectors: NDArray[np.float32]) -> None:
        """Append; one transaction. A unit already there keeps its vector."""

    def get(self, units: Sequence[UnitId]) -> NDArray[np.float32]:
        """``(len(units), dimensions)`` in order; ``KeyError`` names a missing one."""

    def remove(self, units: Sequence[UnitId]) -> None:
        """Forget these (retention, purge)."""

    def units(self) -> Iterator[UnitId]:
        """All ids, ascending, in short transactions."""

    def close(self) -> None: ...


class VectorIndex(Protocol):
    """One generation of the vector index, open in its host process. Calls from any thread.

    It has a collection without a name (``scope`` ''), and one for each named scope from its first row on. What a scope
    has not is not there: its ids are unknown, its deletes change nothing, its count is 0. The same id may stand in
    several, as another row in each.

    Every call raises ``IndexUnavailable`` when no answer came (the call may have been applied, R3) and
    ``IndexWrecked`` when the host died or the answer cannot be true. Writes are idempotent.
    """

    def upsert(
        self,
        ids: Sequence[ChunkId],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, str | int]],
        scope: str = "",
    ) -> None:
        """Rows as given, whole; at most 5,000."""

    def delete(self, ids: Sequence[ChunkId] | None, scope: str = "") -> None:
        """Those that exist go; at most 5,000. None: the collection of a named scope goes with all it holds."""

    def get(
        self, ids: Sequence[ChunkId], scope: str = ""
    ) -> Mapping[ChunkId, tuple[NDArray[np.float32], str, Mapping[str, str | int]]]:
        """Vector, text and metadata of those that exist; at most 5,000."""

    def page(self, offset: int, limit: int, scope: str = "") -> Sequence[ChunkId]:
        """Ids in a stable order; empty past the end."""

    def count(self, scope: str = "") -> int: ...

    def scopes(self) -> Collection[str]:
        """The named scopes that have a collection."""

    def query(self, vector: NDArray[np.float32], n: int, scopes: Collection[str] = ()) -> Mapping[ChunkId, float]:
        """The nearest rows of these scopes (none: of the whole generation), best first, unfiltered, approximately: ids
        and the cosine of each to ``vector``."""

    def close(self) -> None:
        """Close the store cleanly and end the host; safe to call twice."""


# -- the ledger, as each stage sees it ------------------------------------------------------------------


class SyncLedger(Protocol):
    """What the sync engine reads and writes. Each method that writes is one transaction (R1)."""

    def known(self, source: str, scope: Scope) -> dict[ItemId, KnownItem]:
        """The live items of ``scope`` that the source lists."""

    def attached(self, doc: int) -> Sequence[KnownItem]:
        """The live attachments of a document. No listing names them: they come and go with its revisions."""

    def of_files(self, source: str, file_keys: Collection[str]) -> Sequence[KnownItem]:
        """The live items that are these files, wherever they stand in the source."""

    def deceased(self, source: str) -> Sequence[Deceased]:
        """Documents of items that left within the retention time and live nowhere, latest first."""

    def memory(self, source: str) -> SourceMemory:
        """What earlier runs left behind."""

    def apply(self, source: str, run: RunId, ops: Sequence[Op]) -> Applied:
        """Carry out all ops or none, in order. Chunks, layout, keyword rows, grants and the wanted
        state of every generation change with the revision (R1), and so do its attachments, which
        follow wherever the document goes. Idempotent: an op whose effect stands already changes no row."""

    def save_bookmark(
        self,
        source: str,
        *,
        cursor: str | None,
        identity: str | None,
        proven_at: float | None,
        counted: bool,
        anew: bool = False,
    ) -> None:
        """R4: called after everything before the cursor is committed. None leaves a value as it is. ``counted``
        notes the number of live documents, without those held, for the guard to measure by; ``anew``: a person
        approved deletions, and the guard's day starts here."""

    def hold(self, source: str, reason: str, items: Sequence[ItemId]) -> Plan | None:
        """Make the held plan be exactly ``items`` (none: no plan). The id changes with the items."""


class RunLedger(Protocol):
    """Runs and the visible state of sources."""

    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId: ...

    def finish_run(self, report: RunReport) -> None: ...

    def set_state(self, source: str, state: SourceState, note: str = "") -> None: ...


class EmbedLedger(Protocol):
    """Chunks whose units may lack vectors: the pending work of the embed worker."""

    def unembedded(self, generation: GenerationId, limit: int) -> Sequence[tuple[int, tuple[UnitId, ...]]]:
        """(chunk row, its units) of live chunks not marked ready, newest commits first."""

    def unit_texts(self, units: Sequence[UnitId]) -> Sequence[str]:
        """The strings to embed, in order."""

    def sources_of(self, chunks: Sequence[int]) -> Mapping[int, str]:
        """The source of each chunk row, so that work is counted for the run that caused it."""

    def mark_ready(self, generation: GenerationId, chunks: Sequence[int]) -> None:
        """All units of these chunks have vectors now."""


class IndexLedger(Protocol):
    """The wanted and the written state of each generation: the pending work of the projector."""

    def generations(self) -> Sequence[Generation]: ...

    def add_generation(self, model: ModelId, location: str, state: GenerationState) -> Generation:
        """A new generation in which every live chunk is wanted and nothing is written."""

    def set_generation(
        self, generation: GenerationId, state: GenerationState, *, keep_until: float | None = None
    ) -> None:
        """Serving: the one that served becomes kept until then, and a wish for the model of the new one is
        fulfilled, in the same transaction."""

    def set_manifest(self, generation: GenerationId, manifest: str | None) -> None:
        """The folder's names, sizes and times at a clean close; None before anything is written."""

    def pending(self, generation: GenerationId, limit: int) -> Sequence[PendingRow]:
        """Rows to write, in the order of R2; upserts only of chunks marked ready. What left a scope is a narrowing."""

    def settle(self, generation: GenerationId, rows: Sequence[PendingRow]) -> None:
        """Written, where ``wanted`` and the scope are still what was read; tombstones go (R2)."""

    def expected(self, generation: GenerationId, after: ChunkId, limit: int) -> Sequence[PendingRow]:
        """Live rows that were written, with what they should hold, by ascending chunk id: for probe,
        verify and repair."""

    def unsettle(self, generation: GenerationId, chunks: Sequence[ChunkId] | None, scope: str = "") -> None:
        """Forget that these (None: all) were written in the collection of that scope: the projector writes them
        again. An id that does not belong there, or that the ledger does not know, becomes a tombstone there."""


class SearchLedger(Protocol):
    """R7: what search may show. Every answer is already filtered to live rows that ``reader`` may see."""

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[tuple[int, float]]:
        """(chunk row, BM25 score, higher is better), best first. ``words`` is the person's query."""

    def about_how_many(self) -> int:
        """Live chunks of all readers, as of the last minute."""

    def worded(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[Candidate]:
        """The chunks that hold most of the person's query, by the rarities of their words."""

    def held(self, words: str, chunks: Collection[int]) -> Sequence[HeldWord]:
        """Each word of the person's query that is looked for: its rarity, and which of ``chunks`` hold it, in their
        text or their context. ``chunks`` are candidates of this reader; nothing is said of others."""

    def candidates(self, chunks: Iterable[ChunkId | int], reader: Reader, filters: Filters) -> Sequence[Candidate]: ...

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        """Every live visible chunk up to ``limit``, for the exact scan."""

    def places(self, chunks: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """Where these chunk rows, which are candidates, stand: (document row, place in it). What is gone meanwhile is
        left out."""

    def text_units(self, hashes: Iterable[Hash]) -> Mapping[Hash, UnitId]:
        """The units that have these texts, for models that embed passages whole; those that are not made yet are left
        out. ``hashes`` are those of candidates."""

    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        """Citations of these chunk rows, in order; what died or was hidden meanwhile is left out."""

    def passages(self, document: DocId, first: int, count: int, reader: Reader) -> Sequence[Hit]:
        """Citations of the document's chunks in their order, from the one at place ``first``; empty where there is no
        such document for this reader."""

    def sources(self, reader: Reader) -> Sequence[str]:
        """Names of the sources that hold a document which the reader may see; all of them for the owner."""


class Pulse(Protocol):
    """Lets a stage be seen and stopped."""

    def stopping(self) -> bool:
        """True when the caller should end at the next safe point."""

    def progress(self, stage: str, tally: Tally) -> None:
        """Show how far the run is; called often, cheap. ``tally`` is the stage's own, do not keep it."""
