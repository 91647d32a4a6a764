"""What a question's words mean to the keyword index: which are sought, in which forms, and how rare they are."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Iterator
from itertools import accumulate
from typing import NamedTuple

from ingestor.ledger.database import Database
from ingestor.ledger.stems import LEAST, MOST_FORMS, beginning, forms, stemmed

_COMMON = 0.10  # a word in more than this share of chunks is left out while rarer ones remain (FACTS)
_COUNT_FROM = 2_000  # below so many chunks ranking every match is cheap anyway
_COUNT_KEPT_S = 60.0
_MOST_WORDS = 32  # of a question, the rarest first: a pasted page of 1,000 words took 2.4 s at 100,000 chunks
_MOST_MATCHES = 60_000  # that are ranked for one question, the rarest words first: 10 to 15 ms however large the corpus
_FREQUENCIES_KEPT = 20_000
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

WORDS = "CREATE VIRTUAL TABLE temp.keyword_words USING fts5vocab (main, keyword, row)"
"""The words of the keyword index, in order; a view of it that every connection has of its own."""

_MOST_WORDS_ALIKE = 2_000  # that begin as a word does and are looked at for its other forms


class Sought(NamedTuple):
    """What to look for, as FTS5 writes it. ``in_context``: also where it stands above chunks, because few do there."""

    term: str
    in_context: bool

    def __str__(self) -> str:
        return self.term if self.in_context else f"text : {self.term}"


class Queries:
    """Of one ledger. Threads may share it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._size = (0, float("-inf"))  # live chunks, and when they were counted
        self._frequencies: dict[tuple[str, str], int] = {}  # counted since then
        self._forms: dict[str, str] = {}  # likewise
        self.languages: Callable[[], Collection[str]] = frozenset
        """What the documents are written in; words of these languages are found in all their forms."""

    def sought(self, words: str) -> list[Sought]:
        """What to look for, each as FTS5 writes a phrase (so that ``ERR-4012`` is one): what is common in texts left
        out while rarer terms remain, and none sought in context where it stands above many chunks."""
        distinct = list(dict.fromkeys(_terms(words)))
        telling = [(term, plain) for term, plain in distinct if term.strip('"') not in _STOPWORDS] or distinct
        total, languages = self.about_how_many(), stemmed(self.languages())
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
            return [Sought(term, self._frequency("context", term, cap + 1) <= cap) for term in rare]
        return [Sought(term, True) for term in rare]

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

    def about_how_many(self) -> int:
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

    def rarity(self, count: int) -> float:
        """Of a term that stands in so many chunks: the inverse document frequency of BM25, in the form that stays above
        0 for the commonest word."""
        return math.log1p((max(self.about_how_many() - count, 0) + 0.5) / (count + 0.5))


def _terms(words: str) -> Iterator[tuple[str, bool]]:
    """What is looked for, as FTS5 writes it; and whether it is a plain word, which may stand there in another form."""
    for found in _TERM.finditer(words.lower()):
        said = " ".join(_WORD.findall(found["phrase"])) if found["phrase"] else found["word"]
        if said:
            star = "*" if found["open"] or found["prefix"] else ""
            plain = not star and not found["phrase"] and said.isalpha() and len(said) >= LEAST
            yield f'"{said}"{star}', plain
