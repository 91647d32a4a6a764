"""The rows of what documents are tagged with, with validity. A tag is content: it is shown with its document, to those
who may see that, and by nothing else (R7)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

from ingestor.ledger.database import Transaction
from ingestor.model.tags import fold, tidy


class TagRows:
    """What one transaction does to the tags of documents. ``ingestor.ledger.sync`` builds its operations on it."""

    _tx: Transaction

    def _tag(self, doc: int, origin: Literal["source", "content"], tags: Iterable[str]) -> None:
        """Make these be all that the document is tagged with from there. No index is told (R10)."""
        wanted = {fold(tag): tag for tag in tidy(tags)}
        live = self._tx.execute(
            "SELECT id, folded, tag FROM document_tag WHERE doc = ? AND origin = ? AND died IS NULL", (doc, origin)
        ).fetchall()
        for row, folded, tag in live:
            if wanted.get(folded) == tag:
                del wanted[folded]
            else:
                self._tx.execute("UPDATE document_tag SET died = ? WHERE id = ?", (self._tx.seq, row))
        for folded, tag in wanted.items():
            self._tx.execute(
                "INSERT INTO document_tag (doc, origin, tag, folded, born) VALUES (?, ?, ?, ?, ?)",
                (doc, origin, tag, folded, self._tx.seq),
            )

    def _untag(self, doc: int) -> None:
        self._tx.execute("UPDATE document_tag SET died = ? WHERE doc = ? AND died IS NULL", (self._tx.seq, doc))


def tags_of(document: str, condition: str) -> str:
    """A column of SQL for ``unpack_tags``: what the document of that row is tagged with. ``condition`` says which rows
    of ``document_tag`` count."""
    return (
        "(SELECT json_group_object(document_tag.folded, document_tag.tag) FROM document_tag"
        f" WHERE document_tag.doc = {document} AND {condition})"
    )


def unpack_tags(packed: str) -> tuple[str, ...]:
    """As ``tidy`` gives them."""
    # Most documents have none, and a run asks this of each of them.
    tags = json.loads(packed) if packed != "{}" else {}
    return tuple(tags[folded] for folded in sorted(tags))
