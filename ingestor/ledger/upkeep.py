"""The ledger's own maintenance: its checks, and forgetting what is past retention."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ingestor.errors import LedgerError
from ingestor.ledger.database import Database
from ingestor.ledger.packing import unpack_units
from ingestor.model import UnitId

_BATCH = 500


class Upkeep:
    """Checks and retention. Every write is a short transaction that may be the last one."""

    def __init__(self, db: Database, *, retention_s: float) -> None:
        self._db = db
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

    # -- checks -----------------------------------------------------------------------------------

    def quick_check(self) -> Sequence[str]:
        """What SQLite finds wrong with the file itself; empty when nothing is."""
        return self._db.quick_check()

    def keyword_problems(self) -> Sequence[str]:
        """Whether the keyword index holds exactly the live chunks' text."""
        try:
            with self._db.write() as tx:
                # rank 1 also compares with the content, which is a view of the live chunks.
                tx.execute("INSERT INTO keyword (keyword, rank) VALUES ('integrity-check', 1)")
        except LedgerError as error:
            return [f"the keyword index disagrees with the live chunks: {error}"]
        return []

    def rebuild_keyword(self) -> None:
        with self._db.write() as tx:
            tx.execute("INSERT INTO keyword (keyword) VALUES ('rebuild')")

    def row_problems(self) -> Sequence[str]:
        """Rows that cannot be: each a sentence with a count."""
        checks = {
            "live chunk(s) without a live document": """
                SELECT count(*) FROM cut JOIN chunk ON chunk.id = cut.chunk
                LEFT JOIN item ON item.doc = chunk.doc WHERE cut.died IS NULL AND item.doc IS NULL""",
            "live item(s) without exactly one binding and layout": """
                SELECT count(*) FROM item WHERE
                (SELECT count(*) FROM binding WHERE doc = item.doc AND died IS NULL) != 1
                OR (SELECT count(*) FROM layout WHERE doc = item.doc AND died IS NULL) != 1""",
            "live chunk(s) missing from a generation": """
                SELECT count(*) FROM cut JOIN generation ON generation.state != 'condemned'
                LEFT JOIN index_state ON index_state.chunk = cut.chunk AND index_state.generation = generation.id
                    AND index_state.alive = 1
                WHERE cut.died IS NULL AND index_state.chunk IS NULL""",
            "dead chunk(s) wanted by a generation": """
                SELECT count(*) FROM index_state LEFT JOIN cut ON cut.chunk = index_state.chunk AND cut.died IS NULL
                WHERE index_state.alive = 1 AND cut.chunk IS NULL""",
        }
        found = []
        for sentence, sql in checks.items():
            count = self._db.read(sql)[0][0]
            if count:
                found.append(f"{count} {sentence}")
        return found

    def settled_unit_ids(self) -> set[UnitId]:
        """The units of every live chunk that some generation holds to be embedded."""
        after, units = -1, set[UnitId]()
        while rows := self._db.read(
            "SELECT id, units FROM cut WHERE died IS NULL AND id > ? AND EXISTS (SELECT 1 FROM index_state"
            " WHERE index_state.chunk = cut.chunk AND ready = 1) ORDER BY id LIMIT 5000",
            (after,),
        ):
            for _, blob in rows:
                units.update(unit for unit, _ in unpack_units(blob))
            after = rows[-1][0]
        return units

    def repair_rows(self) -> None:
        """Make the index states follow the live chunks again; a document whose rows contradict each other
        is taken out, and its next listing brings it in anew. Followed by ``IndexStates.rewant``."""
        with self._db.write() as tx:
            broken = tx.execute(
                """
                SELECT doc FROM item WHERE
                (SELECT count(*) FROM binding WHERE doc = item.doc AND died IS NULL) != 1
                OR (SELECT count(*) FROM layout WHERE doc = item.doc AND died IS NULL) != 1
                """
            ).fetchall()
            for (doc,) in broken:
                tx.execute("DELETE FROM item WHERE doc = ?", (doc,))
            gone = "NOT EXISTS (SELECT 1 FROM item JOIN chunk ON chunk.doc = item.doc WHERE chunk.id = cut.chunk)"
            tx.execute(f"UPDATE cut SET died = ? WHERE died IS NULL AND {gone}", (tx.seq,))
            tx.execute(
                """
                INSERT INTO index_state (generation, chunk, wanted, alive)
                SELECT generation.id, cut.chunk, x'', 1 FROM cut JOIN generation ON generation.state != 'condemned'
                WHERE cut.died IS NULL
                ON CONFLICT (generation, chunk) DO UPDATE SET wanted = x'', written = NULL, alive = 1, ready = 0
                    WHERE index_state.alive = 0
                """
            )
            tx.execute(
                "UPDATE index_state SET alive = 0, wanted = NULL, ready = 0 WHERE alive = 1"
                " AND NOT EXISTS (SELECT 1 FROM cut WHERE cut.chunk = index_state.chunk AND cut.died IS NULL)"
            )
        self.rebuild_keyword()

    def purge_removed(self) -> None:
        """Erase what removed sources held, now and not after retention. Followed by ``drop_unused_units``."""
        docs = "SELECT document.id FROM document JOIN source ON source.id = document.source AND removed_at IS NOT NULL"
        for table in ("binding", "layout", "revision"):
            with self._db.write() as tx:
                tx.execute(f"DELETE FROM {table} WHERE doc IN ({docs})")
        with self._db.write() as tx:
            tx.execute(f"DELETE FROM cut WHERE chunk IN (SELECT id FROM chunk WHERE doc IN ({docs}))")
        with self._db.write() as tx:
            # A tombstone names its chunk; the text goes now, the row when the index acknowledged the delete.
            tx.execute(f"UPDATE chunk SET text = '' WHERE doc IN ({docs})")

    # -- retention -----------------------------------------------------------------------------------

    def forget_expired(self, now: float | None = None) -> int:
        """Delete what died before the retention time; returns the number of rows. Documents keep their
        id row, so that an old citation names what it was; their text is gone."""
        horizon = (now if now is not None else time.time()) - self._retention
        rows = self._db.read("SELECT coalesce(max(seq), 0) FROM commits WHERE at < ?", (horizon,))
        seq, removed = int(rows[0][0]), 0
        if seq == 0:
            return 0
        for table in ("cut", "layout", "binding", "acl_principal"):
            removed += self._delete_in_batches(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE died <= ? LIMIT {_BATCH})", (seq,)
            )
        removed += self._delete_in_batches(
            f"""DELETE FROM chunk WHERE id IN (
                SELECT chunk.id FROM chunk
                WHERE NOT EXISTS (SELECT 1 FROM cut WHERE cut.chunk = chunk.id)
                  AND NOT EXISTS (SELECT 1 FROM index_state WHERE index_state.chunk = chunk.id) LIMIT {_BATCH})""",
            (),
        )
        return removed

    def drop_unused_units(self) -> list[UnitId]:
        """Delete the units that no kept cut uses; their ids, so that their vectors can follow. A commit
        that takes up an old unit meanwhile keeps it: each batch looks again at what was cut since."""
        (row,) = self._db.read("SELECT coalesce(max(seq), 0) FROM commits")
        began, after, used = row[0], -1, set[int]()
        while rows := self._db.read("SELECT id, units FROM cut WHERE id > ? ORDER BY id LIMIT 5000", (after,)):
            for _, blob in rows:
                used.update(unit for unit, _ in unpack_units(blob))
            after = rows[-1][0]
        unused = [unit for (unit,) in self._db.read("SELECT id FROM unit") if unit not in used]
        dropped: list[UnitId] = []
        for start in range(0, len(unused), _BATCH):
            with self._db.write() as tx:
                fresh = set[int]()
                for (blob,) in tx.execute("SELECT units FROM cut WHERE born > ?", (began,)):
                    fresh.update(unit for unit, _ in unpack_units(blob))
                batch = [unit for unit in unused[start : start + _BATCH] if unit not in fresh]
                tx.executemany("DELETE FROM unit WHERE id = ?", [(unit,) for unit in batch])
            dropped += [UnitId(unit) for unit in batch]
        return dropped

    def _delete_in_batches(self, sql: str, parameters: tuple[object, ...]) -> int:
        total = 0
        while True:
            with self._db.write() as tx:
                count = tx.execute(sql, parameters).rowcount
            total += count
            if count < _BATCH:
                return total
