"""Whether the rows of the ledger can all be true together, and what mends them when they cannot.

Every commit leaves the ledger sound (R1), so whatever is found here was done to it from outside: a bad disk,
a hand with a database tool, a bug. Each question is one statement, or one statement a page, and so sees one
moment: what others commit meanwhile is never mistaken for damage.

Most damage is mended from the ledger itself. A document whose own rows contradict each other is taken out as
if it had been deleted, and the next listing of its source brings it back: under its own id, with the vectors
that its units have still.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ingestor.errors import LedgerError
from ingestor.ledger.database import Database, Transaction
from ingestor.ledger.packing import CALLED, DocumentFacts, metadata, unpack_layout, unpack_units, wanted
from ingestor.model import GenerationId, UnitId, blake

_PAGE = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RowProblem:
    """``count`` rows that cannot be. Lost: something is not found that should be; orphan: something is there
    that should not; stale: something is not as it should be."""

    damage: Literal["lost", "orphan", "stale"]
    count: int
    what: str

    def __str__(self) -> str:
        return f"{self.count} {self.what}"


_BROKEN_ITEM = """
    NOT EXISTS (SELECT 1 FROM document WHERE id = item.doc)
    OR (SELECT count(*) FROM binding WHERE doc = item.doc AND died IS NULL) != 1
    OR (SELECT count(*) FROM layout JOIN revision ON revision.doc = layout.doc AND number = layout.revision
        WHERE layout.doc = item.doc AND died IS NULL) != 1
"""

_NO_DOCUMENT = """
    NOT EXISTS (SELECT 1 FROM item JOIN chunk ON chunk.doc = item.doc WHERE chunk.id = cut.chunk)
"""

_LEFT_BEHIND = """
    SELECT doc FROM binding WHERE died IS NULL AND NOT EXISTS (SELECT 1 FROM item WHERE item.doc = binding.doc)
    UNION ALL
    SELECT doc FROM layout WHERE died IS NULL AND NOT EXISTS (SELECT 1 FROM item WHERE item.doc = layout.doc)
    UNION ALL
    SELECT doc FROM document_tag WHERE died IS NULL
        AND NOT EXISTS (SELECT 1 FROM item WHERE item.doc = document_tag.doc)
"""

# What is attached to something lives, stands and is shown where that does.
_ATTACHED = """
    SELECT item.doc FROM document JOIN item ON item.doc = document.id
    LEFT JOIN item AS above ON above.doc = document.container
    WHERE document.container IS NOT NULL
"""
_ATTACHED_TO_NOTHING = f"{_ATTACHED} AND above.doc IS NULL"
_ATTACHED_ELSEWHERE = f"""
    {_ATTACHED} AND (item.item_id IS NOT above.item_id || document.part OR EXISTS (
        SELECT 1 FROM binding JOIN binding AS holds ON holds.doc = above.doc AND holds.died IS NULL
        WHERE binding.doc = item.doc AND binding.died IS NULL
          AND (binding.item_id != item.item_id OR binding.acl != holds.acl)))
"""

# Rows of an index state that stand for nothing. A chunk's row outlives its index states.
_NOBODYS_STATE = """
    NOT EXISTS (SELECT 1 FROM chunk WHERE id = index_state.chunk)
    OR NOT EXISTS (SELECT 1 FROM generation WHERE id = index_state.generation AND state != 'condemned')
"""

# What a purge emptied waits without a cut for the next maintenance: that is no damage.
_NOBODYS_CHUNK = """
    text != '' AND NOT EXISTS (SELECT 1 FROM cut WHERE chunk = chunk.id)
    AND NOT EXISTS (SELECT 1 FROM index_state WHERE chunk = chunk.id)
