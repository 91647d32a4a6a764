"""What the sync engine writes: items, documents, revisions, chunks, layouts, grants (R1).

``apply`` carries out a list of operations in one transaction. With each revision change the keyword rows
and the wanted state of every generation, so that no reader of the ledger ever sees them disagree.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple, assert_never

from connectors.base import ItemId, ItemRef, Scope
from ingestor.errors import LedgerError
from ingestor.ledger.database import Database, Transaction
from ingestor.ledger.grants import GrantRows
from ingestor.ledger.items import attached, departed, items_of_files, known_items
from ingestor.ledger.milestones import note_searchable
from ingestor.ledger.passages import PassageRows, inserted
from ingestor.ledger.scopes import rescope
from ingestor.ledger.sources import Sources
from ingestor.ledger.tags import TagRows
from ingestor.model import (
    Applied,
    AttachmentOp,
    Deceased,
    DocId,
    Hash,
    KnownItem,
    Move,
    Op,
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
)
from ingestor.model.tags import tidy_author


class SyncWrites:
    """Implements ``ports.SyncLedger``."""

    def __init__(self, db: Database, sources: Sources, *, retention_s: float) -> None:
        self._db = db
        self._sources = sources
        self._retention = retention_s

    # -- what is known -------------------------------------------------------------------------

    def known(self, source: str, scope: Scope) -> dict[ItemId, KnownItem]:
        return known_items(self._db, self._sources.row_id(source), scope)

    def of_files(self, source: str, file_keys: Collection[str]) -> Sequence[KnownItem]:
        return items_of_files(self._db, self._sources.row_id(source), file_keys)

    def attached(self, doc: int) -> Sequence[KnownItem]:
        return attached(self._db, doc)

    def deceased(self, source: str) -> Sequence[Deceased]:
        return departed(self._db, self._sources.row_id(source), time.time() - self._retention)

    # -- what earlier runs left: the registry's ---------------------------------------------------

    def memory(self, source: str) -> SourceMemory:
        return self._sources.memory(source)

    def save_bookmark(
        self,
        source: str,
        *,
        cursor: str | None,
        identity: str | None,
        proven_at: float | None,
        counted: bool,
        anew: bool = False,
    ) -> None:
        self._sources.save_bookmark(
            source, cursor=cursor, identity=identity, proven_at=proven_at, counted=counted, anew=anew
        )

    def hold(self, source: str, reason: str, items: Sequence[ItemId]) -> Plan | None:
        return self._sources.hold(source, reason, items)

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
        removed = self._db.read("SELECT id, name, scope FROM source WHERE removed_at IS NOT NULL ORDER BY id")
        for row, source, scope in removed:
            # Short transactions: an edit elsewhere must not wait.
            while docs := self._db.read("SELECT doc, item_id FROM item WHERE source = ? LIMIT 200", (row,)):
                with self._db.write() as tx:
                    writer = _Writer(tx, source, row, RunId(""))
                    for doc, item in docs:
                        writer.remove(doc, ItemId(item), urgent=True)
                total += len(docs)
            if scope:
                with self._db.write() as tx:
                    rescope(tx, row, "")  # in none any more: nobody waits for it there
        return total


class _Hung(NamedTuple):
    """What a document is attached to: the document's row, and which of its attachments it is."""

    container: int
    part: str


