"""The best hits in another order: by a model that reads each beside the question, where one is configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingestor.errors import EmbedderError
from ingestor.model import Hit
from ingestor.ports import Reranker


def reranked(hits: Sequence[Hit], question: str, reranker: Reranker, most: int) -> tuple[Sequence[Hit], str]:
    """The first ``most`` as the reranker orders them, equal ones as they were, and behind them the rest; and a sentence
    where it failed and nothing was changed. Scores stay with the places, so that they fall from hit to hit: a
    reranker's cannot be compared with those of what it has not read."""
    first = hits[:most]
    if len(first) < 2:
        return hits, ""
    try:
        scores = reranker.scores(question, [_read(hit) for hit in first])
    except EmbedderError as error:
        return hits, f"The hits were not reranked. ({error.message})"
    order = sorted(range(len(first)), key=lambda place: -scores[place])
    placed = [replace(first[place], score=hit.score) for place, hit in zip(order, first, strict=True)]
    return [*placed, *hits[most:]], ""


def _read(hit: Hit) -> str:
    """With what it stands under: a passage says "it" of what a heading names."""
    above = " > ".join(dict.fromkeys([hit.title, *hit.section]))
    return f"{above}\n{hit.text}" if above else hit.text
