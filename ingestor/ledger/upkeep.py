"""The ledger's own maintenance: its checks (``checks.py``), and forgetting what is past retention."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ingestor.ledger import texts
from ingestor.ledger.checks import Checks
from ingestor.ledger.database import Database
from ingestor.ledger.packing import unpack_units
from ingestor.model import GenerationId, Hash, UnitId

FORGOTTEN = "forgotten_through"
"""The setting that says up to which commit what died is forgotten: of an earlier moment not all is known any more."""

_BATCH = 500


class Upkeep(Checks):
    """Checks and retention. Every write is a short transaction that may be the last one."""

    def __init__(self, db: Database, *, retention_s: float) -> None:
        super().__init__(db)
        self._retention = retention_s

    # -- marks of a clean close -----------------------------------------------------------------

    def setting(self, key: str) -> str | None:
        rows = self._db.read("SELECT value FROM setting WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def set_setting(self, key: str, value: str) -> None:
        with self._db.write() as tx:
            tx.execute(
                "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                " WHERE value IS NOT excluded.value",
                (key, value),
            )

    def drop_setting(self, key: str) -> None:
        with self._db.write() as tx:
            tx.execute("DELETE FROM setting WHERE key = ?", (key,))

    # -- erasure ----------------------------------------------------------------------------------

    def purge_removed(self) -> None:
        """Erase what removed sources held, now and not after retention. Followed by ``drop_unused_units``."""
        docs = "SELECT document.id FROM document JOIN source ON source.id = document.source AND removed_at IS NOT NULL"
        for table in ("binding", "layout", "revision", "document_tag"):
            with self._db.write() as tx:
                tx.execute(f"DELETE FROM {table} WHERE doc IN ({docs})")
        with self._db.write() as tx:
            tx.execute(f"DELETE FROM cut WHERE chunk IN (SELECT id FROM chunk WHERE doc IN ({docs}))")
        with self._db.write() as tx:
            tx.execute(f"UPDATE document SET part = NULL WHERE part IS NOT NULL AND id IN ({docs})")
        with self._db.write() as tx:
            # A tombstone names its chunk; the text goes now, the row when the index acknowledged the delete.
            tx.execute(f"UPDATE chunk SET text = '' WHERE doc IN ({docs})")

    def settled_texts(self, generation: GenerationId) -> set[UnitId]:
        """What ``settled_unit_ids`` is for a generation whose model embeds passages whole."""
        return texts.settled(self._db, generation)

    # -- retention -----------------------------------------------------------------------------------

    def forget_expired(self, now: float | None = None) -> int:
        """Delete what died before the retention time; returns the number of rows. Documents keep their
        id row, so that an old citation names what it was; their text is gone."""
        horizon = (now if now is not None else time.time()) - self._retention
        rows = self._db.read("SELECT coalesce(max(seq), 0) FROM commits WHERE at < ?", (horizon,))
        seq, removed = int(rows[0][0]), 0
        if seq == 0:
            return 0
        if seq > int(self.setting(FORGOTTEN) or 0):
            self.set_setting(FORGOTTEN, str(seq))  # before anything goes
        removed += self._forget_cuts(seq)
        for table in ("layout", "binding", "acl_principal", "document_tag"):
            removed += self._delete_in_batches(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE died <= ? LIMIT {_BATCH})", (seq,)
            )
        # The name of an attachment goes with its last binding, and with it the claim to the old id.
        removed += self._delete_in_batches(
            "UPDATE document SET part = NULL WHERE id IN (SELECT id FROM document WHERE part IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM binding WHERE binding.doc = document.id) LIMIT {_BATCH})",
            (),
        )
        # So does who wrote in it.
        removed += self._delete_in_batches(
            "UPDATE revision SET author = '' WHERE (doc, number) IN (SELECT doc, number FROM revision"
            " WHERE author != '' AND NOT EXISTS (SELECT 1 FROM binding WHERE binding.doc = revision.doc)"
            f" LIMIT {_BATCH})",
            (),
        )
        return removed

    def _forget_cuts(self, seq: int) -> int:
        """A chunk's text goes with its last cut, in one transaction: text that nothing leads to would be nobody's.
        One that an index has still to delete keeps its cut until it did."""
        removed = 0
        while True:
            with self._db.write() as tx:
                gone = tx.execute(
                    "SELECT id, chunk FROM cut WHERE died <= ? AND NOT EXISTS"
                    " (SELECT 1 FROM index_state WHERE index_state.chunk = cut.chunk AND alive = 0) LIMIT ?",
                    (seq, _BATCH),
                ).fetchall()
                tx.executemany("DELETE FROM cut WHERE id = ?", [(cut,) for cut, _ in gone])
                chunks = tx.executemany(
                    "DELETE FROM chunk WHERE id = ? AND NOT EXISTS (SELECT 1 FROM cut WHERE cut.chunk = chunk.id)"
                    " AND NOT EXISTS (SELECT 1 FROM index_state WHERE index_state.chunk = chunk.id)",
                    [(chunk,) for chunk in dict.fromkeys(chunk for _, chunk in gone)],
                )
                removed += len(gone) + max(0, chunks.rowcount)
            if len(gone) < _BATCH:
                return removed

    def drop_unused_units(self) -> list[UnitId]:
        """Delete the units that no kept cut uses; their ids, so that their vectors can follow. A commit
        that takes up an old unit meanwhile keeps it: each batch looks again at what was cut since."""
        (row,) = self._db.read("SELECT coalesce(max(seq), 0) FROM commits")
        began, after, used, whole = row[0], -1, set[int](), texts.some_whole(self._db)
        # Before the cuts: a text that becomes a unit while these are walked is nobody's to drop.
        units = [unit for (unit,) in self._db.read("SELECT id FROM unit")]
        while rows := self._db.read(
            "SELECT cut.id, cut.units, chunk.text_hash FROM cut JOIN chunk ON chunk.id = cut.chunk WHERE cut.id > ?"
            " ORDER BY cut.id LIMIT 5000",
            (after,),
        ):
            used |= self._used(rows, whole=whole)
            after = rows[-1][0]
        unused = [unit for unit in units if unit not in used]
        dropped: list[UnitId] = []
        for start in range(0, len(unused), _BATCH):
            with self._db.write() as tx:
                if texts.some_whole(self._db) != whole:
                    break  # a switch began: the next time knows what it uses
                since = tx.execute(
                    "SELECT cut.id, cut.units, chunk.text_hash FROM cut JOIN chunk ON chunk.id = cut.chunk"
                    " WHERE born > ?",
                    (began,),
                )
                fresh = self._used(since.fetchall(), whole=whole)
                batch = [unit for unit in unused[start : start + _BATCH] if unit not in fresh]
                tx.executemany("DELETE FROM unit WHERE id = ?", [(unit,) for unit in batch])
            dropped += [UnitId(unit) for unit in batch]
        return dropped

    def _used(self, cuts: Sequence[tuple[int, bytes, Hash]], *, whole: bool) -> set[int]:
        """The units of these cuts, and their texts where some model embeds these."""
        used: set[int] = {unit for _, packed, _ in cuts for unit, _ in unpack_units(packed)}
        return used.union(texts.text_units(self._db, (digest for *_, digest in cuts)).values()) if whole else used

    def _delete_in_batches(self, sql: str, parameters: tuple[object, ...]) -> int:
        total = 0
        while True:
            with self._db.write() as tx:
                count = tx.execute(sql, parameters).rowcount
            total += count
            if count < _BATCH:
                return total
