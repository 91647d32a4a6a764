"""Other forms of a word that stand in the keyword index: those with the same stem in a language of the corpus. Pure.

FTS5 takes English endings off every text, and folds accents. For other languages nothing is stored: the forms are
looked up among the index's own words when somebody asks, so that a corpus in English pays nothing, and codes, versions
and phrases stay what they are. A word of the index has lost what looks like an English ending ("haus" stands there
as "hau"), so a stem is compared in the ways in which it may stand there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import Stemmer

LEAST = 4  # letters: shorter words are hardly inflected, and many others begin like them
MOST_FORMS = 12

_NAMES = {
    "da": "danish",
    "de": "german",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "nl": "dutch",
    "pt": "portuguese",
    "sv": "swedish",
}


def stemmed(languages: Iterable[str]) -> frozenset[str]:
    """Those that have a stemmer here. English needs none."""
    return frozenset(languages).intersection(_NAMES)


def beginning(word: str, language: str) -> str:
    """What every form of a word begins with, as the index writes it."""
    return min(_keys(word, language), key=len)


def forms(word: str, language: str, words: Iterable[str]) -> list[str]:
    """Those of ``words`` of the index that are forms of ``word``, in their order."""
    keys = _keys(word, language)
    stemmer, porter = Stemmer.Stemmer(_NAMES[language]), Stemmer.Stemmer("porter")
    # FTS5 takes endings off what it is asked for as well; what would be changed by that cannot be asked for.
    return [one for one in words if stemmer.stemWord(one) in keys and porter.stemWord(one) == one]


def _keys(word: str, language: str) -> frozenset[str]:
    stemmer, porter = Stemmer.Stemmer(_NAMES[language]), Stemmer.Stemmer("porter")  # 2 µs; they are not for threads
    plain = _folded(word)
    stems = {stemmer.stemWord(plain), _folded(stemmer.stemWord(word.lower())), stemmer.stemWord(porter.stemWord(plain))}
    return frozenset(stems | {porter.stemWord(stem) for stem in stems})


def _folded(word: str) -> str:
    """Without accents, as the tokenizer of the index writes it."""
    apart = unicodedata.normalize("NFD", word.lower())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))
