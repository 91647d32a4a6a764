"""Which chunks hold a word: lists of rows, kept until the next commit, and what all words of a question say together.

Two questions of a search ask for the same lists: which chunks are candidates, and what each candidate holds. FTS5
gives 27,000 rows in 4 ms; to rank them by its BM25, which reads how often and in how long a text, takes 30.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ingestor.ledger.database import Database
from ingestor.ledger.filters import Values
from ingestor.ledger.queries import Queries, Sought
from ingestor.model import CONTEXT_WORDS, HeldWord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows: TypeAlias = NDArray[np.int64]

_KEPT = 4_000_000
"""Rows of all lists together: 32 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holders:
    """Of one word: its rarity in texts and the chunk rows that hold it there, ascending; the same of contexts. Rows are
    of all readers: whoever uses them shows only what its reader may see (R7)."""

    rarity: float
    rows: Rows
    context_rarity: float
    context: Rows

    def of(self, chunks: Collection[int]) -> HeldWord:
        """The same of these chunks alone."""
        import numpy as np

        asked = np.fromiter(chunks, dtype=np.int64, count=len(chunks))
        return HeldWord(
            rarity=self.rarity,
            chunks=asked[_stand(self.rows, asked)].tolist(),
            context_rarity=self.context_rarity,
            context=asked[_stand(self.context, asked)].tolist(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """Chunk rows, ascending, and what each holds of a question: the rarities of its words, added."""

    rows: Rows
    sums: NDArray[np.float64]

    def among(self, rows: Rows) -> Worth:
        """Of these alone, which are ascending."""
        there = _stand(rows, self.rows)
        return Worth(rows=self.rows[there], sums=self.sums[there])


class Postings:
    """Of one ledger. Threads may share it."""

    def __init__(self, db: Database, queries: Queries) -> None:
        self._db = db
        self._queries = queries
        self._seq = -1
        self._kept: dict[tuple[str, str], Rows] = {}
        self._size = 0

    def holders(self, words: Sequence[Sought]) -> list[Holders]:
        """As of the last commit, or of one that came while it was read: what dies meanwhile is left out where rows are
        resolved."""
        import numpy as np

        ((last,),) = self._db.read("SELECT coalesce(max(seq), 0) FROM commits")
        if last != self._seq or self._size > _KEPT:
            self._seq, self._kept, self._size = last, {}, 0
        kept, nothing = self._kept, np.zeros(0, dtype=np.int64)
        found = []
        for word in words:
            rows = self._rows(kept, "text", word.term)
            above = self._rows(kept, "context", word.term) if word.in_context else nothing
            found.append(
                Holders(
                    rarity=self._queries.rarity(len(rows)),
                    rows=rows,
                    context_rarity=self._queries.rarity(len(above)) if word.in_context else 0.0,
                    context=above,
                )
            )
        return found

    def _rows(self, kept: dict[tuple[str, str], Rows], column: str, term: str) -> Rows:
        if (column, term) not in kept:
            rows = ascending(
                self._db, "rowid", "FROM keyword WHERE keyword MATCH :match", {"match": f"{column} : {term}"}
            )
            self._size += len(rows)
            kept[column, term] = rows
        return kept[column, term]


def ascending(db: Database, column: str, what: str, values: Values) -> Rows:
    """A column of whole numbers. Asked for as one text, because a row of Python for each takes three times as long."""
    import numpy as np

    ((text,),) = db.read(f"SELECT group_concat({column}) {what}", values)
    return np.sort(np.fromstring(text, dtype=np.int64, sep=",")) if text else np.zeros(0, dtype=np.int64)


def together(words: Sequence[Holders]) -> Worth:
    """Every row that holds a word, with what ``search.scoring.word_shares`` counts for it."""
    import numpy as np

    rows, sums = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for word in words:
        beside = word.context[~_stand(word.rows, word.context)]
        rows += [word.rows, beside]
        lesser = CONTEXT_WORDS * min(word.rarity, word.context_rarity)
        sums += [np.full(len(word.rows), word.rarity), np.full(len(beside), lesser)]
    every, place = np.unique(np.concatenate(rows), return_inverse=True)
    added = np.bincount(place, np.concatenate(sums), minlength=len(every))
    return Worth(rows=every, sums=added.astype(np.float64, copy=False))


def best_first(worth: Worth, first: int) -> Iterator[Rows]:
    """All rows in two parts, those that are worth most first, of equals the newest: the best ``first``, and the others,
    which are not put in order before they are asked for."""
    import numpy as np

    rows, sums = worth.rows, worth.sums
    if len(rows) > first:
        least = np.partition(sums, -first)[-first]
        above, equal = np.flatnonzero(sums > least), np.flatnonzero(sums == least)
        best = np.concatenate([above, equal[len(equal) - (first - len(above)) :]])
        yield _ordered(rows[best], sums[best])
        others = np.ones(len(rows), dtype=bool)
        others[best] = False
        rows, sums = rows[others], sums[others]
    yield _ordered(rows, sums)


def _ordered(rows: Rows, sums: NDArray[np.float64]) -> Rows:
    import numpy as np

    return rows[np.lexsort((-rows, -sums))]


def _stand(rows: Rows, asked: Rows) -> NDArray[np.bool_]:
    """Which of ``asked`` (in any order) stand in ``rows`` (ascending)."""
    import numpy as np

    if not len(rows):
        return np.zeros(len(asked), dtype=bool)
    return np.asarray(rows[np.minimum(np.searchsorted(rows, asked), len(rows) - 1)] == asked)
