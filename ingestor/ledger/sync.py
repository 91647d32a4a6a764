"""What the sync engine writes: items, documents, revisions, chunks, layouts, grants (R1).

``apply`` carries out a list of operations in one transaction. With each revision change the keyword rows
and the wanted state of every generation, so that no reader of the ledger ever sees them disagree.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Scope
from ingestor.errors import LedgerError
from ingestor.ledger.database import Database, Transaction
from ingestor.ledger.packing import (
    DocumentFacts,
    Spot,
    metadata,
    pack_layout,
    pack_section,
    pack_units,
    wanted,
)
from ingestor.ledger.sources import Sources
from ingestor.model import (
    Applied,
    ChunkId,
    Deceased,
    DocId,
    Hash,
    KnownItem,
    ModelId,
    Move,
    Op,
    Passage,
    Plan,
    PutFailure,
    PutRevision,
    Rebind,
    Recipe,
    Regrant,
    Remove,
    RunId,
    SourceMemory,
    Touch,
    Unit,
    UnitId,
    blake,
    chunk_id,
)

_KNOWN = """
SELECT item.item_id, item.doc, item.version, item.recipe, item.content_hash, item.size, item.file_key,
       item.move_key, item.doubtful, binding.name, binding.url, binding.parent, acl.place,
       quarantine.doc IS NOT NULL, quarantine.retry_at, quarantine.attempts
