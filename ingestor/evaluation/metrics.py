"""How much of the answers the first hits hold.

Passages are compared by their words in runs of eight: white space does not count, and an answer that a cut runs
through is found in part by each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOP = 5
_RUN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Means over the questions, from 0 to 1. ``recall``: the share of the answers' words among the first five
    hits; ``rank``: one over the place of the first hit that holds half of an answer, within ten."""

    questions: int
    recall: float
    rank: float


def quality(asked: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Quality:
    """``asked`` has the answers and the texts of the first ten hits of each question."""
    if not asked:
        return Quality(questions=0, recall=0.0, rank=0.0)
    recall = sum(covered(answers, hits[:TOP]) for answers, hits in asked)
    rank = sum(_reciprocal_rank(answers, hits) for answers, hits in asked)
    return Quality(questions=len(asked), recall=recall / len(asked), rank=rank / len(asked))


def covered(answers: Sequence[str], texts: Sequence[str]) -> float:
    """The share of the answers' runs of words that stand in some text."""
    wanted = set().union(*(_runs(answer, _RUN) for answer in answers))
    sizes = {len(run) for run in wanted}
    there = {run for text in texts for size in sizes for run in _runs(text, size)}
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _reciprocal_rank(answers: Sequence[str], texts: Sequence[str]) -> float:
    for place, text in enumerate(texts[:10], 1):
        if any(covered([answer], [text]) >= 0.5 for answer in answers):  # half, as documented
            return 1.0 / place
    return 0.0


def _runs(text: str, size: int) -> set[tuple[str, ...]]:
    """Every run of ``size`` words, or the one run of a text that is shorter."""
    words = text.split()
    size = min(size, len(words))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)} if words else set()
