"""The wanted and the written state of each generation (R2): what the embed worker and the projector see."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingestor.ledger import texts
from ingestor.ledger.generations import Generations
from ingestor.ledger.milestones import note_embedded, note_searchable
from ingestor.ledger.packing import DocumentFacts, metadata, unpack_units, wanted
from ingestor.ledger.scopes import VACATED
from ingestor.model import (
    ChunkId,
    DocId,
    GenerationId,
    Hash,
    ModelId,
    PendingRow,
    UnitId,
    is_whole,
)

_PAGE = 500  # rows a statement; below SQLite's bound on parameters, and short beside an edit

_COLUMNS = """
SELECT chunk.chunk_id, index_state.wanted, chunk.text, cut.units, cut.section, cut.page,
       document.doc_id, source.name, binding.item_id, binding.name, binding.title, binding.url, binding.acl,
       layout.kind, chunk.text_hash, source.scope
"""

_DETAILS = """
JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
JOIN document ON document.id = chunk.doc
JOIN source ON source.id = document.source
JOIN binding ON binding.doc = document.id AND binding.died IS NULL
JOIN layout ON layout.doc = document.id AND layout.died IS NULL
"""

# The indexes of what is pending are named: left to itself SQLite walks the whole generation, however little waits.
_EVERY = _COLUMNS + "FROM index_state JOIN chunk ON chunk.id = index_state.chunk" + _DETAILS
_TO_WRITE = (
    _COLUMNS + "FROM index_state INDEXED BY index_state_write JOIN chunk ON chunk.id = index_state.chunk" + _DETAILS
)
_BY_CHUNK_ID = (
    _COLUMNS
    + "FROM chunk CROSS JOIN index_state ON index_state.chunk = chunk.id AND index_state.generation = :generation"
    + _DETAILS
)

_TOMBSTONES = """
SELECT chunk.chunk_id, source.name, source.scope
FROM index_state INDEXED BY {index} JOIN chunk ON chunk.id = index_state.chunk
JOIN document ON document.id = chunk.doc JOIN source ON source.id = document.source
WHERE generation = :generation AND alive = 0 {condition} LIMIT :limit
"""

_STRAYS = "SELECT chunk_id, scope FROM stray WHERE generation = :generation ORDER BY scope LIMIT :limit"

_HOME = """
SELECT chunk.id, chunk.doc, source.scope FROM chunk
JOIN document ON document.id = chunk.doc JOIN source ON source.id = document.source WHERE chunk_id = ?
"""
"""A chunk's row and document, and the scope that it belongs to."""

# How old what is pending is: a row's chunk, its place or its end was committed then. A changed grant has no
# commit of its own here, and counts as old until it is written.
_OVERDUE = f"""
WITH due (latest) AS (
    SELECT max(:before, created_at) FROM generation WHERE id = :g
), pending (chunk) AS (
    SELECT chunk FROM index_state INDEXED BY index_state_embed WHERE generation = :g AND alive = 1 AND ready = 0
    UNION ALL
    SELECT chunk FROM index_state INDEXED BY index_state_write
        WHERE generation = :g AND alive = 1 AND ready = 1 AND written IS NOT wanted
    UNION ALL
    SELECT chunk FROM index_state INDEXED BY index_state_dead WHERE generation = :g AND alive = 0
)
SELECT EXISTS (
    SELECT 1 FROM pending JOIN chunk ON chunk.id = pending.chunk
    LEFT JOIN binding ON binding.doc = chunk.doc AND binding.died IS NULL
    WHERE (
        SELECT at FROM commits WHERE seq = max(
            coalesce((SELECT max(coalesce(died, born)) FROM cut WHERE cut.chunk = chunk.id), 0),
            coalesce(binding.born, 0)
        )
    ) <= (SELECT latest FROM due)
) OR EXISTS (SELECT 1 FROM stray WHERE stray.generation = :g) OR EXISTS ({VACATED})
"""