FROM item
JOIN binding ON binding.doc = item.doc AND binding.died IS NULL
JOIN acl ON acl.id = binding.acl
LEFT JOIN quarantine ON quarantine.doc = item.doc
WHERE item.source = :source
"""


class SyncWrites:
    """Implements ``ports.SyncLedger``."""

    def __init__(self, db: Database, sources: Sources, *, retention_s: float) -> None:
        self._db = db
        self._sources = sources
        self._retention = retention_s

    # -- what is known -------------------------------------------------------------------------

    def known(self, source: str, scope: Scope) -> dict[ItemId, KnownItem]:
        where, parameters = "", {"source": self._sources.row_id(source), "scope": scope, "below": "", "above": ""}
        if scope != WHOLE:
            # ItemIds are ASCII, so [scope/, scope0) is exactly what stands beneath ('0' follows '/').
            parameters |= {"below": f"{scope}/", "above": f"{scope}0"}
            # The outer range is for the primary key, which an OR alone would make walk the whole source.
            where = (
                " AND item.item_id >= :scope AND item.item_id < :above"
                " AND (item.item_id = :scope OR item.item_id >= :below)"
            )
        rows = self._db.read(_KNOWN + where, parameters)
        return {ItemId(row[0]): _known(row) for row in rows}

    def deceased(self, source: str) -> Sequence[Deceased]:
        rows = self._db.read(
            """
            SELECT document.id, binding.item_id,
                   (SELECT content_hash FROM revision WHERE doc = document.id ORDER BY number DESC LIMIT 1)
            FROM binding
            JOIN document ON document.id = binding.doc
            JOIN commits ON commits.seq = binding.died
            WHERE document.source = :source AND commits.at >= :since
              AND NOT EXISTS (SELECT 1 FROM binding AS later WHERE later.doc = binding.doc
                              AND (later.died IS NULL OR later.died > binding.died))
            ORDER BY binding.died DESC
            """,
            {"source": self._sources.row_id(source), "since": time.time() - self._retention},
        )
        return [Deceased(doc=doc, item_id=ItemId(item), content_hash=digest) for doc, item, digest in rows]

    # -- what earlier runs left: the registry's ---------------------------------------------------

    def memory(self, source: str) -> SourceMemory:
        return self._sources.memory(source)

    def save_bookmark(self, source: str, *, cursor: str | None, identity: str | None, proven_at: float | None) -> None:
        self._sources.save_bookmark(source, cursor=cursor, identity=identity, proven_at=proven_at)

    def hold(self, source: str, reason: str, items: Sequence[ItemId]) -> Plan | None:
        return self._sources.hold(source, reason, items)

    def restart_peak(self, source: str) -> None:
        self._sources.restart_peak(source)

    # -- writing -------------------------------------------------------------------------------

    def apply(self, source: str, run: RunId, ops: Sequence[Op]) -> Applied:
        if not ops:
            return Applied()
        total = Applied()
        with self._db.write() as tx:
            # Asked within: a source that was removed meanwhile takes in nothing more.
            writer = _Writer(tx, source, self._sources.row_id(source), run)
            for op in ops:
                match op:
                    case PutRevision():
                        total += writer.put_revision(op)
                    case PutFailure():
                        total += writer.put_failure(op)
                    case Touch():
                        writer.touch(op)
                    case Move():
                        writer.move(op)
                    case Remove():
                        total += writer.remove(op.doc, op.item_id)
                    case Regrant():
                        writer.regrant(op.place, op.principals)
                    case Rebind():
                        writer.rebind(op)
                    case _:
                        assert_never(op)
        return total

    def forget_removed(self) -> int:
        """Take out every document of removed sources, which no search shows any more; how many there were."""
        total = 0
        removed = self._db.read("SELECT id, name FROM source WHERE removed_at IS NOT NULL ORDER BY id")
        for row, source in removed:
            # Short transactions: an edit elsewhere must not wait.
            while docs := self._db.read("SELECT doc, item_id FROM item WHERE source = ? LIMIT 200", (row,)):
                with self._db.write() as tx:
                    writer = _Writer(tx, source, row, RunId(""))
                    for doc, item in docs:
                        writer.remove(doc, ItemId(item), urgent=True)
                total += len(docs)
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class _LiveCut:
    """A live chunk of a document: its rows, and what its row in an index depends on."""

    chunk: int
    cut: int
    units: bytes
    section: str
    page: int | None


class _Writer:
    """The operations inside one transaction."""

    def __init__(self, tx: Transaction, source: str, source_row: int, run: RunId) -> None:
        self._tx = tx
        self._source = source
        self._row = source_row
        self._run = run
        self._generations: list[tuple[int, ModelId]] = tx.execute(
            "SELECT id, model FROM generation WHERE state != 'condemned'"
        ).fetchall()

    # -- operations ----------------------------------------------------------------------------

    def put_revision(self, op: PutRevision) -> Applied:
        doc, doc_id = self._document(op.doc)
        number = self._revision(doc, op.ref, op.content_hash, op.seen_at, op.edited_at)
        rebound = self._bind(doc, op.ref, op.title)
        applied = self._recut(doc, doc_id, number, op.recipe, op.kind, op.passages, rebound=rebound)
        self._item(doc, op.ref, op.recipe, op.content_hash, op.doubtful)
        self._tx.execute("DELETE FROM quarantine WHERE doc = ?", (doc,))
        self._note_searchable(doc)
        return applied

    def put_failure(self, op: PutFailure) -> Applied:
        """The old passages leave: they are not what the source holds any more."""
        doc, doc_id = self._document(op.doc)
        number = self._revision(doc, op.ref, op.content_hash, op.seen_at, None)
        self._bind(doc, op.ref, "")
        applied = self._recut(doc, doc_id, number, op.recipe, "", (), rebound=True)
        self._item(doc, op.ref, op.recipe, op.content_hash, op.doubtful)
        self._tx.execute(
            """
            INSERT INTO quarantine (doc, content_hash, recipe, reason, message, hint, attempts, retry_at, since)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (doc) DO UPDATE SET content_hash = excluded.content_hash, recipe = excluded.recipe,
                reason = excluded.reason, message = excluded.message, hint = excluded.hint,
                attempts = excluded.attempts, retry_at = excluded.retry_at
            """,
            (doc, op.content_hash, op.recipe, op.reason, op.message, op.hint, op.attempts, op.retry_at, self._tx.at),
        )
        return applied

    def touch(self, op: Touch) -> None:
        if self._bind(op.doc, op.ref, None):
            self._rewant(op.doc)
        self._tx.execute(
            "UPDATE item SET version = ?, size = ?, file_key = ?, move_key = ?, doubtful = ? WHERE doc = ?",
            (op.ref.version, op.ref.size, op.ref.file_key, op.ref.move_key, int(op.doubtful), op.doc),
        )

    def rebind(self, op: Rebind) -> None:
        if self._bind(op.doc, op.ref, None):
            self._rewant(op.doc)

    def move(self, op: Move) -> None:
        """R11: the same document at another place. Whoever stood there was removed or moved before."""
        changed = self._bind(op.doc, op.ref, None)
        # The row is re-made under its new id; what was parsed, and with what, stays.
        self._tx.execute(
            "UPDATE item SET item_id = ?, version = ?, size = ?, file_key = ?, move_key = ? WHERE doc = ?",
            (op.ref.item_id, op.ref.version, op.ref.size, op.ref.file_key, op.ref.move_key, op.doc),
        )
        if changed:
            self._rewant(op.doc)

    def remove(self, doc: int, item_id: ItemId, *, urgent: bool = False) -> Applied:
        tx = self._tx
        gone = tx.execute("DELETE FROM item WHERE source = ? AND item_id = ? AND doc = ?", (self._row, item_id, doc))
        if gone.rowcount == 0:
            return Applied()
        live = self._live_cuts(doc)
        self._end_cuts(live, urgent=urgent)
        tx.execute("UPDATE layout SET died = ? WHERE doc = ? AND died IS NULL", (tx.seq, doc))
        tx.execute("UPDATE binding SET died = ? WHERE doc = ? AND died IS NULL", (tx.seq, doc))
        tx.execute("DELETE FROM quarantine WHERE doc = ?", (doc,))
        return Applied(chunks_removed=len(live))

    def regrant(self, place: str, principals: frozenset[str]) -> int:
        """Make the place grant to exactly these; returns its row (R7: narrowings take effect here)."""
        tx = self._tx
        found = tx.execute("SELECT id FROM acl WHERE source = ? AND place = ?", (self._row, place)).fetchone()
        if found is None:
            acl = _inserted(tx.execute("INSERT INTO acl (source, place) VALUES (?, ?)", (self._row, place)))
        else:
            (acl,) = found
        before = {name: principal for principal, name in self._granted(acl)}
        for name in sorted(before.keys() - principals):
            self._withdraw(acl, before[name])
        for name in sorted(principals - before.keys()):
            tx.execute("INSERT OR IGNORE INTO principal (name) VALUES (?)", (name,))
            tx.execute(
                "INSERT INTO acl_principal (acl, principal, born) SELECT ?, id, ? FROM principal WHERE name = ?",
                (acl, tx.seq, name),
            )
        return acl

    # -- document, revision, binding, item -----------------------------------------------------------

    def _document(self, doc: int | None) -> tuple[int, DocId]:
        if doc is None:
            doc_id = DocId(secrets.token_hex(16))
            made = self._tx.execute("INSERT INTO document (doc_id, source) VALUES (?, ?)", (doc_id, self._row))
            return _inserted(made), doc_id
        found = self._tx.execute("SELECT doc_id FROM document WHERE id = ?", (doc,)).fetchone()
        if found is None:
            raise LedgerError(f"The ledger has no document row {doc}.")
        return doc, DocId(found[0])

    def _revision(self, doc: int, ref: ItemRef, digest: Hash, seen_at: float, edited_at: float | None) -> int:
        """The number of this content: the present one when it is the same (a new recipe, a return)."""
        last = self._tx.execute(
            "SELECT number, content_hash FROM revision WHERE doc = ? ORDER BY number DESC LIMIT 1", (doc,)
        ).fetchone()
        if last is not None and last[1] == digest:
            return int(last[0])
        number = int(last[0]) + 1 if last is not None else 1
        self._tx.execute(
            "INSERT INTO revision (doc, number, content_hash, version, size, modified_at, edited_at, seen_at,"
            " committed_at, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (doc, number, digest, ref.version, ref.size, ref.modified_at, edited_at, seen_at, self._tx.at, self._run),
        )
        return number

    def _bind(self, doc: int, ref: ItemRef, title: str | None) -> bool:
        """Make the live binding say this; True when it changed. ``title`` None leaves the title."""
        live = self._tx.execute(
            "SELECT item_id, name, title, url, parent, acl FROM binding WHERE doc = ? AND died IS NULL", (doc,)
        ).fetchone()
        kept_title = title if title is not None else (live[2] if live else "")
        row = (ref.item_id, ref.name, kept_title, ref.url, ref.parent, self._acl(ref.grant))
        if live == row:
            return False
        self._tx.execute("UPDATE binding SET died = ? WHERE doc = ? AND died IS NULL", (self._tx.seq, doc))
        self._tx.execute(
            "INSERT INTO binding (doc, item_id, name, title, url, parent, acl, born) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (doc, *row, self._tx.seq),
        )
        return True

    def _acl(self, grant: Grant) -> int:
        """The row of the place. Its principals are set when the place is new; later they are widened by Regrant
        alone, and narrowed by each item that saw less: a place that was empty for a while, or changed since it
        was listed, must not show the item to those whom it no longer grants to (R7)."""
        found = self._tx.execute(
            "SELECT id FROM acl WHERE source = ? AND place = ?", (self._row, grant.place)
        ).fetchone()
        if found is None:
            return self.regrant(grant.place, grant.principals)
        for principal, name in self._granted(found[0]):
            if name not in grant.principals:
                self._withdraw(found[0], principal)
        return int(found[0])

    def _granted(self, acl: int) -> list[tuple[int, str]]:
        """(row, name) of the principals that may read there now."""
        return self._tx.execute(
            "SELECT principal.id, principal.name FROM acl_principal JOIN principal ON principal.id = principal"
            " WHERE acl = ? AND died IS NULL",
            (acl,),
        ).fetchall()

    def _withdraw(self, acl: int, principal: int) -> None:
        self._tx.execute(
            "UPDATE acl_principal SET died = ? WHERE acl = ? AND principal = ? AND died IS NULL",
            (self._tx.seq, acl, principal),
        )

    def _item(self, doc: int, ref: ItemRef, recipe: Recipe, digest: Hash, doubtful: bool) -> None:
        self._tx.execute(
            """
            INSERT INTO item (source, item_id, doc, version, recipe, content_hash, size, file_key, move_key, doubtful)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (source, item_id) DO UPDATE SET version = excluded.version, recipe = excluded.recipe,
                content_hash = excluded.content_hash, size = excluded.size, file_key = excluded.file_key,
                move_key = excluded.move_key, doubtful = excluded.doubtful
            """,
            (
                self._row,
                ref.item_id,
                doc,
                ref.version,
                recipe,
                digest,
                ref.size,
                ref.file_key,
                ref.move_key,
                int(doubtful),
            ),
        )

    def _note_searchable(self, doc: int) -> None:
        """A revision that leaves nothing to write is searchable at once."""
        self._tx.execute(
            f"""
            UPDATE revision SET searchable_at = :at
            WHERE doc = :doc AND searchable_at IS NULL
              AND number = (SELECT revision FROM layout WHERE doc = :doc AND died IS NULL)
              AND NOT EXISTS ({UNSETTLED})
            """,
            {"doc": doc, "at": self._tx.at},
        )

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
        """Make the live chunks and the layout be these passages, touching only what differs.
        ``rebound``: the document's own metadata changed, so every row's wanted state may have."""
        tx, live = self._tx, self._live_cuts(doc)
        units, units_new = self._units(passages)
        old_kind = tx.execute("SELECT kind FROM layout WHERE doc = ? AND died IS NULL", (doc,)).fetchone()
        spots: list[Spot] = []
        fresh: list[_LiveCut] = []
        altered: list[_LiveCut] = []
        kept: set[ChunkId] = set()
        seen: Counter[Hash] = Counter()
        for passage in passages:
            digest = blake(passage.text.encode("utf-8", "surrogatepass"))
            key = chunk_id(doc_id, digest, seen[digest])
            seen[digest] += 1
            packed = pack_units([(units[unit.text], unit.weight) for unit in passage.units])
            section = pack_section(passage.section)
            before = live.get(key)
            if before is None:
                row = self._chunk(doc, key, digest, passage.text)
                fresh.append(self._cut(row, packed, section, passage.page))
                tx.execute("INSERT INTO keyword (rowid, text) VALUES (?, ?)", (row, passage.text))
            else:
                row = before.chunk
                kept.add(key)
                if (before.units, before.section, before.page) != (packed, section, passage.page):
                    tx.execute("UPDATE cut SET died = ? WHERE id = ?", (tx.seq, before.cut))
                    live[key] = self._cut(row, packed, section, passage.page)
                    altered.append(live[key])
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

    def _live_cuts(self, doc: int) -> dict[ChunkId, _LiveCut]:
        rows = self._tx.execute(
            "SELECT chunk.chunk_id, chunk.id, cut.id, cut.units, cut.section, cut.page FROM chunk"
            " JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL WHERE chunk.doc = ?",
            (doc,),
        )
        return {
            ChunkId(key): _LiveCut(chunk=chunk, cut=cut, units=units, section=section, page=page)
            for key, chunk, cut, units, section, page in rows
        }

    def _chunk(self, doc: int, key: ChunkId, digest: Hash, text: str) -> int:
        """The row of this chunk; one that lived before within retention is the same row again."""
        found = self._tx.execute("SELECT id FROM chunk WHERE chunk_id = ?", (key,)).fetchone()
        if found is not None:
            return int(found[0])
        made = self._tx.execute(
            "INSERT INTO chunk (chunk_id, doc, text_hash, text) VALUES (?, ?, ?, ?)", (key, doc, digest, text)
        )
        for generation, _ in self._generations:
            # An index that held it unbeknown to the ledger shall not lose it now that it is wanted there.
            self._tx.execute("DELETE FROM stray WHERE generation = ? AND chunk_id = ?", (generation, key))
        return _inserted(made)

    def _cut(self, chunk: int, units: bytes, section: str, page: int | None) -> _LiveCut:
        made = self._tx.execute(
            "INSERT INTO cut (chunk, units, section, page, born) VALUES (?, ?, ?, ?, ?)",
            (chunk, units, section, page, self._tx.seq),
        )
        return _LiveCut(chunk=chunk, cut=_inserted(made), units=units, section=section, page=page)

    def _end_cuts(self, cuts: dict[ChunkId, _LiveCut], *, urgent: bool = False) -> None:
        """These chunks leave: keyword rows by the explicit delete with the old text, tombstones (R2)."""
        tx = self._tx
        for cut in cuts.values():
            tx.execute(
                "INSERT INTO keyword (keyword, rowid, text) SELECT 'delete', id, text FROM chunk WHERE id = ?",
                (cut.chunk,),
            )
            tx.execute("UPDATE cut SET died = ? WHERE id = ?", (tx.seq, cut.cut))
            tx.execute(
                "UPDATE index_state SET alive = 0, wanted = NULL, ready = 0, urgent = ? WHERE chunk = ?",
                (int(urgent), cut.chunk),
            )

    def _units(self, passages: Sequence[Passage]) -> tuple[dict[str, UnitId], int]:
        """Ids of the units by their text; how many of them were never seen before."""
        tx, ids, added = self._tx, dict[str, UnitId](), 0
        wanted_units: dict[str, Unit] = {unit.text: unit for passage in passages for unit in passage.units}
        for text, unit in wanted_units.items():
            digest = unit.hash()
            found = tx.execute("SELECT id FROM unit WHERE hash = ?", (digest,)).fetchone()
            if found is None:
                ids[text] = UnitId(_inserted(tx.execute("INSERT INTO unit (hash, text) VALUES (?, ?)", (digest, text))))
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

    def _want(self, facts: DocumentFacts | None, cuts: Sequence[_LiveCut], *, new: bool) -> None:
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


UNSETTLED = """
SELECT 1 FROM chunk CROSS JOIN index_state ON index_state.chunk = chunk.id
CROSS JOIN generation ON generation.id = index_state.generation AND generation.state = 'serving'
WHERE chunk.doc = :doc AND alive = 1 AND written IS NOT wanted
"""
"""Whether a document has chunks that the serving generation does not hold as wanted. CROSS JOIN fixes the
order: from the document; left to itself SQLite walks the whole generation for each document."""


def _known(row: tuple[Any, ...]) -> KnownItem:
    """Columns as ``_KNOWN`` selects them, types as the schema says."""
    (item_id, doc, version, recipe, digest, size, file_key, move_key, doubtful, name, url, parent, place) = row[:13]
    failed, retry_at, attempts = row[13:]
    return KnownItem(
        item_id=item_id,
        doc=doc,
        version=version,
        recipe=recipe,
        content_hash=digest,
        size=size,
        file_key=file_key,
        move_key=move_key,
        parent=parent,
        place=place,
        name=name,
        url=url,
        doubtful=bool(doubtful),
        failed=bool(failed),
        retry_at=retry_at,
        attempts=attempts or 0,
    )


def _inserted(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise LedgerError("The ledger did not give a row id for an insert.")
    return cursor.lastrowid
