"""The languages of a corpus are looked at now and then, and no search waits for it but the first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingestor.errors import LedgerError
from ingestor.service import languages
from ingestor.service.languages import CorpusLanguages

ENGLISH = "The refund is paid within seven days of the return, and it is sent to the account of the order. " * 3
GERMAN = "Die Erstattung wird auf das Konto gezahlt, von dem die Bestellung bezahlt wurde, und nicht bar. " * 3


class Corpus:
    def __init__(self, *texts: str) -> None:
        self.texts, self.looks = list(texts), 0

    def __call__(self, documents: int) -> Sequence[str]:
        self.looks += 1
        return self.texts[:documents]


def test_a_language_counts_from_some_documents_on() -> None:
    """One German document in a hundred says nothing about the corpus; what is in no language does not count."""
    assert CorpusLanguages(Corpus(*[ENGLISH] * 60, GERMAN, "1 2 3"))() == {"en"}
    assert CorpusLanguages(Corpus(*[ENGLISH] * 9, GERMAN, "1 2 3"))() == {"en", "de"}


def test_a_corpus_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again beside a search that comes long after; one that is still empty, or cannot be read, with the next."""
    corpus = Corpus()
    known = CorpusLanguages(corpus)
    assert known() == frozenset()
    corpus.texts = [GERMAN]
    assert known() == known() == {"de"}
    assert corpus.looks == 2
    corpus.texts = [ENGLISH]
    monkeypatch.setattr(languages, "_KEPT_S", -1.0)
    begun: list[str] = []

    class Thread:
        def __init__(self, *, target: object, name: str, daemon: bool) -> None:
            self.start = lambda: (begun.append(name), target())[0]  # type: ignore[operator]

    monkeypatch.setattr("threading.Thread", Thread)
    assert known() == {"en"}
    assert begun == ["languages"]

    def broken(_documents: int) -> Sequence[str]:
        raise LedgerError("broken")

    assert CorpusLanguages(broken)() == frozenset()
