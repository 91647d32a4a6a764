"""What the ledger knows of items before a run, and the operations that a run writes into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from connectors.base import ItemId, ItemRef, Version
from ingestor.model.ids import Hash, Recipe
from ingestor.model.parsing import Passage

ATTACHED = "#attachment="
"""Stands between an item's id and what names an attachment of it. No id of a source holds a ``#``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownItem:
    """What the ledger holds of one live item: enough to decide without reading its content.

    ``doc`` is the document's row; ``version`` is that of the content last processed; ``recipe`` is
    what it was parsed with; ``doubtful`` asks for one more read (R9); ``failed`` marks quarantine
    (its ``content_hash`` and ``recipe`` say of what), ``ignored`` that a person wants to hear no more of it.
    ``retry_at`` is when the item, or an attachment of it, is due for another try. ``tags`` are the source's, tidy.
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
    ignored: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deceased:
    """A document whose item left within the retention time; it gets its DocId back on return (R11). ``size``
    is that of its last content, ``died_at`` when it was taken out."""

    doc: int
    item_id: ItemId
    content_hash: Hash | None
    size: int | None = None
    died_at: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PutRevision:
    """New content of one item. ``doc`` None makes a document; else a revision of that one, unless the
    content hash equals its current one (a recipe change: same revision, new layout). ``edited_at`` is
    when the change was made, as far as lag is concerned; None where that cannot be told. ``tags`` are those that the
    content names; the source's are of ``ref``."""

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
    tags: tuple[str, ...] = ()
    attachments: tuple[AttachmentOp, ...] = ()
    """All that it has now, each under the id of ``attachment_id``; what was attached before and is not among them
    leaves. Those that stayed as they were are a ``Touch``. ``doc`` None: the ledger knows which it was, if any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PutFailure:
    """Content that no parser could take: the old passages leave, the item waits in quarantine. Its attachments
    leave with them."""

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
    """Same content under a new version, or new metadata (name, url, grant, tags): nothing is parsed."""

    doc: int
    item_id: ItemId
    ref: ItemRef
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """The document now stands at ``ref``: same DocId, same content (edits follow as PutRevision). ``seen``: its
    content was read there without a doubt and is the same; else another version means that it is in doubt."""

    doc: int
    item_id: ItemId
    ref: ItemRef
    seen: bool = False


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
AttachmentOp: TypeAlias = "PutRevision | PutFailure | Touch"


def attachment_id(container: ItemId, name: str, occurrence: int) -> ItemId:
    """The id of an attachment: whose it is, its name, the how-manyeth of that name (from 1). No place in the
    order: one more attachment of another name renames nothing."""
    again = f";{occurrence}" if occurrence > 1 else ""
    return ItemId(f"{container}{ATTACHED}{quote(name, safe='')}{again}")


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
