"""What search may show (R7): live rows that the reader may see, and nothing else."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from ingestor.ledger.database import Database
from ingestor.ledger.filters import visible
from ingestor.ledger.packing import Spot, item_uri, shown_title, unpack_layout, unpack_section, unpack_units
from ingestor.ledger.stems import LEAST, MOST_FORMS, beginning, forms, stemmed
from ingestor.model import Candidate, ChunkId, DocId, Filters, HeldWord, Hit, Parent, Reader

_PAGE = 500
_COMMON = 0.10  # a word in more than this share of chunks is left out while rarer ones remain (FACTS)
_COUNT_FROM = 2_000  # below so many chunks ranking every match is cheap anyway
_COUNT_KEPT_S = 60.0
_MOST_WORDS = 32  # of a question, the rarest first: a pasted page of 1,000 words took 2.4 s at 100,000 chunks
_MOST_MATCHES = 60_000  # that are ranked for one question, the rarest words first: 10 to 15 ms however large the corpus
_FREQUENCIES_KEPT = 20_000
_WALKS_KEPT = 3  # of at most 20,000 candidates, which take 25 MB
_FEW = 20_000  # chunks that are listed in 15 ms; above it each match is asked about
_OVER = 4  # times as many as asked for are ranked before it is looked which of them a reader may see

# BM25 of a word that stands in the context of a chunk, its text being 1. From 0.35 to 1 alike.
_RANK = "bm25(keyword, 1.0, 0.5)"

_WORD = re.compile(r"[^\W_]+(?:[-_.:/'’][^\W_]+)*")
# What stands in quotation marks is one term; a star behind a term, and nothing behind it, means what begins so.
_TERM = re.compile(
    rf"""["“„](?P<phrase>[^"“”„]+)["”“](?P<open>\*?)|(?P<word>{_WORD.pattern})(?P<prefix>\*(?![\w*]))?"""
)
# What questions are made of whatever they are about; none of them is a name or a unit.
_STOPWORDS = frozenset(
    "a about also am an and any are as at be because been before being but by can could did do does doing done few for"
    " from get gets got had has have he her here him his how i if in into is it its just me might more most much must"
    " my of on only or other our own s same shall she should so some such than that the their them then there these"
    " they this those through to too under until up very was we were what when where which while who whom whose why"
    " will with would you your".split()
)

_EVERYTHING = Filters()

WORDS = "CREATE VIRTUAL TABLE temp.keyword_words USING fts5vocab (main, keyword, row)"
"""The words of the keyword index, in order; a view of it that every connection has of its own."""

_MOST_WORDS_ALIKE = 2_000  # that begin as a word does and are looked at for its other forms

_LIVE = """
FROM chunk
JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
JOIN document ON document.id = chunk.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
JOIN binding ON binding.doc = document.id AND binding.died IS NULL
"""


# The same for all that is visible: documents are judged before their chunks, of which there are ten times as many.
_WALK = """
FROM binding
JOIN document ON document.id = binding.doc
JOIN source ON source.id = document.source AND source.removed_at IS NULL
CROSS JOIN chunk ON chunk.doc = document.id
CROSS JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL
WHERE binding.died IS NULL AND
"""


class _Sought(NamedTuple):
    """What to look for, as FTS5 writes it. ``in_context``: also where it stands above chunks, because few do there."""

    term: str
    in_context: bool

    def __str__(self) -> str:
        return self.term if self.in_context else f"text : {self.term}"


