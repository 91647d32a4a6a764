"""The rows of one document's passages inside a transaction: chunks, cuts, units, layout, keyword rows, and
what every generation of the index should hold of them (R1, R2).

Only what differs is touched, so that an edit costs rows in proportion to the edit (R10).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.errors import LedgerError
from ingestor.ledger.database import Transaction
from ingestor.ledger.packing import (
    DocumentFacts,
    Spot,
    metadata,
    pack_context,
    pack_layout,
    pack_section,
    pack_units,
    wanted,
)
from ingestor.model import Applied, ChunkId, DocId, Hash, ModelId, Passage, Recipe, UnitId, blake, chunk_id, unit_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveCut:
    """A live chunk of a document: its rows, what its row in an index depends on, and beside its text what it is found
    by: ``context``, a line each."""

    chunk: int
    cut: int
    units: bytes
    section: str
    page: int | None
    context: str


class PassageRows:
    """What one transaction does to the passages of documents. ``ingestor.ledger.sync`` builds its operations on it."""

    def __init__(self, tx: Transaction, source: str) -> None:
        self._tx = tx
        self._source = source
        self._generations: list[tuple[int, ModelId]] = tx.execute(
            "SELECT id, model FROM generation WHERE state != 'condemned'"
        ).fetchall()

    # -- chunks ----------------------------------------------------------------------------------

    def _recut(
        self,
        doc: int,
        doc_id: DocId,
        number: int,
        recipe: Recipe,
        kind: str,
        passages: Sequence[Passage],
        *,
        rebound: bool,
    ) -> Applied:
        """Make the live chunks and the layout be these passages, touching only what differs (R1, R10).
        ``rebound``: the document's own metadata changed, so every row's wanted state may have."""
        tx, live = self._tx, self._live_cuts(doc)
        units, units_new = self._units(passages)
        old_kind = tx.execute("SELECT kind FROM layout WHERE doc = ? AND died IS NULL", (doc,)).fetchone()
        spots: list[Spot] = []
        fresh: list[LiveCut] = []
        altered: list[LiveCut] = []
        kept: set[ChunkId] = set()
        seen: Counter[Hash] = Counter()
        for passage in passages:
            digest = blake(passage.text.encode("utf-8", "surrogatepass"))
            key = chunk_id(doc_id, digest, seen[digest])
            seen[digest] += 1
            own = [(units[unit.text], unit.weight) for unit in passage.units]
            packed = pack_units(own, [units[text] for text in passage.context])
            section, context = pack_section(passage.section), pack_context(passage.called, passage.context)
            before = live.get(key)
            if before is None:
                row = self._chunk(doc, key, digest, passage.text)
                fresh.append(self._cut(row, packed, section, passage.page, context))
                self._find_by(row, passage.text, context)
            else:
                row = before.chunk
                kept.add(key)
                place = (packed, section, passage.page, context)
                if (before.units, before.section, before.page, before.context) != place:
                    tx.execute("UPDATE cut SET died = ? WHERE id = ?", (tx.seq, before.cut))
                    live[key] = self._cut(row, packed, section, passage.page, context)
                    altered.append(live[key])
                    if context != before.context:
                        self._find_no_more(before)
                        self._find_by(row, passage.text, context)
            spots.append(
                Spot(chunk=row, start=passage.start, end=passage.end, lines=passage.lines, anchor=passage.anchor)
            )
        gone = {key: cut for key, cut in live.items() if key not in kept}
        self._end_cuts(gone)
        self._layout(doc, number, recipe, kind, pack_layout(spots))
        facts = self._facts(doc)
        self._want(facts, fresh, new=True)
        everything = rebound or old_kind != (kind,)
        self._want(facts, [live[key] for key in kept] if everything else altered, new=False)
        return Applied(chunks_added=len(fresh), chunks_removed=len(gone), chunks_kept=len(kept), units_new=units_new)

    def _live_cuts(self, doc: int) -> dict[ChunkId, LiveCut]:
        rows = self._tx.execute(
            "SELECT chunk.chunk_id, chunk.id, cut.id, cut.units, cut.section, cut.page, cut.context FROM chunk"
            " JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL WHERE chunk.doc = ?",
            (doc,),
        )
        return {
            ChunkId(key): LiveCut(chunk=chunk, cut=cut, units=units, section=section, page=page, context=context)
            for key, chunk, cut, units, section, page, context in rows
        }

    def _chunk(self, doc: int, key: ChunkId, digest: Hash, text: str) -> int:
        """The row of this chunk; one that lived before within retention is the same row again."""
        found = self._tx.execute("SELECT id FROM chunk WHERE chunk_id = ?", (key,)).fetchone()
        if found is not None:
            return int(found[0])
        made = self._tx.execute(
            "INSERT INTO chunk (chunk_id, doc, text_hash, text) VALUES (?, ?, ?, ?)", (key, doc, digest, text)
        )
        return inserted(made)

    def _cut(self, chunk: int, units: bytes, section: str, page: int | None, context: str) -> LiveCut:
        made = self._tx.execute(
            "INSERT INTO cut (chunk, units, section, page, context, born) VALUES (?, ?, ?, ?, ?, ?)",
            (chunk, units, section, page, context, self._tx.seq),
        )
        return LiveCut(chunk=chunk, cut=inserted(made), units=units, section=section, page=page, context=context)

    def _find_by(self, chunk: int, text: str, context: str) -> None:
        self._tx.execute("INSERT INTO keyword (rowid, text, context) VALUES (?, ?, ?)", (chunk, text, context))

    def _find_no_more(self, cut: LiveCut) -> None:
        """By the explicit delete with the old text."""
        self._tx.execute(
            "INSERT INTO keyword (keyword, rowid, text, context) SELECT 'delete', id, text, ? FROM chunk WHERE id = ?",
            (cut.context, cut.chunk),
        )

    def _end_cuts(self, cuts: dict[ChunkId, LiveCut], *, urgent: bool = False) -> None:
        """These chunks leave: keyword rows, tombstones (R2)."""
        tx = self._tx
        for cut in cuts.values():
            self._find_no_more(cut)
            tx.execute("UPDATE cut SET died = ? WHERE id = ?", (tx.seq, cut.cut))
            tx.execute(
                "UPDATE index_state SET alive = 0, wanted = NULL, ready = 0, urgent = ? WHERE chunk = ?",
                (int(urgent), cut.chunk),
            )

    def _units(self, passages: Sequence[Passage]) -> tuple[dict[str, UnitId], int]:
        """Ids of the units by their text; how many of them were never seen before."""
        tx, ids, added = self._tx, dict[str, UnitId](), 0
        texts = dict.fromkeys(unit.text for passage in passages for unit in passage.units)
        for text in texts | dict.fromkeys(text for passage in passages for text in passage.context):
            digest = unit_hash(text)
            found = tx.execute("SELECT id FROM unit WHERE hash = ?", (digest,)).fetchone()
            if found is None:
                ids[text] = UnitId(inserted(tx.execute("INSERT INTO unit (hash, text) VALUES (?, ?)", (digest, text))))
                added += 1
            else:
                ids[text] = UnitId(found[0])
        return ids, added

    def _layout(self, doc: int, number: int, recipe: Recipe, kind: str, packed: bytes) -> None:
        row = (number, recipe, kind, packed)
        live = self._tx.execute(
            "SELECT revision, recipe, kind, packed FROM layout WHERE doc = ? AND died IS NULL", (doc,)
        ).fetchone()
        if live == row:
            return
        self._tx.execute("UPDATE layout SET died = ? WHERE doc = ? AND died IS NULL", (self._tx.seq, doc))
        self._tx.execute(
            "INSERT INTO layout (doc, revision, recipe, kind, packed, born) VALUES (?, ?, ?, ?, ?, ?)",
            (doc, *row, self._tx.seq),
        )

    # -- wanted states (R2) ------------------------------------------------------------------------

    def _rewant(self, doc: int) -> None:
        self._want(self._facts(doc), list(self._live_cuts(doc).values()), new=False)

    def _want(self, facts: DocumentFacts | None, cuts: Sequence[LiveCut], *, new: bool) -> None:
        """Say in every generation what these chunks should be there. A vector that may lack units is
        not ready; a row that is as wanted already stays as it is."""
        if facts is None:
            return
        tx = self._tx
        for cut in cuts:
            row_metadata = metadata(facts, cut.section, cut.page)
            for generation, model in self._generations:
                digest = wanted(model, cut.units, row_metadata)
                if new:
                    # What a tombstone's write was is unknown until it is acknowledged (R3): write again.
                    tx.execute(
                        "INSERT INTO index_state (generation, chunk, wanted, alive) VALUES (?, ?, ?, 1)"
                        " ON CONFLICT (generation, chunk) DO UPDATE SET wanted = excluded.wanted, written = NULL,"
                        " alive = 1, ready = 0, urgent = 0",
                        (generation, cut.chunk, digest),
                    )
                else:
                    tx.execute(
                        "UPDATE index_state SET wanted = ?, ready = 0"
                        " WHERE generation = ? AND chunk = ? AND wanted IS NOT ?",
                        (digest, generation, cut.chunk, digest),
                    )

    def _facts(self, doc: int) -> DocumentFacts | None:
        found = self._tx.execute(
            """
            SELECT document.doc_id, binding.item_id, binding.name, binding.title, binding.url, binding.acl, layout.kind
            FROM document
            JOIN binding ON binding.doc = document.id AND binding.died IS NULL
            JOIN layout ON layout.doc = document.id AND layout.died IS NULL
            WHERE document.id = ?
            """,
            (doc,),
        ).fetchone()
        if found is None:
            return None
        doc_id, item_id, name, title, url, acl, kind = found
        return DocumentFacts(
            doc_id=DocId(doc_id),
            source=self._source,
            item_id=item_id,
            name=name,
            title=title,
            url=url,
            acl=acl,
            kind=kind,
        )


def inserted(cursor: sqlite3.Cursor) -> int:
    """The row id of what was just inserted."""
    if cursor.lastrowid is None:
        raise LedgerError("The ledger did not give a row id for an insert.")
    return cursor.lastrowid
