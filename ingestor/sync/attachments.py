"""The attachments of an item that was parsed: each becomes a document of its own, parsed only where it has to be.

No listing names them, so nothing is compared, proven or matched: what a revision has is all there is, and goes into
the ledger with it (R1). They come from the parser of their item, as its text does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from connectors.base import ItemId, ItemRef, Version
from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import (
    Attachment,
    AttachmentOp,
    Document,
    Hash,
    KnownItem,
    ParseRequest,
    Passage,
    PutRevision,
    Recipe,
    Touch,
    attachment_id,
    blake,
)
from ingestor.ports import Parser, SyncLedger
from ingestor.sync.diff import is_due
from ingestor.sync.failures import is_ignored, put_failure

DEPTH = 3
"""Messages in messages: a mail, what is attached to it, what is attached to that. Deeper ones are set aside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What becomes of the attachments of one document; ``rows`` that this writes, and how many could not be read."""

    ops: tuple[AttachmentOp, ...] = ()
    rows: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The document that they hang on: where it is, its row if it has one, when it was seen and edited."""

    ref: ItemRef
    doc: int | None
    seen_at: float
    edited_at: float | None
    level: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hanging:
    """An attachment under way. Neither a promise nor a refusal: it is what it was."""

    ref: ItemRef
    known: KnownItem | None
    digest: Hash
    recipe: Recipe
    future: Future[Document] | None = None
    refusal: ParseFailure | None = None


class AttachmentStage:
    """``cut`` and ``recipe_of`` are those of the items themselves."""

    def __init__(
        self,
        *,
        ledger: SyncLedger,
        parser: Parser,
        cut: Callable[[Document], tuple[Passage, ...]],
        recipe_of: Callable[[ItemRef], Recipe],
    ) -> None:
        self._ledger = ledger
        self._parser = parser
        self._cut = cut
        self._recipe_of = recipe_of

    def take(
        self, holder: Holder, attachments: Sequence[Attachment], wait: Callable[[Future[Document]], Document]
    ) -> Taken:
        """Parse all of them side by side. ``wait`` gives what a parser promised, and raises what ends a run."""
        if not attachments:
            return Taken()
        before = {item.item_id: item for item in self._ledger.attached(holder.doc)} if holder.doc is not None else {}
        seen: Counter[str] = Counter()
        hanging: list[_Hanging] = []
        taken = Taken()
        try:
            for attachment in attachments:
                seen[attachment.name] += 1
                hanging.append(self._begin(holder, attachment, seen[attachment.name], before))
            for one in hanging:
                taken = self._finish(holder, one, taken, wait)
        finally:
            for one in hanging:
                if one.future is not None:
                    one.future.cancel()
        return taken

    def _begin(
        self, holder: Holder, attachment: Attachment, occurrence: int, before: Mapping[ItemId, KnownItem]
    ) -> _Hanging:
        content = attachment.content
        digest = blake(content if content is not None else b"", *([] if content is not None else [b"left out"]))
        ref = ItemRef(
            item_id=attachment_id(holder.ref.item_id, attachment.name, occurrence),
            name=attachment.name,
            version=Version(digest.hex()),
            size=len(content) if content is not None else None,
            modified_at=holder.ref.modified_at,
            url=holder.ref.url,
            media_type=attachment.media_type,
            parent=holder.ref.item_id,
            grant=holder.ref.grant,
        )
        known, recipe = before.get(ref.item_id), self._recipe_of(ref)
        same = known is not None and (known.content_hash, known.recipe) == (digest, recipe)
        if known is not None and same and not is_due(known, time.time()):
            return _Hanging(ref=ref, known=known, digest=digest, recipe=recipe)
        if content is None or holder.level > DEPTH:
            refusal = _left_out() if content is None else _too_deep()
            return _Hanging(ref=ref, known=known, digest=digest, recipe=recipe, refusal=refusal)
        request = ParseRequest(name=ref.name, content=content, media_type=ref.media_type)
        return _Hanging(ref=ref, known=known, digest=digest, recipe=recipe, future=self._parser.submit(request))

    def _finish(
        self, holder: Holder, one: _Hanging, taken: Taken, wait: Callable[[Future[Document]], Document]
    ) -> Taken:
        doc = one.known.doc if one.known is not None else None
        if one.known is not None and one.future is None and one.refusal is None:
            kept = Touch(doc=one.known.doc, item_id=one.ref.item_id, ref=one.ref)
            return _more(taken, kept, rows=1)
        try:
            if one.future is None:
                raise one.refusal or _left_out()
            document = wait(one.future)
            passages = self._cut(document)
        except ParseFailure as failure:
            op = put_failure(
                failure,
                ref=one.ref,
                doc=doc,
                known=one.known,
                content_hash=one.digest,
                recipe=one.recipe,
                seen_at=holder.seen_at,
            )
            return _more(taken, op, rows=1, failed=int(not is_ignored(one.known, one.digest)))
        inner = Holder(ref=one.ref, doc=doc, seen_at=holder.seen_at, edited_at=holder.edited_at, level=holder.level + 1)
        below = self.take(inner, document.attachments, wait)
        revision = PutRevision(
            ref=one.ref,
            doc=doc,
            content_hash=one.digest,
            recipe=one.recipe,
            title=document.title,
            kind=document.kind,
            passages=passages,
            has_lines=document.has_lines,
            seen_at=holder.seen_at,
            edited_at=holder.edited_at,
            tags=document.tags,
            attachments=below.ops,
        )
        return _more(taken, revision, rows=len(passages) + 1 + below.rows, failed=below.failed)


def _more(taken: Taken, op: AttachmentOp, *, rows: int, failed: int = 0) -> Taken:
    return Taken(ops=(*taken.ops, op), rows=taken.rows + rows, failed=taken.failed + failed)


def _left_out() -> ParseFailure:
    return ParseFailure(
        ParseReason.TOO_LARGE,
        "The message holds more, or larger, attachments than are taken out of one, or only a link to this one.",
        hint="Save it from the message as a file of its own.",
    )


def _too_deep() -> ParseFailure:
    return ParseFailure(
        ParseReason.EXPANSION,
        f"The attachment stands in a message that is itself attached {DEPTH - 1} messages deep.",
        hint="Save it from the message as a file of its own.",
    )
