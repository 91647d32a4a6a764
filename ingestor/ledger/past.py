"""What search may show as of an earlier commit (R7): what stood then, to whom may see it then and now.

The keyword index holds what stands now. What has been replaced since is indexed anew for each question, in memory: it
is as much as has changed since then, and not the corpus.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from ingestor.errors import UserError
from ingestor.ledger.database import Database
from ingestor.ledger.filters import Values, lived, visible_then
from ingestor.ledger.packing import item_uri, shown_title
from ingestor.ledger.queries import Queries
from ingestor.ledger.search import RANK, SearchReads
from ingestor.ledger.upkeep import FORGOTTEN
from ingestor.model import CONTEXT_WORDS, Candidate, Filters, HeldWord, Parent, Reader

REPLACED_LIMIT = 50_000
"""Replaced passages that are indexed for one question: 2.3 s of a processor."""

_TOKENIZE = re.compile(r"tokenize\s*=\s*'[^']*'")


class PastReads(SearchReads):
    """Implements ``ports.SearchLedger`` as of commit ``seq``. How rare a word is, and in which other forms it is looked
    for, it takes from what stands now."""

    def __init__(self, db: Database, queries: Queries, seq: int) -> None:
        super().__init__(db, queries)
        self._seq = seq

    @property
    def blank(self) -> bool:
        """Before anything was known."""
        return self._seq == 0

    def _valid(self, table: str) -> str:
        return lived(table)

    def _visible(self, reader: Reader, filters: Filters, *, walk: bool = False) -> tuple[str, Values]:
        del walk  # of a past that is asked for rarely no walk is worth a plan of its own
        shown, values = visible_then(reader, filters)
        return shown, values | {"seq": self._seq}

    def _told(self, column: str) -> str:
        """Nothing where the document was away since then: if its content came back, the row says by whom."""
        away = """SELECT 1 FROM binding AS left WHERE left.doc = document.id AND left.died > :seq AND NOT EXISTS
            (SELECT 1 FROM binding AS next WHERE next.doc = left.doc AND next.born = left.died)"""
        return f"CASE WHEN EXISTS ({away}) THEN '' ELSE revision.{column} END"

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[tuple[int, float]]:
        """The best of what stands still and the best of what was replaced, together by the rarity of the words that
        they hold: two indexes rank by two measures. Raises ``UserError`` where too much was replaced."""
        match = " OR ".join(map(str, self._queries.sought(words)))
        if not match:
            return []
        shown, values = self._visible(reader, filters)
        shown = f" AND {shown}" if shown else ""
        still = self._db.read(
            f"SELECT keyword.rowid FROM keyword WHERE keyword MATCH :match AND EXISTS (SELECT 1 {self._standing}"
            f" WHERE chunk.id = keyword.rowid AND cut.died IS NULL{shown}) ORDER BY {RANK} LIMIT :limit",
            {"match": match, "limit": limit, **values},
        )
        replaced = self._replaced(f"1{shown} LIMIT :most", {"most": REPLACED_LIMIT + 1, **values})
        if len(replaced) > REPLACED_LIMIT:
            raise UserError(
                f"More than {REPLACED_LIMIT:,} of the passages of that time were replaced since, too many to be"
                " searched by their words.",
                hint="Name a source or a folder, or a later time; or search by meaning: --mode dense.",
            )
        with _Words(self._db, replaced) as index:
            rows = [*(row for (row,) in still), *index.best(match, limit)]
        return self._together(words, rows)[:limit]

    def worded(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[Candidate]:
        return self.candidates(dict(self.keyword(words, limit, reader, filters)), reader, filters)

    def held(self, words: str, chunks: Collection[int]) -> Sequence[HeldWord]:
        among = "chunk.id IN (SELECT value FROM json_each(:chunks))"
        replaced = self._replaced(among, {"chunks": json.dumps(list(chunks)), "seq": self._seq})
        gone = {row for row, _, _ in replaced}
        still = [row for row in chunks if row not in gone]
        sought = self._queries.sought(words)
        found: list[HeldWord] = []
        with _Words(self._db, replaced) as index:
            for one, word in zip(sought, self._postings.holders(sought), strict=True):
                now = word.of(still)
                above = index.holders("context", one.term) if one.in_context else []
                found.append(
                    replace(
                        now,
                        chunks=[*now.chunks, *index.holders("text", one.term)],
                        context=[*now.context, *above],
                    )
                )
        return found

    def _replaced(self, where: str, values: Values) -> list[tuple[Any, ...]]:
        """(row, text, context) of what stood then and does not any more, or in another context."""
        return self._db.read(
            f"SELECT chunk.id, chunk.text, cut.context {self._standing} WHERE cut.died > :seq AND {where}", values
        )

    def _together(self, words: str, rows: Sequence[int]) -> list[tuple[int, float]]:
        """Best first; of rows that hold the same words the one that its index ranks before the others."""
        scores = dict.fromkeys(rows, 0.0)
        for word in self.held(words, rows):
            counted = dict.fromkeys(word.context, CONTEXT_WORDS * min(word.rarity, word.context_rarity))
            for row, score in (counted | dict.fromkeys(word.chunks, word.rarity)).items():
                scores[row] += score
        return sorted(scores.items(), key=lambda scored: -scored[1])

    def _parent(self, source: int, item_id: str, reader: Reader) -> Parent | None:
        shown, values = self._visible(reader, Filters())
        rows = self._db.read(
            f"""
            SELECT source.name, binding.item_id, binding.title, binding.name FROM document
            JOIN source ON source.id = document.source AND source.removed_at IS NULL
            JOIN binding ON binding.doc = document.id AND {lived("binding")}
            WHERE document.source = :source AND binding.item_id = :item {"AND " if shown else ""}{shown}
            """,
            {"source": source, "item": item_id, **values},
        )
        return next(
            (Parent(uri=item_uri(at, item), title=shown_title(title, name)) for at, item, title, name in rows), None
        )


class _Words:
    """A keyword index in memory over some rows of (number, text, context), made like that of the ledger."""

    def __init__(self, db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection = sqlite3.connect(":memory:")
        ((made,),) = db.read("SELECT sql FROM sqlite_master WHERE name = 'keyword'")
        (tokenize,) = _TOKENIZE.findall(made)
        self._connection.execute(f"CREATE VIRTUAL TABLE keyword USING fts5 (text, context, {tokenize})")
        self._connection.executemany("INSERT INTO keyword (rowid, text, context) VALUES (?, ?, ?)", rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def best(self, match: str, limit: int) -> list[int]:
        sql = f"SELECT rowid FROM keyword WHERE keyword MATCH ? ORDER BY {RANK} LIMIT ?"
        return [row for (row,) in self._connection.execute(sql, (match, limit))]

    def holders(self, column: str, term: str) -> list[int]:
        sql = "SELECT rowid FROM keyword WHERE keyword MATCH ?"
        return [row for (row,) in self._connection.execute(sql, (f"{column} : {term}",))]


def seq_at(db: Database, at: float, *, retention_s: float) -> int:
    """The last commit at or before that time; 0 is before the first one. Raises ``UserError`` for a time of which not
    all is kept."""
    seq = _last(db, at)
    rows = db.read("SELECT value FROM setting WHERE key = ?", (FORGOTTEN,))
    kept = max(int(rows[0][0]) if rows else 0, _last(db, time.time() - retention_s))
    if seq < kept:
        ((first,),) = db.read("SELECT at FROM commits WHERE seq = ?", (kept,))
        raise UserError(
            f"What was known at {shown(at)} is past retention: what was replaced is kept for {retention_s / 86_400:g}"
            " days.",
            hint=f"Give a time after {shown(first)}.",
        )
    return seq


def _last(db: Database, at: float) -> int:
    rows = db.read("SELECT seq FROM commits WHERE at <= ? ORDER BY seq DESC LIMIT 1", (at,))
    return int(rows[0][0]) if rows else 0


def shown(at: float) -> str:
    """A moment in a sentence."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "that time"