"""

_COUNTS: Sequence[tuple[Literal["lost", "orphan", "stale"], str, str]] = (
    (
        "lost",
        "live item(s) without exactly one binding, layout and revision",
        f"SELECT count(*) FROM item WHERE {_BROKEN_ITEM}",
    ),
    (
        "orphan",
        "live chunk(s) without a live document",
        f"SELECT count(*) FROM cut WHERE died IS NULL AND {_NO_DOCUMENT}",
    ),
    ("orphan", "live binding(s), layout(s) or tag(s) of no live document", f"SELECT count(*) FROM ({_LEFT_BEHIND})"),
    ("orphan", "attachment(s) of no live document", f"SELECT count(*) FROM ({_ATTACHED_TO_NOTHING})"),
    (
        "stale",
        "attachment(s) that do not stand where their document does, or are not shown to the same readers",
        f"SELECT count(*) FROM ({_ATTACHED_ELSEWHERE})",
    ),
    (
        "lost",
        "live chunk(s) missing from a generation",
        """
        SELECT count(*) FROM cut JOIN generation ON generation.state != 'condemned'
        LEFT JOIN index_state ON index_state.chunk = cut.chunk AND index_state.generation = generation.id
            AND index_state.alive = 1
        WHERE cut.died IS NULL AND index_state.chunk IS NULL
        """,
    ),
    (
        "orphan",
        "dead chunk(s) wanted by a generation",
        f"""
        SELECT count(*) FROM index_state LEFT JOIN cut ON cut.chunk = index_state.chunk AND cut.died IS NULL
        WHERE index_state.alive = 1 AND cut.chunk IS NULL AND NOT ({_NOBODYS_STATE})
        """,
    ),
    (
        "orphan",
        "index state(s) of no chunk or no generation",
        f"SELECT count(*) FROM index_state WHERE {_NOBODYS_STATE}",
    ),
    ("orphan", "chunk row(s) that no document has or had", f"SELECT count(*) FROM chunk WHERE {_NOBODYS_CHUNK}"),
)

_LAYOUTS = """
SELECT layout.doc, layout.packed, (
    SELECT group_concat(cut.chunk) FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
    WHERE chunk.doc = layout.doc
) FROM layout JOIN item ON item.doc = layout.doc WHERE layout.died IS NULL AND layout.doc > ?
ORDER BY layout.doc LIMIT ?
"""

# As bytes: text that is no UTF-8 any more cannot be read as text.
_TEXTS = """
SELECT cut.id, chunk.id, chunk.doc, chunk.text_hash, CAST(chunk.text AS BLOB), cut.units, CAST(cut.context AS BLOB)
FROM cut JOIN chunk ON chunk.id = cut.chunk WHERE cut.died IS NULL AND cut.id > ? ORDER BY cut.id LIMIT ?
"""

_WANTED = """
SELECT index_state.chunk, index_state.wanted, cut.units, cut.section, cut.page, document.doc_id, source.name,
       binding.item_id, binding.name, binding.title, binding.url, binding.acl, layout.kind
