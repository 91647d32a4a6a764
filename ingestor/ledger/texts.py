"""Texts of chunks as units, for models that embed passages whole (``model.is_whole``).

Such a unit has the chunk's text and so its hash, and stands in no cut: it is made when its chunk is about to be
embedded, and goes when no generation of such a model is left or no chunk has the text any more. So a text that
stands in several chunks is embedded once, and a ledger that pools units holds no text twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingestor.ledger.database import Database
from ingestor.ledger.packing import unpack_units
from ingestor.model import GenerationId, Hash, ModelId, UnitId, is_whole

_PAGE = 500  # rows a statement; below SQLite's bound on parameters


def text_units(db: Database, hashes: Iterable[Hash]) -> dict[Hash, UnitId]:
    """The units that have these texts; those that are not made yet are left out."""
    asked, found = list(dict.fromkeys(hashes)), dict[Hash, UnitId]()
    for start in range(0, len(asked), _PAGE):
        part = asked[start : start + _PAGE]
        marks = ",".join("?" * len(part))
        found.update(db.read(f"SELECT hash, id FROM unit WHERE hash IN ({marks})", tuple(part)))
    return found


def embedded_units(
    db: Database, model: ModelId, rows: Sequence[tuple[bytes, Hash]]
) -> list[tuple[tuple[UnitId, int], ...]]:
    """What makes the vector of each chunk for this model. ``rows`` have a cut's packed units and its text's hash."""
    if not is_whole(model):
        return [unpack_units(packed) for packed, _ in rows]
    units = text_units(db, (digest for _, digest in rows))
    return [((units[digest], 1),) if digest in units else () for _, digest in rows]


def unembedded(db: Database, generation: GenerationId, limit: int) -> list[tuple[int, tuple[UnitId, ...]]]:
    """(cut, the unit that is its text) of live chunks not marked ready, newest first; units are made where they
    are lacking."""
    rows = db.read(
        """
        SELECT cut.id, chunk.text_hash, chunk.text FROM index_state INDEXED BY index_state_embed
        JOIN cut ON cut.chunk = index_state.chunk AND cut.died IS NULL
        JOIN chunk ON chunk.id = index_state.chunk
        WHERE generation = ? AND alive = 1 AND ready = 0 ORDER BY index_state.chunk DESC LIMIT ?
        """,
        (generation, limit),
    )
    units = text_units(db, (digest for _, digest, _ in rows))
    if lacking := {digest: text for _, digest, text in rows if digest not in units}:
        with db.write() as tx:
            tx.executemany("INSERT OR IGNORE INTO unit (hash, text) VALUES (?, ?)", list(lacking.items()))
        units |= text_units(db, lacking)
    return [(cut, (units[digest],)) for cut, digest, _ in rows if digest in units]


def settled(db: Database, generation: GenerationId) -> set[UnitId]:
    """The units that are the texts of live chunks marked ready; a chunk whose text is no unit, which is damage, stands
    for itself by a number that no unit has."""
    after, units = -1, set[UnitId]()
    while rows := db.read(
        "SELECT cut.id, coalesce(unit.id, -1 - chunk.id) FROM cut JOIN chunk ON chunk.id = cut.chunk"
        " LEFT JOIN unit ON unit.hash = chunk.text_hash WHERE cut.died IS NULL AND cut.id > ? AND EXISTS"
        " (SELECT 1 FROM index_state WHERE index_state.chunk = chunk.id AND ready = 1 AND generation = ?)"
        " ORDER BY cut.id LIMIT 5000",
        (after, generation),
    ):
        units.update(unit for _, unit in rows)
        after = rows[-1][0]
    return units


def some_whole(db: Database) -> bool:
    """Whether some generation has its vectors of texts."""
    return any(is_whole(model) for (model,) in db.read("SELECT model FROM generation WHERE state != 'condemned'"))
