"""Replies of what only reads: context, trace, history, why, cuts, formats. The rest is in ``ingestor.wire``."""

from __future__ import annotations

from typing import Literal

from ingestor.wire import Neighbour, Place, Wire


class DocumentReply(Wire):
    """The passages of a document in their order, from the one at place ``first`` on; ``total`` is how many it has."""

    document_id: str
    source: str
    title: str
    uri: str
    url: str
    kind: str
    revision: int
    changed_at: float
    ingested_at: float
    first: int
    total: int
    passages: tuple[Neighbour, ...]
    author: str = ""
    tags: tuple[str, ...] = ()


class Shelved(Wire):
    """A document as a list shows it: ``path`` is its item, ``chunks`` how many passages it has."""

    document_id: str
    path: str
    title: str
    url: str
    kind: str
    revision: int
    chunks: int
    changed_at: float


class ShelfReply(Wire):
    """Documents of a source in the order of their paths; ``more``: whether others follow."""

    source: str
    documents: tuple[Shelved, ...]
    more: bool


class Slot(Wire):
    """A part of the time: how many documents were changed, and the lags of the edits that became searchable then."""

    changed: float = 0.0
    edits: int = 0
    p50: float | None = None
    p95: float | None = None


class ActivityReply(Wire):
    """``slots`` of ``step_s`` seconds, from ``since`` on."""

    since: float
    step_s: float
    slots: tuple[Slot, ...]


class Freshness(Wire):
    """``checked_at``: when the source was last looked at as a whole, or as far as it could be; ``complete``: whether
    nothing was left out then."""

    name: str
    kind: str
    checked_at: float | None
    complete: bool
    scope: str = ""


class FreshnessReply(Wire):
    sources: tuple[Freshness, ...]


class Citation(Place):
    """What a number in a context stands for."""

    number: int
    span: tuple[int, int]
    revision: int
    changed_at: float


class ContextReply(Wire):
    """``text`` is for a language model; ``tokens`` is how many it is about, on the high side. ``left_out`` counts hits
    that did not fit or said nothing more."""

    query: str
    text: str
    tokens: int
    budget: int
    citations: tuple[Citation, ...]
    left_out: int = 0
    note: str = ""
    answer_id: str = ""


class TraceReply(Wire):
    """A chunk as it was last cited: its revision is 0, and run, recipe and author are empty, where that is past
    retention. ``tags`` are those that its document has now."""

    chunk_id: str
    current: bool
    document_id: str
    uri: str
    url: str
    revision: int
    superseded_at: float | None
    run: str
    recipe: str
    model: str
    text: str
    source: str
    title: str
    section: tuple[str, ...]
    page: int | None
    lines: tuple[int, int] | None
    ingested_at: float
    pinned_url: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()


class AnswerPassage(Wire):
    """A passage that was shown in ``revision``. ``now`` is the document's present revision; there is none where the
    passage is deleted or unavailable."""

    chunk_id: str
    document_id: str
    revision: int
    standing: Literal["current", "changed", "deleted", "unavailable"]
    now: int | None
    source: str
    title: str
    uri: str
    url: str


class AnswerReply(Wire):
    """``current``: whether every passage stands as it was shown. ``asked_as`` and ``question`` are for the owner of the
    state folder; else empty, and so is a question that was not kept."""

    answer_id: str
    at: float
    current: bool
    passages: tuple[AnswerPassage, ...]
    asked_as: str = ""
    question: str = ""


class HistoryEvent(Wire):
    """One thing that happened to a document. ``added`` and ``removed`` are passages; ``known`` is false where what
    changed is past retention, or is not for this reader."""

    kind: Literal["revision", "cut", "moved", "deleted", "returned"]
    at: float
    revision: int | None = None
    run: str | None = None
    edited_at: float | None = None
    known: bool = True
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: int = 0
    uri: str = ""
    was: str = ""
    author: str = ""


class HistoryReply(Wire):
    """``events``: oldest first. ``tags`` are those that the document has now."""

    document_id: str
    source: str
    title: str
    uri: str
    url: str
    current: bool
    events: tuple[HistoryEvent, ...]
    tags: tuple[str, ...] = ()


class WhyReply(Wire):
    """Why a file is found or not. ``verdict`` is one sentence; the rest is what is known."""

    path: str
    verdict: str
    source: str | None = None
    included: bool | None = None
    rule: str | None = None
    document_id: str | None = None
    revision: int | None = None
    chunks: int | None = None
    state: str | None = None
    quarantine: str | None = None
    hint: str = ""
    pending_embed: int = 0
    pending_index: int = 0
    committed_at: float | None = None
    searchable_at: float | None = None
    lag_s: float | None = None
    stale: bool = False


class PassageReply(Wire):
    """A line of ``chunk --json``. Offsets are half open, in characters of the canonical text; ``tokens`` is the
    cutter's measure of length."""

    start: int
    end: int
    text: str
    tokens: int
    section: tuple[str, ...]
    reason: str


class FormatReply(Wire):
    """``missing`` names what has to be installed, or says why the format is not taken; ``partly`` what is missing for
    a part of such files."""

    format: str
    extensions: tuple[str, ...]
    works: bool
    missing: str = ""
    partly: str = ""


class FormatsReply(Wire):
    formats: tuple[FormatReply, ...]


class CostMonth(Wire):
    """What one source took in one month (of UTC, ``2026-11``): ``documents`` were added, updated, moved or deleted,
    ``embedded`` and ``reused`` count units, ``cpu_s`` is processor time."""

    month: str
    source: str
    documents: int
    embedded: int
    reused: int
    cpu_s: float


class CostReply(Wire):
    """The latest month first."""

    months: tuple[CostMonth, ...]


class StateFacts(Wire):
    """About the files of a state folder: schemas by file (0: it cannot be told), rows by table where the ledger can be
    read, bytes by entry of the folder, free bytes on its disk."""

    schemas: dict[str, int]
    rows: dict[str, int]
    sizes: dict[str, int]
    free: int