class _Writer(PassageRows, GrantRows, TagRows):
    """The operations inside one transaction."""

    def __init__(self, tx: Transaction, source: str, source_row: int, run: RunId) -> None:
        super().__init__(tx, source)
        self._row = source_row
        self._run = run

    # -- operations ----------------------------------------------------------------------------

    def put_revision(self, op: PutRevision, hung: _Hung | None = None) -> Applied:
        """``hung``: what it is attached to. Its own attachments go with it, in this transaction."""
        doc, doc_id = self._document(op.doc, hung)
        number = self._revision(doc, op.ref, op.content_hash, op.seen_at, op.edited_at)
        rebound = self._bind(doc, op.ref, op.title)
        self._tag(doc, "content", op.tags)
        applied = self._recut(doc, doc_id, number, op.recipe, op.kind, op.passages, rebound=rebound)
        self._item(doc, op.ref, op.recipe, op.content_hash, op.doubtful)
        self._tx.execute("DELETE FROM quarantine WHERE doc = ?", (doc,))
        note_searchable(self._tx, doc)
        return applied + self._attach(doc, op.ref, op.attachments)

    def put_failure(self, op: PutFailure, hung: _Hung | None = None) -> Applied:
        """The old passages leave: they are not what the source holds any more."""
        doc, doc_id = self._document(op.doc, hung)
        number = self._revision(doc, op.ref, op.content_hash, op.seen_at, None)
        self._bind(doc, op.ref, "")
        self._tag(doc, "content", ())
        applied = self._recut(doc, doc_id, number, op.recipe, "", (), rebound=True)
        self._item(doc, op.ref, op.recipe, op.content_hash, op.doubtful)
        self._tx.execute(
            """
            INSERT INTO quarantine (doc, content_hash, recipe, reason, message, hint, attempts, retry_at, since)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (doc) DO UPDATE SET content_hash = excluded.content_hash, recipe = excluded.recipe,
                reason = excluded.reason, message = excluded.message, hint = excluded.hint,
                attempts = excluded.attempts, retry_at = excluded.retry_at,
                ignored = ignored AND content_hash = excluded.content_hash
            """,
            (doc, op.content_hash, op.recipe, op.reason, op.message, op.hint, op.attempts, op.retry_at, self._tx.at),
        )
        return applied + self._attach(doc, op.ref, ())

    def touch(self, op: Touch) -> None:
        self._rebind(op.doc, op.ref)
        self._tx.execute(
            "UPDATE item SET version = ?, size = ?, file_key = ?, move_key = ?, doubtful = ? WHERE doc = ?",
            (op.ref.version, op.ref.size, op.ref.file_key, op.ref.move_key, int(op.doubtful), op.doc),
        )

    def rebind(self, op: Rebind) -> None:
        self._rebind(op.doc, op.ref)

    def move(self, op: Move) -> None:
        """R11: the same document at another place. Whoever stood there was removed or moved before."""
        # The row is re-made under its new id; what was parsed, and with what, stays. Where nobody has looked into it
        # under its new version, it is in doubt from here on, lest a kill before the look leaves old text for good.
        self._tx.execute(
            "UPDATE item SET item_id = ?, doubtful = doubtful OR (? AND version != ?), version = ?, size = ?,"
            " file_key = ?, move_key = ? WHERE doc = ?",
            (
                op.ref.item_id,
                int(not op.seen),
                op.ref.version,
                op.ref.version,
                op.ref.size,
                op.ref.file_key,
                op.ref.move_key,
                op.doc,
            ),
        )
        self._rebind(op.doc, op.ref)

    def remove(self, doc: int, item_id: ItemId, *, urgent: bool = False) -> Applied:
        tx = self._tx
        gone = tx.execute("DELETE FROM item WHERE source = ? AND item_id = ? AND doc = ?", (self._row, item_id, doc))
        if gone.rowcount == 0:
            return Applied()
        live = self._live_cuts(doc)
        self._end_cuts(live, urgent=urgent)
        tx.execute("UPDATE layout SET died = ? WHERE doc = ? AND died IS NULL", (tx.seq, doc))
        tx.execute("UPDATE binding SET died = ? WHERE doc = ? AND died IS NULL", (tx.seq, doc))
        self._untag(doc)
        tx.execute("DELETE FROM quarantine WHERE doc = ?", (doc,))
        applied = Applied(chunks_removed=len(live))
        for below, below_id, _ in self._attachments(doc):
            applied += self.remove(below, below_id, urgent=urgent)
        return applied

    # -- attachments: they live as long as the revision that has them, and stand and are shown where it is ------------

    def _attachments(self, doc: int) -> list[tuple[int, ItemId, str]]:
        """(document, item, part) of the live attachments."""
        return self._tx.execute(
            "SELECT document.id, item.item_id, part FROM document JOIN item ON item.doc = document.id"
            " WHERE container = ?",
            (doc,),
        ).fetchall()

    def _attach(self, doc: int, ref: ItemRef, ops: Sequence[AttachmentOp]) -> Applied:
        """Make the live attachments be exactly these."""
        applied, before = Applied(), {part: (row, item_id) for row, item_id, part in self._attachments(doc)}
        for op in ops:
            part = op.ref.item_id.removeprefix(ref.item_id)
            before.pop(part, None)
            match op:
                case PutRevision():
                    applied += self.put_revision(op, _Hung(doc, part))
                case PutFailure():
                    applied += self.put_failure(op, _Hung(doc, part))
                case Touch():
                    self.touch(op)
                case _:
                    assert_never(op)
        for row, item_id in before.values():
            applied += self.remove(row, item_id)
        return applied

    def _rebind(self, doc: int, ref: ItemRef) -> None:
        """The document stands at ``ref`` and is called and granted as that says; so does what is attached to it."""
        if not self._bind(doc, ref, None):
            return
        self._rewant(doc)
        for below, _, part in self._attachments(doc):
            there = ItemId(ref.item_id + part)
            self._tx.execute("UPDATE item SET item_id = ? WHERE doc = ? AND item_id != ?", (there, below, there))
            ((name, version),) = self._tx.execute(
                "SELECT name, version FROM binding JOIN item USING (doc) WHERE doc = ? AND died IS NULL", (below,)
            )
            self._rebind(
                below,
                ItemRef(item_id=there, name=name, version=version, url=ref.url, parent=ref.item_id, grant=ref.grant),
            )

    # -- document, revision, binding, item -----------------------------------------------------------

    def _document(self, doc: int | None, hung: _Hung | None) -> tuple[int, DocId]:
        if doc is None and hung is not None:
            # One that was there before, however long ago it left.
            known = self._tx.execute("SELECT id FROM document WHERE container = ? AND part = ?", hung).fetchone()
            doc = known[0] if known is not None else None
        if doc is None:
            doc_id = DocId(secrets.token_hex(16))
            made = self._tx.execute(
                "INSERT INTO document (doc_id, source, container, part) VALUES (?, ?, ?, ?)",
                (doc_id, self._row, *(hung or (None, None))),
            )
            return inserted(made), doc_id
        found = self._tx.execute("SELECT doc_id FROM document WHERE id = ?", (doc,)).fetchone()
        if found is None:
            raise LedgerError(f"The ledger has no document row {doc}.")
        return doc, DocId(found[0])

    def _revision(self, doc: int, ref: ItemRef, digest: Hash, seen_at: float, edited_at: float | None) -> int:
        """The number of this content: the present one when it is the same (a new recipe, a return)."""
        last = self._tx.execute(
            "SELECT number, content_hash FROM revision WHERE doc = ? ORDER BY number DESC LIMIT 1", (doc,)
        ).fetchone()
        author = tidy_author(ref.author)
        if last is not None and last[1] == digest:
            if not self._tx.execute("SELECT 1 FROM binding WHERE doc = ? AND died IS NULL", (doc,)).fetchone():
                # It returns, perhaps at another place, to readers who are to be told nothing of the one before (R7).
                self._tx.execute(
                    "UPDATE revision SET author = ?, pinned_url = ? WHERE doc = ? AND number = ?",
                    (author, ref.pinned_url, doc, last[0]),
                )
            elif author:  # of what was taken in before authors were asked for
                self._tx.execute(
                    "UPDATE revision SET author = ? WHERE doc = ? AND number = ? AND version = ? AND author = ''",
                    (author, doc, last[0], ref.version),
                )
            return int(last[0])
        number = int(last[0]) + 1 if last is not None else 1
        self._tx.execute(
            "INSERT INTO revision (doc, number, content_hash, version, size, modified_at, edited_at, seen_at,"
            " committed_at, run, pinned_url, author) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(doc, number, digest, ref.version, ref.size, ref.modified_at, edited_at, seen_at),
                *(self._tx.at, self._run, ref.pinned_url, author),
            ),
        )
        return number

    def _bind(self, doc: int, ref: ItemRef, title: str | None) -> bool:
        """Make the live binding say this, and the tags what the source says, if it does; True when the binding changed.
        ``title`` None leaves the title."""
        if ref.tags is not None:
            self._tag(doc, "source", ref.tags)
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
