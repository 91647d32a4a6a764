"""What search may show (R7): live rows that the reader may see, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingestor.ledger.browsing import Shelved, shelf
from ingestor.ledger.database import Database
from ingestor.ledger.filters import Valid, Values, lives, visible
from ingestor.ledger.packing import (
    Spot,
    item_uri,
    shown_title,
    unpack_layout,
    unpack_order,
    unpack_section,
    unpack_units,
)
from ingestor.ledger.postings import Postings, Worth, ascending, best_first, together
from ingestor.ledger.queries import Queries
from ingestor.ledger.tags import tags_of, unpack_tags
from ingestor.ledger.texts import text_units
from ingestor.model import Candidate, ChunkId, DocId, Filters, Hash, HeldWord, Hit, Parent, Reader, UnitId

if TYPE_CHECKING:
    from ingestor.ledger.postings import Rows

_PAGE = 500
_WALKS_KEPT = 3  # of at most 20,000 candidates, which take 25 MB
_NARROW_KEPT, _NARROW_S = 1_000, 60.0  # a guess about what is quickest; the answer is the same either way
_LISTS_KEPT = 100  # of at most some 20,000 rows, 16 MB
_FEW = 20_000  # chunks that are listed in 15 ms; above it each match is asked about
_OVER = 4  # times as many as asked for are ranked before it is looked which of them a reader may see

# BM25 of a word that stands in the context of a chunk, its text being 1. From 0.35 to 1 alike.
RANK = "bm25(keyword, 1.0, 0.5)"

_EVERYTHING = Filters()
_OWNER = Reader()


def standing(valid: Valid) -> str:
    """Chunks with what they need to be shown, each once."""
    return f"""
FROM chunk
JOIN cut ON cut.chunk = chunk.id AND {valid("cut")}
JOIN document ON document.id = chunk.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
JOIN binding ON binding.doc = document.id AND {valid("binding")}
"""


def walking(valid: Valid) -> str:
    """The same for all that is visible: documents are judged before their chunks, of which there are ten times as
    many."""
    return f"""
