"""The values that pass between the stages: frozen, keyword-only, typed. No behaviour beyond their own.

Ids: ``DocId`` is random, assigned once; ``ChunkId`` is a hash (``chunk_id``).
Hashes are BLAKE2b-160, 20 bytes. Times are seconds since the epoch, UTC. Spans are half-open
character offsets in the canonical text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from connectors.base import ItemId, ItemRef, Scope, Version

DocId = NewType("DocId", str)
ChunkId = NewType("ChunkId", str)
RunId = NewType("RunId", str)
UnitId = NewType("UnitId", int)
GenerationId = NewType("GenerationId", int)
Recipe = NewType("Recipe", str)
ModelId = NewType("ModelId", str)
Hash = NewType("Hash", bytes)


def blake(*parts: bytes) -> Hash:
    """BLAKE2b-160 over the parts, each preceded by its length so that no two lists collide."""
    h = hashlib.blake2b(digest_size=20)
    for part in parts:
        if len(parts) > 1:
            h.update(len(part).to_bytes(8, "little"))
        h.update(part)
    return Hash(h.digest())


def chunk_id(doc_id: DocId, text_hash: Hash, occurrence: int) -> ChunkId:
    """A chunk's identity: which document, which text, the how-manyeth of equal texts (from 0)."""
    return ChunkId(blake(doc_id.encode(), text_hash, occurrence.to_bytes(4, "little")).hex())


# -- parsing ---------------------------------------------------------------------------------------


class ElementKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"
    QUOTE = "quote"


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """A piece of parser output: ``[start, end)`` of the canonical text, in order, never overlapping.

    ``section`` is the heading path above the element (a heading's own path includes itself). ``level``
    counts headings from 1. ``page`` counts from 1 (PDF page, slide, sheet). ``anchor`` is a fragment
    id of the nearest heading where the format has one. ``context`` is text that belongs to each part
    of the element when it is cut (a table's header row, a list's lead-in).
    """

    kind: ElementKind
    start: int
    end: int
    section: tuple[str, ...] = ()
    level: int | None = None
    page: int | None = None
    anchor: str | None = None
    context: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed item: canonical text and its elements. Gaps between elements are white space or markup.

    ``title`` is the document's own; empty where it has none and is called by its file's name.

    ``has_lines`` is true where line numbers of ``text`` are those of the source file.
    """

    text: str
    elements: tuple[Element, ...]
    title: str
    kind: str
    has_lines: bool = False
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseRequest:
    """One item's content on its way to a parser. ``name`` helps to find the type, no more."""

    name: str
    content: bytes = field(repr=False)
    media_type: str | None = None


# -- chunking --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """What is embedded: ``text`` is exactly the string given to the embedder. ``[start, end)`` of the
    canonical text. ``weight`` is its length in the cutter's measure, its share in a chunk's vector."""

    text: str
    start: int
    end: int
    weight: int

    def hash(self) -> Hash:
        return blake(self.text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A chunk as the cutter makes it, before it has an identity. ``lines`` counts from 1, inclusive."""

    start: int
    end: int
    text: str
    units: tuple[Unit, ...]
    length: int
    section: tuple[str, ...] = ()
    page: int | None = None
    lines: tuple[int, int] | None = None
    anchor: str | None = None
    reason: str = ""


# -- sync ------------------------------------------------------------------------------------------


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    WATCH = "watch"
    SYNC = "sync"
    BACKFILL = "backfill"
    STARTUP = "startup"


class Outcome(StrEnum):
    OK = "ok"
    PARTIAL = "partial"
    SUSPENDED = "suspended"
    HELD = "held"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


