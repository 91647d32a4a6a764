"""What was shown to somebody, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ingestor.model.ids import ChunkId, DocId


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A passage in the revision that it was shown in: a citation."""

    chunk_id: ChunkId
    document_id: DocId
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """``reader`` None is the owner of the state folder; ``question`` None is not kept."""

    answer_id: str
    at: float
    reader: frozenset[str] | None
    question: str | None
    passages: tuple[Shown, ...]


class Standing(StrEnum):
    """What became of a passage. Unavailable is one that is deleted or hidden, to a reader who is not to know which."""

    CURRENT = "current"
    CHANGED = "changed"
    DELETED = "deleted"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Traced:
    """A passage of an answer as it is now. ``revision`` is the document's present one, and the rest where it stands, or
    stood last; empty for one that is unavailable."""

    shown: Shown
    standing: Standing
    revision: int | None = None
    source: str = ""
    title: str = ""
    uri: str = ""
    url: str = ""
