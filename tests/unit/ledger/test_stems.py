"""Words of other languages than English are found in all their forms; what is written exactly is found exactly."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from ingestor.ledger.ledger import Ledger
from ingestor.ledger.stems import forms, stemmed
from ingestor.model import Filters, Reader
from tests.support.ledger_rows import put
from tests.unit.ledger.test_keyword_search import rows_of

FILE = Path(__file__).parents[2] / "data" / "inflections.jsonl"
EVERY = ("de", "es", "fr")


def found(ledger: Ledger, query: str, top: int = 100) -> list[str]:
    scored = ledger.search.keyword(query, top, Reader(), Filters())
    return [hit.uri.removeprefix("ingestor:s/") for hit in ledger.search.hits(scored, Reader())]


def test_questions_with_other_endings_find_their_passages(ledger: Ledger) -> None:
    """In three languages, a question a line with the passage that answers it in other forms of its words: where the
    languages are known that passage holds more of the question, no answer is first less often, and English is as it
    was."""
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines):
        put(ledger, f"{number:02}", line["passage"])
    rows = rows_of(ledger)
    first: dict[bool, set[int]] = {}
    share: dict[bool, dict[str, list[float]]] = {}
    for known in (False, True):
        ledger.queries.languages = lambda known=known: EVERY if known else ()
        first[known], share[known] = set(), {language: [] for language in ("en", *EVERY)}
        for number, line in enumerate(lines):
            if found(ledger, line["question"])[:1] == [f"{number:02}"]:
                first[known].add(number)
            words = ledger.search.held(line["question"], [rows[f"{number:02}"]])
            share[known][line["language"]].append(sum(bool(word.chunks) for word in words) / len(words))
    mean = {language: [statistics.mean(share[known][language]) for known in (False, True)] for language in share[True]}
    print("\nfirst without and with:", len(first[False]), len(first[True]), "of", len(lines), "; words held:", mean)
    assert first[True] > first[False]
    assert mean["en"][0] == mean["en"][1]
    assert all(after > before for language, (before, after) in mean.items() if language != "en")


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("Kündigungen", ["a"]),
        ("kuendigung", ["a"]),
        ("remboursements", ["b"]),
        ("facturas", ["c"]),
        ('"Kündigungen"', []),
        ("Kündigungen*", []),
        ("Kündigung-4", ["a"]),
        ("Kündigungen-4", []),
        ("ERR_Kündigungen", []),
    ],
)
def test_only_plain_words_have_other_forms(ledger: Ledger, query: str, items: list[str]) -> None:
    """What stands in quotation marks, before a star, or in a code is looked for as it is."""
    put(ledger, "a", "Die Kündigung-4 ist eingegangen.")
    put(ledger, "b", "Le remboursement est fait.")
    put(ledger, "c", "La factura está aquí.")
    ledger.queries.languages = lambda: EVERY
    assert found(ledger, query) == items


def test_a_word_in_many_forms_is_one_word_of_the_question(ledger: Ledger) -> None:
    """Whichever form a passage holds, it holds the word, and once; above it as well as in it."""
    put(ledger, "a", "Die Rechnung und die Rechnungen.")
    put(ledger, "b", "Das steht darunter.", section=("Rechnungen",))
    ledger.queries.languages = lambda: ("de",)
    rows = [one.chunk for one in ledger.search.all_candidates(Reader(), Filters(), 9)]
    (held,) = ledger.search.held("Rechnungen", rows)
    assert (len(held.chunks), len(held.context)) == (1, 1)
    assert found(ledger, "Rechnung") == ["a", "b"]


def test_without_another_language_nothing_is_looked_up(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus in English, or in a language without a stemmer, is searched as before."""
    put(ledger, "a", "The refunds are paid.")
    ledger.queries.languages = lambda: ("en", "ja")
    monkeypatch.setattr("ingestor.ledger.queries.forms", lambda *_: pytest.fail("looked for other forms"))
    assert found(ledger, "refund") == ["a"]
    assert stemmed(("en", "de", "ja")) == {"de"}


def test_an_index_word_is_told_by_what_fts5_left_of_it() -> None:
    """Its own stemmer took an English ending off "Haus"."""
    assert forms("Häuser", "de", ["hau", "hauptmann", "hauser", "hausern"]) == ["hau", "hauser", "hausern"]