class SourceState(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    OFFLINE = "offline"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownItem:
    """What the ledger holds of one live item: enough to decide without reading its content.

    ``doc`` is the document's row; ``version`` is that of the content last processed; ``recipe`` is
    what it was parsed with; ``doubtful`` asks for one more read (R9); ``failed`` marks quarantine
    (its ``content_hash`` and ``recipe`` say of what).
    """

    item_id: ItemId
    doc: int
    version: Version
    recipe: Recipe
    content_hash: Hash | None = None
    size: int | None = None
    file_key: str | None = None
    move_key: str | None = None
    parent: ItemId | None = None
    place: str = ""
    name: str = ""
    url: str = ""
    doubtful: bool = False
    failed: bool = False
    retry_at: float | None = None
    attempts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Deceased:
    """A document whose item left within the retention time; it gets its DocId back on return (R11)."""

    doc: int
    item_id: ItemId
    content_hash: Hash | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PutRevision:
    """New content of one item. ``doc`` None makes a document; else a revision of that one, unless the
    content hash equals its current one (a recipe change: same revision, new layout). ``edited_at`` is
    when the change was made, as far as lag is concerned; None where that cannot be told."""

    ref: ItemRef
    doc: int | None
    content_hash: Hash
    recipe: Recipe
    title: str
    kind: str
    passages: tuple[Passage, ...]
    has_lines: bool
    seen_at: float
    edited_at: float | None = None
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PutFailure:
    """Content that no parser could take: the old passages leave, the item waits in quarantine."""

    ref: ItemRef
    doc: int | None
    content_hash: Hash
    recipe: Recipe
    reason: str
    message: str
    hint: str
    attempts: int
    retry_at: float | None
    seen_at: float
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Touch:
    """Same content under a new version, or new metadata (name, url, grant): nothing is parsed."""

    doc: int
    item_id: ItemId
    ref: ItemRef
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """The document now stands at ``ref``: same DocId, same content (edits follow as PutRevision)."""

    doc: int
    item_id: ItemId
    ref: ItemRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Remove:
    """The item is proven gone: its document leaves search at once."""

    doc: int
    item_id: ItemId


@dataclass(frozen=True, kw_only=True, slots=True)
class Regrant:
    """The place now grants to exactly these principals: one row set, whatever hangs on it."""

    place: str
    principals: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebind:
    """Name, url and grant as the listing shows them, ahead of the content, which is read later (R7)."""

    doc: int
    ref: ItemRef


Op = PutRevision | PutFailure | Touch | Move | Remove | Regrant | Rebind


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What one transaction changed, in rows."""

    chunks_added: int = 0
    chunks_removed: int = 0
    chunks_kept: int = 0
    units_new: int = 0

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            chunks_added=self.chunks_added + other.chunks_added,
            chunks_removed=self.chunks_removed + other.chunks_removed,
            chunks_kept=self.chunks_kept + other.chunks_kept,
            units_new=self.units_new + other.units_new,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Deletions of one source that wait for a person."""

    plan_id: str
    source: str
    reason: str
    items: tuple[ItemId, ...]
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMemory:
    """What earlier runs of a source left behind: the cursor (R4), the root's identity and when absence
    was last proven (R5), the guard's figures, the held plan, and who may read at each place."""

    cursor: str | None = None
    identity: str | None = None
    proven_at: float | None = None
    live: int = 0
    live_peak: int = 0
    plan: Plan | None = None
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Tally:
    """The running counts of one run, in the hands of the stage that counts. Not frozen: it is a counter."""

    expected: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    bytes_read: int = 0
    chunks: Applied = field(default_factory=Applied)
    current: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCounts:
    """The counts of one run, as CONTRACTS promises them."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks_added: int = 0
    chunks_removed: int = 0
    chunks_kept: int = 0
    embedded: int = 0
    reused: int = 0
    index_writes: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """One finished pass over one source."""

    run_id: RunId
    source: str
    trigger: Trigger
    scope: Scope
    outcome: Outcome
    started_at: float
    ended_at: float
    counts: RunCounts
    message: str = ""
    plan_id: str | None = None


# -- index -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingRow:
    """A chunk whose written state is not the wanted one (R2); ``units`` are (unit, weight) in order.

    A tombstone has ``alive`` False and no content. ``wanted`` is what settling compares with; ``source``
    is whose run the write counts for.
    """

    chunk_id: ChunkId
    wanted: Hash
    alive: bool
    source: str = ""
    text: str = ""
    metadata: dict[str, str | int] = field(default_factory=dict)
    units: tuple[tuple[UnitId, int], ...] = ()


class GenerationState(StrEnum):
    BUILDING = "building"
    SERVING = "serving"
    KEPT = "kept"
    CONDEMNED = "condemned"


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One vector index: ``location`` is a folder name under the state folder or a collection name."""

    generation_id: GenerationId
    model: ModelId
    location: str
    state: GenerationState
    manifest: str | None = None


# -- search ----------------------------------------------------------------------------------------


class SearchMode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    KEYWORD = "keyword"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A live, visible chunk that a search may show: its row, and its units with their weights."""

    chunk: int
    chunk_id: ChunkId
    text_hash: Hash
    units: tuple[tuple[UnitId, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A search result as CONTRACTS promises it."""

    chunk_id: ChunkId
    document_id: DocId
    source: str
    title: str
    uri: str
    url: str
    section: tuple[str, ...]
    page: int | None
    lines: tuple[int, int] | None
    span: tuple[int, int]
    score: float
    text: str
    revision: int
    ingested_at: float
    kind: str = ""
    anchor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Who asks. ``principals`` None is the owner of the state folder, who reads everything."""

    principals: frozenset[str] | None = None
