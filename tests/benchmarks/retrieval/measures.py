"""How much of the answers a ranking brings back, by characters; means with intervals; is one ranking better?

``recall@5`` is the share of the answers' characters in the first five hits, ``iou@5`` what is found against what was
fetched and what was missed, ``recall@4000c`` the share in the first 4,000 distinct characters: the one that is fair
between long and short hits. ``ndcg@10`` counts a hit that overlaps an answer as relevant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tests.benchmarks.retrieval.data import Asked, Part, Span

Place = tuple[str, int, int]
"""Corpus, start, end."""

Scores = dict[str, np.ndarray]
"""Measure to one figure a question."""

DRAWS = 10_000
SEED = 0
BUDGETS = (2000, 4000)


def score(part: Part, chunks: Sequence[Place], hits: Sequence[Sequence[Place]]) -> Scores:
    """``hits`` are ranked, a list for each question; ``chunks`` are all of them: what could have been found."""
    own = {corpus: [(s, e) for c, s, e in chunks if c == corpus] for corpus in part.corpora}
    rows = [_one(asked, own[asked.corpus], ranked) for asked, ranked in zip(part.asked, hits, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and the ends of its interval of 95 %, in per cent; by bootstrap over questions."""
    rng = np.random.default_rng(SEED)
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return 100 * float(values.mean()), 100 * float(low), 100 * float(high)


def difference(better: np.ndarray, than: np.ndarray) -> tuple[float, float, float]:
    """The same of a paired difference: both were asked the same questions."""
    return mean(better - than)


def _one(asked: Asked, own: Sequence[Span], hits: Sequence[Place]) -> dict[str, float]:
    wanted = _size(_union(asked.answers))

    def touches(start: int, end: int) -> bool:
        return any(start < e and s < end for s, e in asked.answers)

    def here(places: Iterable[Place]) -> list[Span]:
        return [(s, e) for c, s, e in places if c == asked.corpus]

    found = {}
    five = hits[:5]
    hit = _shared(asked.answers, here(five))
    fetched = sum(e - s for _, s, e in five)  # what is fetched twice counts twice
    found["recall@5"] = hit / wanted
    found["iou@5"] = hit / (fetched + wanted - hit)
    relevant = [c == asked.corpus and touches(s, e) for c, s, e in hits[:10]]
    ideal = sum(1 / math.log2(n + 2) for n in range(min(10, sum(touches(s, e) for s, e in own))))
    gained = sum(right / math.log2(n + 2) for n, right in enumerate(relevant))
    found["ndcg@10"] = min(1.0, gained / ideal) if ideal else 0.0
    for budget in BUDGETS:
        found[f"recall@{budget}c"] = _shared(asked.answers, here(_first(hits, budget))) / wanted
    return found


def _first(hits: Sequence[Place], budget: int) -> list[Place]:
    """The hits until so many distinct characters are fetched, the last one cut short."""
    kept: list[Place] = []
    for corpus, start, end in hits:
        if budget <= 0:
            break
        new = end - start - _shared([(start, end)], [(s, e) for c, s, e in kept if c == corpus])
        stop = end if new <= budget else start + budget
        kept.append((corpus, start, stop))
        budget -= min(new, budget)
    return kept


def _union(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _size(spans: Iterable[Span]) -> int:
    return sum(end - start for start, end in spans)


def _shared(some: Iterable[Span], others: Iterable[Span]) -> int:
    """Characters of both, each counted once."""
    theirs = _union(others)
    return sum(max(0, min(e, f) - max(s, t)) for s, e in _union(some) for t, f in theirs)


def summary(scores: Scores) -> Mapping[str, tuple[float, float, float]]:
    return {name: mean(values) for name, values in scores.items()}