class IndexStates(Generations):
    """Implements ``ports.EmbedLedger`` and ``ports.IndexLedger``."""

    def rewant(self, generation: GenerationId) -> None:
        """Compute anew what every live chunk should be there (after a repair of rows)."""
        model = self._model(generation)
        with self._db.write() as tx:
            self._rewant(tx.connection, generation, model)

    def _model(self, generation: GenerationId) -> ModelId:
        return next(known.model for known in self.generations() if known.generation_id == generation)

    def _rewant(self, connection: Any, generation: int | None, model: ModelId) -> None:
        rows = connection.execute(_EVERY + " WHERE index_state.generation = ? AND alive = 1", (generation,))
        while batch := rows.fetchmany(_PAGE):
            connection.executemany(
                "UPDATE index_state SET wanted = ?1 WHERE generation = ?2 AND wanted IS NOT ?1"
                " AND chunk = (SELECT id FROM chunk WHERE chunk_id = ?3)",
                [(wanted(model, row[3], _metadata(row)), generation, row[0]) for row in batch],
            )

    # -- embedding -------------------------------------------------------------------------------

    def unembedded(self, generation: GenerationId, limit: int) -> Sequence[tuple[int, tuple[UnitId, ...]]]:
        """The row is that of the cut, not of the chunk: where the units change while these are embedded,
        the cut dies, and marking it ready marks nothing."""
        if is_whole(self._model(generation)):
            return texts.unembedded(self._db, generation, limit)
        rows = self._db.read(
            """
            SELECT cut.id, cut.units FROM index_state INDEXED BY index_state_embed
            JOIN cut ON cut.chunk = index_state.chunk AND cut.died IS NULL
            WHERE generation = ? AND alive = 1 AND ready = 0 ORDER BY index_state.chunk DESC LIMIT ?
            """,
            (generation, limit),
        )
        return [(cut, tuple(unit for unit, _ in unpack_units(units))) for cut, units in rows]

    def unit_texts(self, units: Sequence[UnitId]) -> Sequence[str]:
        found: dict[int, str] = {}
        for start in range(0, len(units), _PAGE):
            part = units[start : start + _PAGE]
            found.update(self._db.read(f"SELECT id, text FROM unit WHERE id IN ({_marks(part)})", tuple(part)))
        return [found[unit] for unit in units]

    def sources_of(self, chunks: Sequence[int]) -> Mapping[int, str]:
        found: dict[int, str] = {}
        for start in range(0, len(chunks), _PAGE):
            part = chunks[start : start + _PAGE]
            found.update(
                self._db.read(
                    "SELECT cut.id, source.name FROM cut JOIN chunk ON chunk.id = cut.chunk"
                    " JOIN document ON document.id = chunk.doc JOIN source ON source.id = document.source"
                    f" WHERE cut.id IN ({_marks(part)})",
                    tuple(part),
                )
            )
        return found

    def mark_ready(self, generation: GenerationId, chunks: Sequence[int]) -> None:
        with self._db.write() as tx:
            tx.executemany(
                "UPDATE index_state SET ready = 1 WHERE generation = ? AND alive = 1"
                " AND chunk = (SELECT chunk FROM cut WHERE id = ? AND died IS NULL)",
                [(generation, chunk) for chunk in chunks],
            )
            for (doc,) in tx.execute(
                "SELECT DISTINCT doc FROM json_each(?) CROSS JOIN cut ON cut.id = value AND died IS NULL"
                " CROSS JOIN chunk ON chunk.id = cut.chunk",
                (json.dumps(list(chunks)),),
            ).fetchall():
                note_embedded(tx, doc)

    def unready(self, generation: GenerationId) -> None:
        """Look again whether every unit has its vector (a vector file was lost or mended)."""
        with self._db.write() as tx:
            tx.execute("UPDATE index_state SET ready = 0 WHERE generation = ? AND alive = 1", (generation,))

    # -- projecting ------------------------------------------------------------------------------

    def pending(self, generation: GenerationId, limit: int) -> Sequence[PendingRow]:
        parameters: dict[str, object] = {"generation": generation, "limit": limit}
        # What nobody's row belongs to, and what left a scope or was never known, is somebody's to see as long as it
        # is there: before what is written.
        urgent = (
            [_tombstone("", scope=scope) for (scope,) in self._db.read(VACATED, parameters)]
            or self._tombstones(parameters, "index_state_urgent", "AND urgent = 1")
            or [_tombstone(key, scope=scope) for key, scope in self._db.read(_STRAYS, parameters)]
        )
        if urgent:
            return urgent
        rows = self._db.read(
            _TO_WRITE
            + " WHERE index_state.generation = :generation AND alive = 1 AND ready = 1 AND written IS NOT wanted"
            " ORDER BY index_state.chunk DESC LIMIT :limit",
            parameters,
        )
        if rows:
            model = self._model(generation)
            return [_digested(row, model, packed[3]) for row, packed in zip(self._rows(model, rows), rows, strict=True)]
        return self._tombstones(parameters, "index_state_dead")

    def _tombstones(self, parameters: dict[str, object], index: str, condition: str = "") -> list[PendingRow]:
        rows = self._db.read(_TOMBSTONES.format(index=index, condition=condition), parameters)
        return [_tombstone(*row) for row in rows]

    def settle(self, generation: GenerationId, rows: Sequence[PendingRow]) -> None:
        with self._db.write() as tx:
            docs: set[int] = set()
            dead = 0
            for row in rows:
                place = {"g": generation, "scope": row.scope, "key": row.chunk_id, "wanted": row.wanted}
                if row.everything:
                    tx.execute("DELETE FROM stray WHERE generation = :g AND scope = :scope", place)
                    # Still vacated: a source may have come into the scope meanwhile, with nothing written yet.
                    tx.execute(
                        f"DELETE FROM collection WHERE generation = :g AND scope = :scope AND scope IN ({VACATED})",
                        {**place, "generation": generation},
                    )
                    continue
                found = tx.execute(_HOME, (row.chunk_id,)).fetchone()
                # A row that was written where its source is no more is not what is wanted; it is a stray there.
                at_home = found is not None and found[2] == row.scope
                if not row.alive:
                    gone = tx.execute(
                        "DELETE FROM stray WHERE generation = :g AND scope = :scope AND chunk_id = :key", place
                    )
                    dead += gone.rowcount
                    if at_home:
                        # Still a tombstone: a chunk that came back meanwhile has to be written again.
                        gone = tx.execute(
                            "DELETE FROM index_state WHERE generation = ? AND chunk = ? AND alive = 0",
                            (generation, found[0]),
                        )
                        dead += gone.rowcount
                elif at_home:
                    # Not what is to be deleted there first: its source left and came back.
                    tx.execute(
                        "UPDATE index_state SET written = :wanted, wanted = :wanted"
                        " WHERE generation = :g AND chunk = :chunk AND alive = 1 AND (wanted = :wanted OR wanted = x'')"
                        " AND NOT EXISTS (SELECT 1 FROM stray"
                        " WHERE stray.generation = :g AND scope = :scope AND chunk_id = :key)",
                        {**place, "chunk": found[0]},
                    )
                    docs.add(found[1])
            if dead:
                tx.execute("UPDATE generation SET dead = dead + ? WHERE id = ?", (dead, generation))
            for doc in docs:
                note_searchable(tx, doc)

    def expected(self, generation: GenerationId, after: ChunkId, limit: int) -> Sequence[PendingRow]:
        rows = self._db.read(
            _BY_CHUNK_ID + " WHERE chunk.chunk_id > :after AND alive = 1 AND written IS wanted"
            " ORDER BY chunk.chunk_id LIMIT :limit",
            {"generation": generation, "after": after, "limit": limit},
        )
        return self._rows(self._model(generation), rows) if rows else []

    def _rows(self, model: ModelId, rows: Sequence[tuple[Any, ...]]) -> list[PendingRow]:
        units = texts.embedded_units(self._db, model, [(row[3], row[14]) for row in rows])
        return [_pending(row, made_of) for row, made_of in zip(rows, units, strict=True)]

    def unsettle(self, generation: GenerationId, chunks: Sequence[ChunkId] | None, scope: str = "") -> None:
        with self._db.write() as tx:
            if chunks is None:
                tx.execute("UPDATE index_state SET written = NULL WHERE generation = ? AND alive = 1", (generation,))
                return
            for key in chunks:
                found = tx.execute(_HOME, (key,)).fetchone()
                if found is None or found[2] != scope:
                    tx.execute(
                        "INSERT OR IGNORE INTO stray (generation, scope, chunk_id) VALUES (?, ?, ?)",
                        (generation, scope, key),
                    )
                    if scope:  # one that nobody noted is dropped when it is empty
                        tx.execute(
                            "INSERT OR IGNORE INTO collection (generation, scope) VALUES (?, ?)", (generation, scope)
                        )
                else:
                    # A tombstone where nothing is wanted any more; one that is there already stays as it is.
                    tx.execute(
                        "INSERT INTO index_state (generation, chunk, alive) VALUES (?, ?, 0)"
                        " ON CONFLICT (generation, chunk) DO UPDATE SET written = NULL WHERE alive = 1",
                        (generation, found[0]),
                    )

    def churn(self, generation: GenerationId) -> tuple[int, int]:
        """(deletes that the index acknowledged since the generation was made, rows that are written there)."""
        (counts,) = self._db.read(
            "SELECT dead, (SELECT count(*) FROM index_state WHERE generation = generation.id AND alive = 1"
            " AND written IS NOT NULL) FROM generation WHERE id = ?",
            (generation,),
        )
        return int(counts[0]), int(counts[1])

    def settled(self, generation: GenerationId) -> bool:
        """Whether the backlog is empty, without counting it: runs that wait ask many times a second."""
        (found,) = self._db.read(
            f"""
            SELECT EXISTS (SELECT 1 FROM index_state INDEXED BY index_state_embed
                       WHERE generation = :g AND alive = 1 AND ready = 0)
                OR EXISTS (SELECT 1 FROM index_state INDEXED BY index_state_write
                       WHERE generation = :g AND alive = 1 AND ready = 1 AND written IS NOT wanted)
                OR EXISTS (SELECT 1 FROM index_state INDEXED BY index_state_dead WHERE generation = :g AND alive = 0)
                OR EXISTS (SELECT 1 FROM stray WHERE generation = :g)
                OR EXISTS ({VACATED})
            """,
            {"g": generation, "generation": generation},
        )
        return not found[0]

    def overdue(self, generation: GenerationId, younger_than_s: float) -> bool:
        """Whether the generation still lacks something of what it was seeded with, or something that was
        committed longer ago than so many seconds."""
        before = time.time() - younger_than_s
        (found,) = self._db.read(_OVERDUE, {"g": generation, "generation": generation, "before": before})
        return bool(found[0])

    def backlog(self, generation: GenerationId) -> tuple[int, int]:
        """(chunks that wait for vectors, rows that wait to be written or deleted)."""
        (counts,) = self._db.read(
            f"""
            SELECT (SELECT count(*) FROM index_state INDEXED BY index_state_embed
                       WHERE generation = :g AND alive = 1 AND ready = 0),
                   (SELECT count(*) FROM index_state INDEXED BY index_state_write
                       WHERE generation = :g AND alive = 1 AND ready = 1 AND written IS NOT wanted)
                   + (SELECT count(*) FROM index_state INDEXED BY index_state_dead
                       WHERE generation = :g AND alive = 0)
                   + (SELECT count(*) FROM stray WHERE generation = :g)
                   + (SELECT count(*) FROM ({VACATED}))
            """,
            {"g": generation, "generation": generation},
        )
        return int(counts[0]), int(counts[1])


def _pending(row: tuple[Any, ...], units: tuple[tuple[UnitId, int], ...]) -> PendingRow:
    return PendingRow(
        chunk_id=ChunkId(row[0]),
        wanted=row[1],
        alive=True,
        source=row[7],
        scope=row[15],
        text=row[2],
        metadata=_metadata(row),
        units=units,
    )


def _digested(row: PendingRow, model: ModelId, units: bytes) -> PendingRow:
    """With its digest, where the generation was made after the chunk and nobody needed it yet."""
    return row if row.wanted else replace(row, wanted=wanted(model, units, row.metadata))


def _tombstone(key: str, source: str = "", scope: str = "") -> PendingRow:
    """Without a key it is the whole collection that goes."""
    return PendingRow(
        chunk_id=ChunkId(key), wanted=Hash(b""), alive=False, everything=not key, source=source, scope=scope
    )


def _metadata(row: tuple[Any, ...]) -> dict[str, str | int]:
    section, page, doc_id, source, item_id, name, title, url, acl, kind = row[4:14]
    facts = DocumentFacts(
        doc_id=DocId(doc_id), source=source, item_id=item_id, name=name, title=title, url=url, acl=acl, kind=kind
    )
    return metadata(facts, section, page)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
