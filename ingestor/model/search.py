"""Search: modes, candidates, hits, and who asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ingestor.model.ids import ChunkId, DocId, Hash, UnitId


class SearchMode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    KEYWORD = "keyword"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A live, visible chunk that a search may show: its row, that of its document, and its units with their weights;
    those of its context come last and have negative ones (``ingestor.pooling``)."""

    chunk: int
    chunk_id: ChunkId
    document: int
    text_hash: Hash
    units: tuple[tuple[UnitId, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """Which documents a search is about. What is empty leaves nothing out; of several sources, scopes, paths or kinds
    one is enough, of several tags a document has all. ``paths`` name files or folders as ``ingestor.ledger.filters``
    reads them; ``since`` and ``until``, both inclusive, when the content last changed by the source's clock, or else
    was taken in."""

    sources: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    tags: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        named = self.sources or self.paths or self.kinds or self.tags or self.scopes
        return bool(named) or self.since is not None or self.until is not None


CONTEXT_WORDS = 0.5
"""What a word counts that stands in a chunk's context and not in its text: less, so that of two passages equally near
the one that says the word itself comes first. From 0.3 to 0.7 alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldWord:
    """A word of a query: its rarity in texts, above 0, and the candidates that hold it there; the same of contexts."""

    rarity: float
    chunks: Collection[int]
    context_rarity: float = 0.0
    context: Collection[int] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """The document that another one hangs on: the mail of an attachment, the page of a file in a wiki."""

    uri: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A search result as CONTRACTS promises it. ``place`` counts the chunks of the revision from 0, ``chunks`` how many
    of them it is made of. ``url`` is that of the parent where the document has none of its own (an attachment of a
    mail). ``pinned_url`` opens the revision that was read, however the document looks by now; empty where the source
    has no such place. ``changed_at`` is when the source says that the content was changed, else when it was taken in.
    ``tags`` are the document's, ``author`` made the revision; empty where nobody says.
    ``joined`` are these chunks in order, where they are several. ``also`` are hits of the same text in other places,
    ``before`` and ``after`` the chunks beside it, in order."""

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
    place: int = 0
    pinned_url: str = ""
    parent: Parent | None = None
    changed_at: float = 0.0
    tags: tuple[str, ...] = ()
    author: str = ""
    chunks: int = 1
    joined: tuple[ChunkId, ...] = ()
    also: tuple[Hit, ...] = ()
    before: tuple[Hit, ...] = ()
    after: tuple[Hit, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Who asks. ``principals`` None is the owner of the state folder, who reads everything."""

    principals: frozenset[str] | None = None
