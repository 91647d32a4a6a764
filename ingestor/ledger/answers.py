"""Answers that were kept, and what became of their passages (R7)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from ingestor.ledger.database import Database
from ingestor.ledger.filters import visible
from ingestor.ledger.packing import item_uri, shown_title
from ingestor.model import Answer, ChunkId, DocId, Filters, Reader, Shown, Standing, Traced

ANSWERS_S = 30 * 86_400.0
_BATCH = 500


class Answers:
    """``keep_s``: for how long."""

    def __init__(self, db: Database, *, keep_s: float) -> None:
        self._db = db
        self._keep = keep_s

    def record(self, answers: Sequence[Answer]) -> None:
        """One transaction, and no commit of the sequence: nothing about a document changes. An answer that is there
        already, and a passage of a document that is not, are passed over."""
        with self._db.write() as tx:
            for answer in answers:
                reader = None if answer.reader is None else json.dumps(sorted(answer.reader))
                made = tx.execute(
                    "INSERT OR IGNORE INTO answer (answer_id, at, reader, question) VALUES (?, ?, ?, ?)",
                    (answer.answer_id, answer.at, reader, answer.question),
                )
                if made.rowcount == 0:
                    continue
                tx.executemany(
                    "INSERT INTO answer_passage (answer, place, doc, chunk_id, revision)"
                    " SELECT ?, ?, id, ?, ? FROM document WHERE doc_id = ?",
                    [
                        (made.lastrowid, place, one.chunk_id, one.revision, one.document_id)
                        for place, one in enumerate(answer.passages)
                    ],
                )

    def find(self, answer_id: str, reader: Reader) -> tuple[Answer, Sequence[Traced]] | None:
        """The answer with its passages as they are now. It is shown to the owner, and to who reads at least as whom it
        was asked by; to anybody else there is none."""
        rows = self._db.read("SELECT id, at, reader, question FROM answer WHERE answer_id = ?", (answer_id,))
        if not rows:
            return None
        row, at, packed, question = rows[0]
        asked = None if packed is None else frozenset(json.loads(packed))
        if reader.principals is not None and not (asked and asked <= reader.principals):
            return None
        traced = self._traced(row, reader)
        passages = tuple(one.shown for one in traced)
        return Answer(answer_id=answer_id, at=at, reader=asked, question=question, passages=passages), traced

    def _traced(self, answer: int, reader: Reader) -> list[Traced]:
        shown, values = visible(reader, Filters())
        rows = self._db.read(
            f"""
            SELECT answer_passage.chunk_id, document.doc_id, answer_passage.revision,
                   binding.died IS NULL AND source.removed_at IS NULL AND {shown or "1"},
                   EXISTS (SELECT 1 FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
                           WHERE chunk.chunk_id = answer_passage.chunk_id),
                   layout.revision, source.name, binding.item_id, binding.name, binding.title, binding.url
            FROM answer_passage
            JOIN document ON document.id = answer_passage.doc
            JOIN source ON source.id = document.source
            LEFT JOIN binding ON binding.id = (SELECT max(id) FROM binding AS last WHERE last.doc = document.id)
            LEFT JOIN layout ON layout.doc = document.id AND layout.died IS NULL
            WHERE answer_passage.answer = :answer ORDER BY answer_passage.place
            """,
            {"answer": answer, **values},
        )
        return [_traced(row, told=reader.principals is None) for row in rows]

    def forget_expired(self, now: float | None = None) -> int:
        """Delete the answers that are older than they are kept; how many."""
        horizon, removed = (now if now is not None else time.time()) - self._keep, 0
        while True:
            with self._db.write() as tx:
                gone = tx.execute(
                    "DELETE FROM answer WHERE id IN (SELECT id FROM answer WHERE at < ? LIMIT ?)", (horizon, _BATCH)
                ).rowcount
            removed += gone
            if gone < _BATCH:
                return removed


def _traced(row: tuple[Any, ...], *, told: bool) -> Traced:
    """``told``: the owner, who may know that something is deleted, and what it was called."""
    key, doc_id, revision, there, stands, present, source, item_id, name, title, url = row
    shown = Shown(chunk_id=ChunkId(key), document_id=DocId(doc_id), revision=revision)
    if not there and not told:
        return Traced(shown=shown, standing=Standing.UNAVAILABLE)
    standing = Standing.DELETED if not there else Standing.CURRENT if stands else Standing.CHANGED
    return Traced(
        shown=shown,
        standing=standing,
        revision=present if there else None,
        source=source,
        title=shown_title(title, name) if name is not None else "",
        uri=item_uri(source, item_id) if item_id is not None else "",
        url=url or "",
    )