FROM index_state
JOIN chunk ON chunk.id = index_state.chunk
JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
JOIN document ON document.id = chunk.doc
JOIN source ON source.id = document.source
JOIN binding ON binding.doc = document.id AND binding.died IS NULL
JOIN layout ON layout.doc = document.id AND layout.died IS NULL
WHERE index_state.generation = ? AND alive = 1 AND index_state.chunk > ? ORDER BY index_state.chunk LIMIT ?
"""


class Checks:
    """Measured: 0.1 s for 1,000 chunks, all of them together."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def quick_check(self) -> Sequence[str]:
        """What SQLite finds wrong with the file itself; empty when nothing is."""
        return self._db.quick_check()

    def keyword_problems(self) -> list[RowProblem]:
        """Whether the keyword index holds exactly the live chunks' text: row ids first, then the words."""
        live = "(SELECT chunk FROM cut WHERE died IS NULL)"
        counts: tuple[tuple[Literal["lost", "orphan"], str, str], ...] = (
            (
                "lost",
                "live chunk(s) without a keyword row",
                f"{live} WHERE chunk NOT IN (SELECT id FROM keyword_docsize)",
            ),
            ("orphan", "keyword row(s) without a live chunk", f"keyword_docsize WHERE id NOT IN {live}"),
        )
        found = [
            RowProblem(damage=damage, count=count, what=what)
            for damage, what, rows in counts
            if (count := self._db.read(f"SELECT count(*) FROM {rows}")[0][0])
        ]
        if found:
            return found
        try:
            with self._db.write() as tx:
                # rank 1 also compares with the content, which is a view of the live chunks.
                tx.execute("INSERT INTO keyword (keyword, rank) VALUES ('integrity-check', 1)")
        except LedgerError as error:
            what = f"keyword index that disagrees with the text of the live chunks: {error}"
            return [RowProblem(damage="stale", count=1, what=what)]
        return []

    def rebuild_keyword(self) -> None:
        with self._db.write() as tx:
            _ = tx.seq  # what is kept of the index until the next commit goes
            tx.execute("INSERT INTO keyword (keyword) VALUES ('rebuild')")

    def row_problems(self) -> list[RowProblem]:
        """Rows that cannot be."""
        found = [
            RowProblem(damage=damage, count=count, what=what)
            for damage, what, sql in _COUNTS
            if (count := self._db.read(sql)[0][0])
        ]
        lost, orphan, _ = self._layouts()
        texts, units = self._contents()
        stale = sum(len(self._unlike_wanted(generation, model)) for generation, model in self._generations())
        found += [
            RowProblem(damage="lost", count=lost, what="chunk(s) that a live layout names and that do not live"),
            RowProblem(damage="orphan", count=orphan, what="live chunk(s) that their document's layout does not name"),
            RowProblem(damage="stale", count=len(texts), what="live chunk(s) whose text is not what was committed"),
            RowProblem(damage="lost", count=len(units), what="unit(s) of live chunks without their text"),
            RowProblem(damage="stale", count=stale, what="wanted state(s) that are not those of the live chunks"),
        ]
        return [problem for problem in found if problem.count]

    def settled_unit_ids(self, generation: GenerationId | None = None) -> set[UnitId]:
        """The units of every live chunk that this generation (None: some generation) holds to be embedded."""
        after, units = -1, set[UnitId]()
        while rows := self._db.read(
            "SELECT id, units FROM cut WHERE died IS NULL AND id > :after AND EXISTS (SELECT 1 FROM index_state"
            " WHERE index_state.chunk = cut.chunk AND ready = 1 AND generation = coalesce(:generation, generation))"
            " ORDER BY id LIMIT 5000",
            {"after": after, "generation": generation},
        ):
            for _, blob in rows:
                units.update(unit for unit, _ in unpack_units(blob))
            after = rows[-1][0]
        return units

    def unknown_units(self, units: Sequence[UnitId]) -> list[UnitId]:
        """Those of ``units`` that the ledger does not know (any more)."""
        known = {unit for (unit,) in self._db.read("SELECT id FROM unit")}
        return [unit for unit in units if unit not in known]

    # -- mending -----------------------------------------------------------------------------------

    def repair_rows(self) -> list[str]:
        """Mend what ``row_problems`` found, in one transaction, which takes as long as they do; returns the
        sources that have to be listed anew, because documents of theirs were taken out. Followed by
        ``IndexStates.rewant``."""
        with self._db.write() as tx:
            docs = {doc for (doc,) in tx.execute(f"SELECT doc FROM item WHERE {_BROKEN_ITEM}")}
            docs |= {doc for (doc,) in tx.execute(f"{_LEFT_BEHIND} UNION ALL {_ATTACHED_TO_NOTHING}")}
            docs |= {doc for (doc,) in tx.execute(_ATTACHED_ELSEWHERE)} | self._layouts()[2]
            texts, units = self._contents()
            docs |= set(texts.values()) | self._docs_with(units)
            tx.executemany("DELETE FROM unit WHERE id = ?", [(unit,) for unit in units])
            sources = set[str]()
            for doc in _families(tx, docs):
                sources |= _take_out(tx, doc)
            for chunk in texts:
                _erase_chunk(tx, chunk)
            tx.execute(f"UPDATE cut SET died = ? WHERE died IS NULL AND {_NO_DOCUMENT}", (tx.seq,))
            tx.execute(f"DELETE FROM index_state WHERE {_NOBODYS_STATE}")
            tx.execute(f"DELETE FROM chunk WHERE {_NOBODYS_CHUNK}")
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
            # A journal told of them once and will not again.
            tx.executemany("UPDATE source SET cursor = NULL WHERE name = ?", [(name,) for name in sources])
            self.rebuild_keyword()
        return sorted(sources)

    # -- the longer walks ----------------------------------------------------------------------------

    def _layouts(self) -> tuple[int, int, set[int]]:
        """(chunks named and dead, chunks alive and not named, the documents where that is so)."""
        lost, orphan, docs = 0, 0, set[int]()
        for doc, packed, live in self._pages(_LAYOUTS):
            named = Counter(spot.chunk for spot in unpack_layout(packed))
            alive = Counter(map(int, live.split(","))) if live else Counter[int]()
            if named != alive:
                lost, orphan = lost + (named - alive).total(), orphan + (alive - named).total()
                docs.add(doc)
        return lost, orphan, docs

    def _contents(self) -> tuple[dict[int, int], set[int]]:
        """(live chunks whose text or context is another than the one committed, with their documents; units of live
        chunks whose text is)."""
        texts, used = dict[int, int](), set[int]()
        named: dict[tuple[int, bytes], dict[int, int]] = {}  # what a context says of a unit, and which chunks do
        for _, chunk, doc, digest, text, units, context in self._pages(_TEXTS):
            pairs = unpack_units(units)
            above = [unit for unit, weight in pairs if weight < 0]
            lines = [line for line in context.split(b"\n") if line and not line.startswith(CALLED.encode())]
            if blake(text) != digest or len(lines) != len(above):
                texts[chunk] = doc
            for pair in zip(above, lines, strict=False):
                named.setdefault(pair, {})[chunk] = doc
            used.update(unit for unit, _ in pairs)
        hashes = dict[int, bytes]()
        for unit, digest, text in self._pages(
            "SELECT id, hash, CAST(text AS BLOB) FROM unit WHERE id > ? ORDER BY id LIMIT ?"
        ):
            hashes[unit] = digest
            # A damaged one counts though no cut has it: a model that embeds passages whole may.
            (used.discard if blake(text) == digest else used.add)(unit)
        for (unit, line), chunks in named.items():
            if hashes.get(unit, b"") not in {b"", blake(line)}:
                texts |= chunks
        return texts, used

    def _docs_with(self, units: set[int]) -> set[int]:
        if not units:
            return set()
        return {row[2] for row in self._pages(_TEXTS) if not units.isdisjoint(unit for unit, _ in unpack_units(row[5]))}

    def _unlike_wanted(self, generation: int, model: Any) -> list[int]:
        """Live chunks whose wanted state is not the digest of what they are; an empty one is yet to be made."""
        return [
            chunk
            for chunk, digest, units, section, page, *facts in self._pages(_WANTED, generation)
            if digest not in {b"", wanted(model, units, metadata(_facts(facts), section, page))}
        ]

    def _generations(self) -> list[tuple[int, str]]:
        return [
            (generation, model)
            for generation, model in self._db.read("SELECT id, model FROM generation WHERE state != 'condemned'")
        ]

    def _pages(self, sql: str, *first: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement that ends with a key to start after and a number of rows; a page is one moment."""
        after = -1
        while rows := self._db.read(sql, (*first, after, _PAGE)):
            yield from rows
            after = rows[-1][0]


def _facts(row: Sequence[Any]) -> DocumentFacts:
    doc_id, source, item_id, name, title, url, acl, kind = row
    return DocumentFacts(
        doc_id=doc_id, source=source, item_id=item_id, name=name, title=title, url=url, acl=acl, kind=kind
    )


def _families(tx: Transaction, docs: set[int]) -> list[int]:
    """These documents, what they are attached to, and what is attached to that: an attachment returns only with
    the item that it came with."""
    rows = tx.execute(
        """
        WITH RECURSIVE up (doc) AS (
            SELECT value FROM json_each(?)
            UNION SELECT container FROM document JOIN up ON id = up.doc WHERE container IS NOT NULL
        ), family (doc) AS (
            SELECT doc FROM up
            UNION SELECT document.id FROM document JOIN family ON container = family.doc
        )
        SELECT doc FROM family ORDER BY doc
        """,
        (json.dumps(sorted(docs)),),
    )
    return [doc for (doc,) in rows]


def _take_out(tx: Transaction, doc: int) -> set[str]:
    """End everything of a document, as a deletion would: so that it returns under its id. Its source, unless
    that was removed."""
    sources = tx.execute(
        "SELECT source.name FROM source WHERE removed_at IS NULL AND id IN"
        " (SELECT source FROM item WHERE doc = ?1 UNION SELECT source FROM document WHERE id = ?1)",
        (doc,),
    ).fetchall()
    tx.execute("DELETE FROM item WHERE doc = ?", (doc,))
    tx.execute("DELETE FROM quarantine WHERE doc = ?", (doc,))
    for table in ("layout", "binding", "document_tag"):
        tx.execute(f"UPDATE {table} SET died = ? WHERE doc = ? AND died IS NULL", (tx.seq, doc))
    tx.execute(
        "UPDATE cut SET died = ? WHERE died IS NULL AND chunk IN (SELECT id FROM chunk WHERE doc = ?)", (tx.seq, doc)
    )
    return {name for (name,) in sources}


def _erase_chunk(tx: Transaction, chunk: int) -> None:
    """Forget a row whose text is wrong: a chunk that comes back under its id would be taken for it. What the
    indexes hold of it becomes a stray, to be deleted there unless it comes back."""
    tx.execute(
        "INSERT OR IGNORE INTO stray (generation, scope, chunk_id) SELECT generation, coalesce(scope, ''), chunk_id"
        " FROM index_state JOIN chunk ON chunk.id = index_state.chunk LEFT JOIN document ON document.id = chunk.doc"
        " LEFT JOIN source ON source.id = document.source WHERE chunk = ?",
        (chunk,),
    )
    tx.execute("DELETE FROM index_state WHERE chunk = ?", (chunk,))
    tx.execute("DELETE FROM cut WHERE chunk = ?", (chunk,))
    tx.execute("DELETE FROM chunk WHERE id = ?", (chunk,))
