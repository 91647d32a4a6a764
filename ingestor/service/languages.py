"""The languages of the corpus, as far as a search must know them: a sample of documents, looked at now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ingestor.embedding.languages import language_of
from ingestor.errors import LedgerError

_SAMPLE = 100  # documents
_CHARACTERS = 1_000  # of each: a millisecond
_LEAST_SHARE = 0.02  # of the documents whose language can be told
_KEPT_S = 600.0


class CorpusLanguages:
    """Called from the threads that search. Only the first call waits; later looks are taken beside it."""

    def __init__(self, sample: Callable[[int], Sequence[str]]) -> None:
        self._sample = sample
        self._lock = threading.Lock()
        self._found = frozenset[str]()
        self._looked_at = float("-inf")

    def __call__(self) -> frozenset[str]:
        with self._lock:
            first = self._looked_at == float("-inf")
            if not first and time.monotonic() - self._looked_at > _KEPT_S:
                self._looked_at = time.monotonic()
                threading.Thread(target=self._look, name="languages", daemon=True).start()
            elif first:
                self._look()
            return self._found

    def _look(self) -> None:
        try:
            told = Counter(filter(None, (language_of(text[:_CHARACTERS]) for text in self._sample(_SAMPLE))))
        except LedgerError:  # searches say so themselves
            return
        self._found = frozenset(one for one, count in told.items() if count >= _LEAST_SHARE * told.total())
        # Where nothing could be told, the corpus may be about to be filled: the next search looks again.
        self._looked_at = time.monotonic() if told else float("-inf")
