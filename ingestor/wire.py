"""Requests and replies of the operations, as they cross the socket and as ``--json`` prints them.

One set of models serves the command line (in its own process), the socket and HTTP, so that the output
of a command is the same whether a service answered it or not. Shapes and names are those of CONTRACTS.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# -- requests --------------------------------------------------------------------------------------


class BackfillRequest(Wire):
    """``paths`` are absolute; each becomes a source of kind ``files`` where none is there already."""

    paths: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    dry_run: bool = False
    owner: str = ""


class SyncRequest(Wire):
    sources: tuple[str, ...] = ()


class Kept(Wire):
    """What of an answer is kept: all hits, or what a context of ``budget`` tokens (with ``ids``) holds of them."""

    budget: int | None = None
    ids: bool = False


class SearchRequest(Wire):
    """Of several sources, scopes, paths or kinds one is enough, of several tags a document has all. A path is a file or
    folder, as its source names it, absolute, an address, or the ``uri`` of a hit. ``since``, ``until``: when its
    content changed, ``as_of``: as known then, in seconds since the epoch. ``context``: so many passages around each hit
    come with it. ``kept`` None: nothing is."""

    query: str
    top: int = 10
    mode: Literal["hybrid", "dense", "keyword"] = "hybrid"
    sources: tuple[str, ...] = ()
    principals: tuple[str, ...] | None = None
    merge: bool = False
    passage: int | None = None
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    scopes: tuple[str, ...] = ()
    context: int = 0
    as_of: float | None = None
    kept: Kept | None = None


class VerifyRequest(Wire):
    repair: bool = False
    details: bool = False


class RebuildRequest(Wire):
    pass


class SourceAddRequest(Wire):
    """``scope`` None leaves that of a source as it is; '' is none."""

    path: str
    name: str | None = None
    owner: str = ""
    scope: str | None = None


class SourceRemoveRequest(Wire):
    name: str
    purge: bool = False


class QuarantineRequest(Wire):
    """``documents`` by their ids, all of ``sources``, or ``everything``; ignored ones only by their ids."""

    documents: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    everything: bool = False


class PlanRequest(Wire):
    source: str


class ApproveRequest(Wire):
    source: str
    plan_id: str


# -- replies ---------------------------------------------------------------------------------------


class DocumentCounts(Wire):
    added: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0


class ChunkCounts(Wire):
    added: int = 0
    removed: int = 0
    kept: int = 0


class RunReply(Wire):
    source: str
    trigger: str
    outcome: str
    documents: DocumentCounts
    chunks: ChunkCounts
    embedded: int
    index_writes: int
    bytes_read: int
    duration_s: float
    reused: int = 0
    message: str = ""
    plan_id: str | None = None
    run_id: str = ""
    started_at: float = 0.0


class RunsReply(Wire):
    runs: tuple[RunReply, ...]
    index_note: str = ""


class Neighbour(Wire):
    """A passage that stands beside a hit."""

    chunk_id: str
    section: tuple[str, ...]
    page: int | None
    lines: tuple[int, int] | None
    span: tuple[int, int]
    text: str


class Place(Wire):
    """Where a text stands."""

    chunk_id: str
    document_id: str
    source: str
    title: str
    uri: str
    url: str
    section: tuple[str, ...]
    page: int | None
    lines: tuple[int, int] | None


class SearchHit(Place):
    """``changed_at``: when the content was last changed, by the source's clock where it says; ``author``: by whom,
    empty where it does not say. ``tags``: the document's. ``also``: where the same text stands, too."""

    span: tuple[int, int]
    score: float
    text: str
    revision: int
    ingested_at: float
    parent: str = ""  # the uri of what it is attached to
    parent_title: str = ""
    pinned_url: str = ""  # opens the revision that was read
    kind: str = ""
    changed_at: float = 0.0
    author: str = ""
    tags: tuple[str, ...] = ()
    also: tuple[Place, ...] = ()
    before: tuple[Neighbour, ...] = ()
    after: tuple[Neighbour, ...] = ()


class SearchReply(Wire):
    query: str
    took_ms: float
    hits: tuple[SearchHit, ...]
    note: str = ""
    answer_id: str = ""  # what it is kept under


class Pending(Wire):
    embed: int = 0
    index: int = 0


class Lag(Wire):
    p50: float | None = None
    p95: float | None = None


class SourceStatus(Wire):
    name: str
    kind: str
    state: str
    documents: int
    chunks: int
    pending: Pending
    quarantined: int
    last_run: RunReply | None
    next_run: float | None
    lag_s: Lag
    note: str = ""
    origin: str = ""
    place: str = ""
    held: int = 0
    scope: str = ""


class JobStatus(Wire):
    """A job of maintenance. ``outcome`` of the last time: ok, differs (``verify`` found something), failed, suspended;
    empty where it was not done yet. ``next_run``: None where no service plans it."""

    job: str
    outcome: str = ""
    message: str = ""
    done_at: float | None = None
    next_run: float | None = None


class StatusReply(Wire):
    """``model`` is what search goes by, ``switch`` the model that is being switched to, ``parsers`` why the kernel does
    not keep parsers from the network, where that is so. ``maintenance`` has the jobs that a service ever planned."""

    sources: tuple[SourceStatus, ...]
    service: str = ""
    generation: str = ""
    model: str = ""
    switch: str = ""
    parsers: str = ""
    maintenance: tuple[JobStatus, ...] = ()


class VerifyReply(Wire):
    ok: bool
    checked: int
    lost: int
    orphan: int
    duplicate: int
    stale: int
    repaired: int = 0
    details: tuple[str, ...] = ()


class RebuildReply(Wire):
    """``outcome`` is ``ok`` or ``suspended``; ``rows`` are those of the new index."""

    outcome: Literal["ok", "suspended"]
    rows: int
    duration_s: float
    generation: str = ""


class SourceReply(Wire):
    name: str
    kind: str
    place: str
    origin: str
    created: bool = False
    scope: str = ""


class SourcesReply(Wire):
    sources: tuple[SourceReply, ...]


class QuarantineItem(Wire):
    """``message`` says what is wrong, ``hint`` what to do. ``next_try``: None until content or parser change. ``uri``
    names the item, ``url`` opens it."""

    document_id: str
    source: str
    uri: str
    reason: str
    hint: str
    attempts: int
    next_try: float | None
    message: str = ""
    since: float = 0.0
    ignored: bool = False
    url: str = ""


class QuarantineReply(Wire):
    """``ignored`` counts those that a person wants to be left alone, listed or not."""

    items: tuple[QuarantineItem, ...]
    ignored: int = 0


class PlanReply(Wire):
    """``plan_id`` is empty when nothing is held."""

    source: str
    plan_id: str = ""
    reason: str = ""
    items: tuple[str, ...] = ()
    created_at: float = 0.0


class Progress(Wire):
    """How far long work is: running totals of one run, and what waits (``to_embed``, ``to_index``).
    ``expected`` is 0 while unknown. Work that is not about documents counts ``done`` of ``total``."""

    source: str = ""
    stage: str = ""
    expected: int = 0
    documents: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks: int = 0
    to_embed: int = 0
    to_index: int = 0
    bytes_read: int = 0
    current: str = ""
    done: int = 0
    total: int = 0


class ErrorReply(Wire):
    """A failure as the other side shows it: the sentence, the hint and the exit code."""

    message: str
    hint: str = ""
    exit_code: int = 4