class SearchReads:
    """Implements ``ports.SearchLedger``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._size = (0, float("-inf"))  # live chunks, and when they were counted
        self._frequencies: dict[tuple[str, str], int] = {}  # counted since then
        self._forms: dict[str, str] = {}  # likewise
        self._walked: dict[tuple[Reader, Filters, int, int | None], Sequence[Candidate]] = {}
        self.languages: Callable[[], Collection[str]] = frozenset
        """What the documents are written in; words of these languages are found in all their forms."""

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[tuple[int, float]]:
        match = " OR ".join(map(str, self._sought(words)))
        if not match:
            return []
        shown, parameters = visible(reader, filters)
        asked = {"match": match, "limit": limit, "over": _OVER * limit, **parameters}
        ranking = f"SELECT rowid, -{_RANK} FROM keyword WHERE keyword MATCH :match"
        order = f"ORDER BY {_RANK} LIMIT"
        if not shown:
            return self._db.read(f"{ranking} {order} :limit", asked)
        # To ask of every match whether it may be shown costs three times what ranking does. A reader of a quarter of
        # the corpus or more sees enough of the best; and where these are all there are, they are all he can see.
        rows = self._db.read(f"{ranking} {order} :over", asked)
        best = {**asked, "best": json.dumps([row for row, _ in rows])}
        may = f"EXISTS (SELECT 1 {_LIVE} WHERE chunk.id = {{row}} AND {shown})"
        seen = self._db.read(f"SELECT value FROM json_each(:best) WHERE {may.format(row='value')}", best)
        shown_rows = {row for (row,) in seen}
        found = [(row, score) for row, score in rows if row in shown_rows][:limit]
        if len(found) == limit or len(rows) < _OVER * limit:
            return found
        # The filter inside the ranking, so that he gets the full number. Where he sees little, what that is stands
        # ready (and the plus keeps FTS5 from running the whole query again for each of it).
        if len(seen) * self._about_how_many() <= _FEW * len(rows):
            condition, _ = visible(reader, filters, walk=True)
            inside = f"+keyword.rowid IN (SELECT chunk.id {_WALK} {condition})"
        else:
            inside = may.format(row="keyword.rowid")
        return self._db.read(f"{ranking} AND {inside} {order} :limit", asked)

    def held(self, words: str, chunks: Collection[int]) -> Sequence[HeldWord]:
        asked, found = json.dumps(list(chunks)), list[HeldWord]()
        for sought in self._sought(words):
            rarity, holders = self._holders("text", sought.term, asked)
            if not sought.in_context:
                found.append(HeldWord(rarity=rarity, chunks=holders))
                continue
            context_rarity, context = self._holders("context", sought.term, asked)
            found.append(HeldWord(rarity=rarity, chunks=holders, context_rarity=context_rarity, context=context))
        return found

    def _holders(self, column: str, term: str, asked: str) -> tuple[float, list[int]]:
        """How rare a term is there, and which of the chunks ``asked`` (JSON) hold it."""
        # As a filter of the aggregate: as a condition, FTS5 would run once for each of the chunks.
        ((count, rows),) = self._db.read(
            "SELECT count(*), json_group_array(rowid)"
            " FILTER (WHERE rowid IN (SELECT value FROM json_each(:chunks)))"
            " FROM keyword WHERE keyword MATCH :word",
            {"word": f"{column} : {term}", "chunks": asked},
        )
        return _rarity(count, self._about_how_many()), json.loads(rows)

    def candidates(self, chunks: Iterable[ChunkId | int], reader: Reader, filters: Filters) -> Sequence[Candidate]:
        keys = list(dict.fromkeys(chunks))
        shown, parameters = visible(reader, filters)
        found: list[Candidate] = []
        for column, part in (
            ("chunk.id", [key for key in keys if isinstance(key, int)]),
            ("chunk.chunk_id", [key for key in keys if isinstance(key, str)]),
        ):
            for start in range(0, len(part), _PAGE):
                page = {f"k{n}": key for n, key in enumerate(part[start : start + _PAGE])}
                marks = ",".join(f":{name}" for name in page)
                also = f" AND {shown}" if shown else ""
                found += self._candidates(f"{_LIVE} WHERE {column} IN ({marks}){also}", {**page, **parameters})
        return list({candidate.chunk: candidate for candidate in found}.values())

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        # Most searches ask for the same as the one before, and 10,000 take 60 ms to read. What has changed since has a
        # commit of a later number; and hits are resolved once more, whatever stands here (R7).
        ((last,),) = self._db.read("SELECT max(seq) FROM commits")
        asked = (reader, filters, limit, last)
        known = self._walked
        if asked not in known:
            condition, parameters = visible(reader, filters, walk=True)
            walked = self._candidates(f"{_WALK} {condition or '1'} LIMIT :limit", {"limit": limit, **parameters})
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

    def _about_how_many(self) -> int:
        """Live chunks, as of the last minute: what is common does not change faster, and counting 100,000
        costs more than the search."""
        count, at = self._size
        if count < _COUNT_FROM or time.monotonic() - at > _COUNT_KEPT_S:
            count = self.live_chunks()
            self._size = (count, time.monotonic())
            self._frequencies, self._forms = {}, {}
        return count

    def live_chunks(self) -> int:
        return int(self._db.read("SELECT count(*) FROM cut WHERE died IS NULL")[0][0])

    def _candidates(self, where: str, parameters: dict[str, object]) -> list[Candidate]:
        rows = self._db.read(f"SELECT chunk.id, chunk.chunk_id, chunk.text_hash, cut.units {where}", parameters)
        return [
            Candidate(chunk=row, chunk_id=ChunkId(key), text_hash=digest, units=unpack_units(units))
            for row, key, digest, units in rows
        ]

    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        shown, parameters = visible(reader, _EVERYTHING)
        spots: dict[int, dict[int, tuple[int, Spot]]] = {}
        found: list[Hit] = []
        for chunk, score in scored:
            rows = self._db.read(
                f"""
                SELECT chunk.chunk_id, chunk.text, chunk.doc, cut.section, cut.page, document.doc_id, source.name,
                       binding.item_id, binding.name, binding.title, binding.url, layout.kind, layout.revision,
                       layout.packed, revision.committed_at, document.source, binding.parent, revision.modified_at,
                       revision.pinned_url
                {_LIVE}
                JOIN layout ON layout.doc = document.id AND layout.died IS NULL
                JOIN revision ON revision.doc = layout.doc AND revision.number = layout.revision
                WHERE chunk.id = :chunk {"AND " if shown else ""}{shown}
                """,
                {"chunk": chunk, **parameters},
            )
            if not rows:
                continue
            (key, text, doc, section, page, doc_id, source, item_id, name, title, url, kind) = rows[0][:12]
            revision, packed, committed_at, source_row, parent, modified_at, pinned_url = rows[0][12:]
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
                )
            )
        return found

    def passages(self, document: DocId, first: int, count: int, reader: Reader) -> Sequence[Hit]:
        spots = self._spots(document)
        return self.hits([(spot.chunk, 0.0) for spot in spots[max(first, 0) : max(first + count, 0)]], reader)

    def length(self, document: DocId, reader: Reader) -> int:
        return len(self._spots(document)) if self.passages(document, 0, 1, reader) else 0

    def sources(self, reader: Reader) -> Sequence[str]:
        shown, parameters = visible(reader, _EVERYTHING)
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

    def _spots(self, document: DocId) -> Sequence[Spot]:
        rows = self._db.read(
            "SELECT layout.packed FROM document JOIN layout ON layout.doc = document.id AND layout.died IS NULL"
            " WHERE document.doc_id = ?",
            (document,),
        )
        return unpack_layout(rows[0][0]) if rows else ()

    def _parent(self, source: int, item_id: str, reader: Reader) -> Parent | None:
        """The document at that id, where there is one (and no mere folder) and the reader may see it (R7)."""
        shown, parameters = visible(reader, _EVERYTHING)
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

    def _sought(self, words: str) -> list[_Sought]:
        """What to look for, each as FTS5 writes a phrase (so that ``ERR-4012`` is one): what is common in texts left
        out while rarer terms remain, and none sought in context where it stands above many chunks."""
        distinct = list(dict.fromkeys(_terms(words)))
        telling = [(term, plain) for term, plain in distinct if term.strip('"') not in _STOPWORDS] or distinct
        total, languages = self._about_how_many(), stemmed(self.languages())
        rare = list(dict.fromkeys(self._in_all_forms(t, languages) if plain else t for t, plain in telling))
        if total >= _COUNT_FROM:
            cap = min(int(total * _COMMON), _MOST_MATCHES)
            counted = sorted(
                ((self._frequency("text", term, cap + 1), term) for term in rare), key=lambda pair: pair[0]
            )
            matches = accumulate(count for count, _ in counted)
            kept = [
                term
                for (count, term), sum_ in zip(counted, matches, strict=True)
                if count <= cap and sum_ <= _MOST_MATCHES
            ]
            rare = kept[:_MOST_WORDS] or [term for _, term in counted[:1]]
            return [_Sought(term, self._frequency("context", term, cap + 1) <= cap) for term in rare]
        return [_Sought(term, True) for term in rare]

    def _in_all_forms(self, term: str, languages: Collection[str]) -> str:
        """A word or any other form of it that stands in the index."""
        if not languages:
            return term
        if term not in self._forms:
            word, found = term.strip('"'), [term]
            for language in sorted(languages):
                begins = beginning(word, language)
                alike = self._db.read(
                    "SELECT term FROM keyword_words WHERE term >= ? AND term < ? LIMIT ?",
                    (begins, f"{begins}\U0010ffff", _MOST_WORDS_ALIKE),
                )
                found += [f'"{form}"' for form in forms(word, language, [one for (one,) in alike])]
            found = list(dict.fromkeys(found))[:MOST_FORMS]
            self._forms[term] = f"({' OR '.join(found)})" if len(found) > 1 else term
        return self._forms[term]

    def _frequency(self, column: str, term: str, cap: int) -> int:
        """In how many chunks a term stands, counted to ``cap``; as of the last minute. What stands in many takes long
        to count, and is asked for again and again."""
        known = self._frequencies
        if (column, term) not in known:
            (row,) = self._db.read(
                "SELECT count(*) FROM (SELECT 1 FROM keyword WHERE keyword MATCH ? LIMIT ?)",
                (f"{column} : {term}", cap),
            )
            if len(known) >= _FREQUENCIES_KEPT:
                known.clear()
            known[column, term] = int(row[0])
        return known[column, term]


def _terms(words: str) -> Iterator[tuple[str, bool]]:
    """What is looked for, as FTS5 writes it; and whether it is a plain word, which may stand there in another form."""
    for found in _TERM.finditer(words.lower()):
        said = " ".join(_WORD.findall(found["phrase"])) if found["phrase"] else found["word"]
        if said:
            star = "*" if found["open"] or found["prefix"] else ""
            plain = not star and not found["phrase"] and said.isalpha() and len(said) >= LEAST
            yield f'"{said}"{star}', plain


def _rarity(count: int, total: int) -> float:
    """The inverse document frequency of BM25, in the form that stays above 0 for the commonest word."""
    return math.log1p((max(total - count, 0) + 0.5) / (count + 0.5))