FROM binding
JOIN document ON document.id = binding.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
CROSS JOIN chunk ON chunk.doc = document.id
CROSS JOIN cut ON cut.chunk = chunk.id AND {valid("cut")}
WHERE {valid("binding")} AND
"""


class SearchReads:
    """Implements ``ports.SearchLedger``. What it shows stands now; ``past.py`` has the same of an earlier moment."""

    def __init__(self, db: Database, queries: Queries) -> None:
        self._db = db
        self._queries = queries
        self._standing = standing(self._valid)
        self._walking = walking(self._valid)
        self._postings = Postings(db, queries)
        self._narrow: dict[tuple[Reader, Filters], float] = {}  # who sees little, and until when that is believed
        self._lists: dict[tuple[Reader, Filters], tuple[int, Rows]] = {}
        self._walked: dict[tuple[Reader, Filters, int, int | None], Sequence[Candidate]] = {}

    def _valid(self, table: str) -> str:
        return lives(table)

    def _visible(self, reader: Reader, filters: Filters, *, walk: bool = False) -> tuple[str, Values]:
        """A condition over what ``standing`` has, and the parameters of both."""
        return visible(reader, filters, walk=walk)

    def _told(self, column: str) -> str:
        """What is told of how a revision was made."""
        return f"revision.{column}"

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[tuple[int, float]]:
        match = " OR ".join(map(str, self._queries.sought(words)))
        if not match:
            return []
        shown, parameters = self._visible(reader, filters)
        asked = {"match": match, "limit": limit, "over": _OVER * limit, **parameters}
        ranking = f"SELECT rowid, -{RANK} FROM keyword WHERE keyword MATCH :match"
        order = f"ORDER BY {RANK} LIMIT"
        if not shown:
            return self._db.read(f"{ranking} {order} :limit", asked)
        condition, _ = self._visible(reader, filters, walk=True)
        listed = f"{ranking} AND +keyword.rowid IN (SELECT chunk.id {self._walking} {condition}) {order} :limit"
        if self._is_narrow(reader, filters):
            return self._db.read(listed, asked)
        # To ask of every match whether it may be shown costs three times what ranking does. A reader of a quarter of
        # the corpus or more sees enough of the best; and where these are all there are, they are all he can see.
        rows = self._db.read(f"{ranking} {order} :over", asked)
        may = f"EXISTS (SELECT 1 {self._standing} WHERE chunk.id = {{row}} AND {shown})"
        found, seen, looked = list[tuple[int, float]](), 0, 0
        while looked < len(rows) and len(found) < limit:  # who sees nearly all is soon served
            page = dict(rows[looked : looked + limit])
            looked += limit
            best = {**asked, "best": json.dumps(list(page))}
            kept = {
                row
                for (row,) in self._db.read(f"SELECT value FROM json_each(:best) WHERE {may.format(row='value')}", best)
            }
            seen += len(kept)
            found += [(row, score) for row, score in page.items() if row in kept]
        found = found[:limit]
        if len(found) == limit or len(rows) < _OVER * limit:
            return found
        # The filter inside the ranking, so that he gets the full number. Where he sees little, what that is is listed
        # first, and at once the next time (the plus keeps FTS5 from running the whole query again for each of it).
        if self._sees_few(reader, filters, seen, len(rows)):
            return self._db.read(listed, asked)
        return self._db.read(f"{ranking} AND {may.format(row='keyword.rowid')} {order} :limit", asked)

    def about_how_many(self) -> int:
        return self._queries.about_how_many()

    def worded(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[Candidate]:
        worth = together(self._postings.holders(self._queries.sought(words)))
        restricted = bool(self._visible(reader, filters)[0])
        if restricted and self._is_narrow(reader, filters):
            return self._worded_of_few(worth, limit, reader, filters)
        found, looked = list[Candidate](), 0
        for part in best_first(worth, _OVER * limit):
            for start in range(0, len(part), limit):  # who sees nearly all is soon served
                page = part[start : start + limit]
                found += self._resolved(page, reader, filters)
                looked += len(page)
                if len(found) >= limit:
                    return found[:limit]
            if restricted and looked < len(worth.rows) and self._sees_few(reader, filters, len(found), looked):
                return self._worded_of_few(worth, limit, reader, filters)
        return found

    def _worded_of_few(self, worth: Worth, limit: int, reader: Reader, filters: Filters) -> Sequence[Candidate]:
        """The same where it is known of all rows at once whether they may be shown."""
        best, *_ = best_first(worth.among(self._listed(reader, filters)), limit)
        return self._resolved(best, reader, filters)

    def _resolved(self, rows: Rows, reader: Reader, filters: Filters) -> list[Candidate]:
        """Those that the reader may see, in this order."""
        seen = {candidate.chunk: candidate for candidate in self.candidates(rows.tolist(), reader, filters)}
        return [seen[row] for row in rows.tolist() if row in seen]

    def _listed(self, reader: Reader, filters: Filters) -> Rows:
        """All chunk rows that the reader may see, ascending, as of the last commit."""
        ((last,),) = self._db.read("SELECT coalesce(max(seq), 0) FROM commits")
        known = self._lists.get((reader, filters))
        if known is None or known[0] != last:
            condition, parameters = self._visible(reader, filters, walk=True)
            known = last, ascending(self._db, "chunk.id", f"{self._walking} {condition}", parameters)
            if len(self._lists) >= _LISTS_KEPT:
                self._lists.clear()
            self._lists[reader, filters] = known
        return known[1]

    def _is_narrow(self, reader: Reader, filters: Filters) -> bool:
        return time.monotonic() < self._narrow.get((reader, filters), 0.0)

    def _sees_few(self, reader: Reader, filters: Filters, seen: int, looked: int) -> bool:
        """Whether to list all that a reader sees costs less than to ask of each, who saw so many of those that were
        looked at; if so it is remembered."""
        if seen * self._queries.about_how_many() > _FEW * looked:
            return False
        if len(self._narrow) >= _NARROW_KEPT:
            self._narrow.clear()
        self._narrow[reader, filters] = time.monotonic() + _NARROW_S
        return True

    def held(self, words: str, chunks: Collection[int]) -> Sequence[HeldWord]:
        return [word.of(chunks) for word in self._postings.holders(self._queries.sought(words))]

    def candidates(self, chunks: Iterable[ChunkId | int], reader: Reader, filters: Filters) -> Sequence[Candidate]:
        keys = list(dict.fromkeys(chunks))
        shown, parameters = self._visible(reader, filters)
        found: list[Candidate] = []
        for column, part in (
            ("chunk.id", [key for key in keys if isinstance(key, int)]),
            ("chunk.chunk_id", [key for key in keys if isinstance(key, str)]),
        ):
            for start in range(0, len(part), _PAGE):
                page = {f"k{n}": key for n, key in enumerate(part[start : start + _PAGE])}
                marks = ",".join(f":{name}" for name in page)
                also = f" AND {shown}" if shown else ""
                found += self._candidates(f"{self._standing} WHERE {column} IN ({marks}){also}", {**page, **parameters})
        return list({candidate.chunk: candidate for candidate in found}.values())

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        # Most searches ask for the same as the one before, and 10,000 take 60 ms to read. What has changed since has a
        # commit of a later number; and hits are resolved once more, whatever stands here (R7).
        ((last,),) = self._db.read("SELECT max(seq) FROM commits")
        asked = (reader, filters, limit, last)
        known = self._walked
        if asked not in known:
            condition, parameters = self._visible(reader, filters, walk=True)
            where = f"{self._walking} {condition or '1'} LIMIT :limit"
            walked = self._candidates(where, {"limit": limit, **parameters})
            kept = [(key, value) for key, value in known.items() if key[3] == last][1 - _WALKS_KEPT :]
            self._walked = dict([*kept, (asked, walked)])
            return walked
        return known[asked]

    def sample(self, documents: int) -> Sequence[str]:
        """The beginnings of so many documents, taken at random."""
        rows = self._db.read(
            """
            SELECT (SELECT group_concat(substr(text, 1, 1000), ' ') FROM
                       (SELECT text FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
                        WHERE chunk.doc = item.doc ORDER BY chunk.id LIMIT 3))
            FROM item JOIN source ON source.id = item.source AND source.removed_at IS NULL ORDER BY random() LIMIT ?
            """,
            (documents,),
        )
        return [text for (text,) in rows if text]

    def _candidates(self, where: str, parameters: dict[str, Any]) -> list[Candidate]:
        rows = self._db.read(
            f"SELECT chunk.id, chunk.chunk_id, chunk.doc, chunk.text_hash, cut.units {where}", parameters
        )
        return [
            Candidate(chunk=row, chunk_id=ChunkId(key), document=doc, text_hash=digest, units=unpack_units(units))
            for row, key, doc, digest, units in rows
        ]

    def places(self, chunks: Collection[int]) -> Mapping[int, tuple[int, int]]:
        _, moment = self._visible(_OWNER, _EVERYTHING)
        rows = self._db.read(
            f"SELECT DISTINCT layout.doc, layout.packed FROM chunk JOIN layout ON layout.doc = chunk.doc AND"
            f" {self._valid('layout')} WHERE chunk.id IN (SELECT value FROM json_each(:chunks))",
            {"chunks": json.dumps(list(chunks)), **moment},
        )
        standing = ((doc, place, chunk) for doc, packed in rows for place, chunk in enumerate(unpack_order(packed)))
        asked = set(chunks)
        return {chunk: (doc, place) for doc, place, chunk in standing if chunk in asked}

    def text_units(self, hashes: Iterable[Hash]) -> Mapping[Hash, UnitId]:
        return text_units(self._db, hashes)

    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        shown, parameters = self._visible(reader, _EVERYTHING)
        spots: dict[int, dict[int, tuple[int, Spot]]] = {}
        found: list[Hit] = []
        for chunk, score in scored:
            rows = self._db.read(
                f"""
                SELECT chunk.chunk_id, chunk.text, chunk.doc, cut.section, cut.page, document.doc_id, source.name,
                       binding.item_id, binding.name, binding.title, binding.url, layout.kind, layout.revision,
                       layout.packed, revision.committed_at, document.source, binding.parent, revision.modified_at,
                       {self._told("pinned_url")}, {self._told("author")},
                       {tags_of("document.id", self._valid("document_tag"))}
                {self._standing}
                JOIN layout ON layout.doc = document.id AND {self._valid("layout")}
                JOIN revision ON revision.doc = layout.doc AND revision.number = layout.revision
                WHERE chunk.id = :chunk {"AND " if shown else ""}{shown}
                """,
                {"chunk": chunk, **parameters},
            )
            if not rows:
                continue
            (key, text, doc, section, page, doc_id, source, item_id, name, title, url, kind) = rows[0][:12]
            revision, packed, committed_at, source_row, parent, modified_at, pinned_url, author, tags = rows[0][12:]
            if doc not in spots:
                spots[doc] = {spot.chunk: (place, spot) for place, spot in enumerate(unpack_layout(packed))}
            if chunk not in spots[doc]:
                continue  # the document changed between two reads; its new chunks are found by the next search
            place, spot = spots[doc][chunk]
            found.append(
                Hit(
                    chunk_id=ChunkId(key),
                    document_id=DocId(doc_id),
                    source=source,
                    title=shown_title(title, name),
                    uri=item_uri(source, item_id),
                    url=url,
                    pinned_url=pinned_url,
                    section=unpack_section(section),
                    page=page,
                    lines=spot.lines,
                    span=(spot.start, spot.end),
                    score=score,
                    text=text,
                    revision=revision,
                    ingested_at=committed_at,
                    kind=kind,
                    anchor=spot.anchor,
                    place=place,
                    parent=self._parent(source_row, parent, reader) if parent is not None else None,
                    changed_at=committed_at if modified_at is None else modified_at,
                    tags=unpack_tags(tags),
                    author=author,
                )
            )
        return found

    def passages(self, document: DocId, first: int, count: int, reader: Reader) -> Sequence[Hit]:
        spots = self._spots(document)
        return self.hits([(spot.chunk, 0.0) for spot in spots[max(first, 0) : max(first + count, 0)]], reader)

    def length(self, document: DocId, reader: Reader) -> int:
        return len(self._spots(document)) if self.passages(document, 0, 1, reader) else 0

    def shelf(self, source: str, after: str, count: int, reader: Reader) -> Sequence[Shelved]:
        return shelf(self._db, source, after, count, reader)

    def sources(self, reader: Reader) -> Sequence[str]:
        shown, parameters = self._visible(reader, _EVERYTHING)
        rows = self._db.read(
            "SELECT name FROM source WHERE removed_at IS NULL"
            + (
                " AND EXISTS (SELECT 1 FROM document JOIN binding ON binding.doc = document.id AND binding.died IS NULL"
                f" WHERE document.source = source.id AND {shown})"
                if shown
                else ""
            )
            + " ORDER BY name",
            parameters,
        )
        return [name for (name,) in rows]

    def documents(self, reader: Reader, filters: Filters) -> Sequence[tuple[DocId, str]]:
        """(id, title) of every document with text that the reader may see, by source and place."""
        shown, parameters = self._visible(reader, filters)
        rows = self._db.read(
            "SELECT document.doc_id, binding.title, binding.name FROM document"
            " JOIN source ON source.id = document.source AND source.removed_at IS NULL"
            f" JOIN binding ON binding.doc = document.id AND {self._valid('binding')}"
            f" JOIN layout ON layout.doc = document.id AND {self._valid('layout')}"
            f"{' WHERE ' if shown else ''}{shown} ORDER BY source.name, binding.item_id",
            parameters,
        )
        return [(DocId(doc_id), shown_title(title, name)) for doc_id, title, name in rows]

    def _spots(self, document: DocId) -> Sequence[Spot]:
        _, moment = self._visible(_OWNER, _EVERYTHING)
        rows = self._db.read(
            f"SELECT layout.packed FROM document JOIN layout ON layout.doc = document.id AND {self._valid('layout')}"
            " WHERE document.doc_id = :document",
            {"document": document, **moment},
        )
        return unpack_layout(rows[0][0]) if rows else ()

    def _parent(self, source: int, item_id: str, reader: Reader) -> Parent | None:
        """The document at that id, where there is one (and no mere folder) and the reader may see it (R7)."""
        shown, parameters = self._visible(reader, _EVERYTHING)
        rows = self._db.read(
            f"""
            SELECT source.name, binding.item_id, binding.title, binding.name FROM item
            JOIN source ON source.id = item.source AND source.removed_at IS NULL
            JOIN binding ON binding.doc = item.doc AND binding.died IS NULL
            WHERE item.source = :source AND item.item_id = :item {"AND " if shown else ""}{shown}
            """,
            {"source": source, "item": item_id, **parameters},
        )
        return next(
            (Parent(uri=item_uri(at, item), title=shown_title(title, name)) for at, item, title, name in rows), None
        )
