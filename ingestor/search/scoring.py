"""How candidates are ranked. Pure numpy; every input is already visible to the reader.

The dense score of a chunk is a third its own vector and two thirds its best unit: the chunk says what a passage
is about, the unit that one sentence answers the question. A unit is read with what stands beside it, for a sentence
says "it" and "then" of what the one before named. Title and headings above a chunk are
mixed into both. What the chunk holds of the query's words is added, and a part of what its neighbours hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ingestor.model import CONTEXT_WORDS, Candidate, Hash, HeldWord, UnitId
from ingestor.pooling import CONTEXT_SHARE, Columns, columns, context_vectors, own_units, pooled_own

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIT_SHARE = 0.65
"""The best unit's; the rest is the chunk's. From 0.6 to 0.7 alike, at 0.5 less is found by meaning (ARCHITECTURE,
Decisions)."""
BESIDE = 0.3
"""What each neighbour in the chunk adds to a unit's vector, by its length. From 0.2 to 0.5 the figures differ by a
point; at 1 a unit is no longer told from its neighbours (ARCHITECTURE, Decisions)."""
KEYWORD_WEIGHT = 0.9
KEYWORD_POWER = 3
"""What all words of the query in one chunk add to a dense score, and the power of a part of them. At more than this,
our own questions in other words than their answers find less than by meaning alone (ARCHITECTURE, Decisions)."""

USUAL_LENGTH, SHORT = 750, 500
LENGTHENED = 0.2
"""Longer chunks hold more words by chance, so what words add goes down by this power of the length. What is shorter
than ``SHORT`` gains no more: scraps would go first among thousands that hold all of a question. From 0.1 to 0.3 alike
(ARCHITECTURE, Decisions)."""

GATHERED_FIRST = 15
GATHERED = 0.35
REACH = 2
"""Of the first so many, each gains this much of what words added to those that stand at most so far from it in their
document, without a gap. Shares from 0.25 to 0.45 and the first 15 to 40 are alike; what is near in meaning must not
count, or a lone passage that answers goes under (ARCHITECTURE, Decisions)."""

RRF_K = 60
"""What reciprocal rank fusion is used with everywhere; it was not tuned here."""

_CANCELLED = 1e-3  # of a unit's weight: below it a length is rounding


class Fusion(StrEnum):
    """How a hybrid search brings words and meaning together."""

    WEIGHTED = "weighted"
    RRF = "rrf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """As the configuration says; ``rerank_top`` of the best hits are read again where there is a model for it."""

    fusion: Fusion = Fusion.WEIGHTED
    keyword_weight: float = KEYWORD_WEIGHT
    unit_weight: float = UNIT_SHARE
    rerank_top: int = 20


def dense_scores(
    query: NDArray[np.float32],
    candidates: Sequence[Candidate],
    units: Sequence[UnitId],
    vectors: NDArray[np.float32],
    unit_weight: float = UNIT_SHARE,
) -> dict[int, float]:
    """Chunk row to dense score in [-1, 1]; ``vectors`` are those of ``units``, in order. A chunk whose own
    units do not all have vectors is left out."""
    import numpy as np

    having = set(units)
    whole = [c for c in candidates if c.units and all(unit in having for unit, _ in own_units(c.units))]
    if not whole:
        return {}
    laid = columns([candidate.units for candidate in whole], units)
    own = vectors[laid.rows]
    context = context_vectors(laid, vectors)
    if context is None:
        context = np.zeros((len(whole), own.shape[1]), dtype=np.float32)
    near, near_context = (vectors @ query)[laid.rows], context @ query
    of_context = np.einsum("ij,ij->i", own, context[laid.chunk_of])

    size = np.einsum("ij,ij->i", context, context)
    pooled = pooled_own(laid, own)
    length = np.linalg.norm(pooled, axis=1)
    beside = np.einsum("ij,ij->i", pooled, context) / length
    chunk_side = _mixed(pooled @ query / length, near_context, beside, size)
    read, beside = _read(own, laid, near, of_context)
    unit_side = _mixed(read, near_context[laid.chunk_of], beside, size[laid.chunk_of])
    scores = (1 - unit_weight) * chunk_side + unit_weight * np.maximum.reduceat(unit_side, laid.starts)
    return {candidate.chunk: score for candidate, score in zip(whole, scores.tolist(), strict=True)}


def unit_scores(
    query: NDArray[np.float32],
    candidates: Sequence[Candidate],
    units: Sequence[UnitId],
    vectors: NDArray[np.float32],
) -> dict[int, list[float]]:
    """Chunk row to how near each of its own units is to the query; a chunk whose units do not all have vectors is left
    out."""
    if not units:
        return {}
    near = dict(zip(units, (vectors @ query).tolist(), strict=True))
    return {
        candidate.chunk: [near[unit] for unit, _ in own_units(candidate.units)]
        for candidate in candidates
        if candidate.units and all(unit in near for unit, _ in own_units(candidate.units))
    }


def _mixed(
    near: NDArray[np.float32], near_context: NDArray[np.float32], beside: NDArray[np.float32], size: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How near to the query vectors of length 1 are with their share of context mixed in, without mixing them: of two
    vectors' sum, products say how long it is. ``beside``: the product of each with its context, ``size`` that of the
    context with itself."""
    import numpy as np

    length = np.sqrt(1 + CONTEXT_SHARE**2 * size + 2 * CONTEXT_SHARE * beside)
    return np.asarray((near + CONTEXT_SHARE * near_context) / length, dtype=np.float32)


def _read(
    own: NDArray[np.float32], laid: Columns, near: NDArray[np.float32], of_context: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each unit read with its neighbours of the same chunk, at length 1: how near it is to the query and to its
    context. ``near`` and ``of_context`` say this of the units alone. By products as well: to add 3,600 vectors of 384
    numbers to their neighbours took three times as long as all of this."""
    import numpy as np

    weight = laid.weights  # as units are pooled, by length: a heading of two words turns no sentence
    together = laid.chunk_of[1:] == laid.chunk_of[:-1]
    before, after = np.zeros_like(weight), np.zeros_like(weight)
    before[1:] = BESIDE * weight[:-1] * together
    after[:-1] = BESIDE * weight[1:] * together

    def read(values: NDArray[np.float32]) -> NDArray[np.float32]:
        found = weight * values
        found[1:] += before[1:] * values[:-1]
        found[:-1] += after[:-1] * values[1:]
        return found

    size = np.einsum("ij,ij->i", own, own)
    next_one, next_but_one = (np.einsum("ij,ij->i", own[n:], own[:-n]) for n in (1, 2))
    squared = weight**2 * size
    squared[1:] += before[1:] ** 2 * size[:-1] + 2 * weight[1:] * before[1:] * next_one
    squared[:-1] += after[:-1] ** 2 * size[1:] + 2 * weight[:-1] * after[:-1] * next_one
    squared[1:-1] += 2 * before[1:-1] * after[1:-1] * next_but_one
    # What cancels out is near to nothing.
    length = np.sqrt(np.maximum(squared, 0))
    share = np.where(length > _CANCELLED * weight, 1 / np.maximum(length, _CANCELLED), 0).astype(np.float32)
    return read(near) * share, read(of_context) * share


def word_shares(words: Iterable[HeldWord]) -> dict[int, float]:
    """Chunk row to the share of the query that stands in the chunk or its context, in [0, 1]. A word that stands
    nowhere counts in the whole: a question most of whose words are unknown here is asked in other words than the
    answer's, and the one that happens to match says little."""
    shares: dict[int, float] = {}
    whole = 0.0
    for word in words:
        whole += word.rarity
        # A word that many headings say tells less there than it would in the text.
        lesser = CONTEXT_WORDS * min(word.rarity, word.context_rarity)
        counted = dict.fromkeys(word.context, lesser) | dict.fromkeys(word.chunks, word.rarity)
        for chunk, share in counted.items():
            shares[chunk] = shares.get(chunk, 0.0) + share
    return {chunk: share / whole for chunk, share in shares.items()} if whole > 0 else {}


def promising(
    near: Sequence[Candidate], nearness: Mapping[int, float], added: Mapping[int, float], most: int
) -> Sequence[Candidate]:
    """Those whose vectors are worth reading: that stand highest by what is known without, how near the whole chunk is
    and what its words add. One without a figure in ``nearness`` is of those that were compared one by one."""
    known = {one.chunk: nearness.get(one.chunk, math.inf) + added.get(one.chunk, 0.0) for one in near}
    return sorted(near, key=lambda one: -known[one.chunk])[:most]


def lengths(candidates: Iterable[Candidate]) -> dict[int, int]:
    """Chunk row to its length."""
    return {one.chunk: sum(weight for _, weight in own_units(one.units)) for one in candidates}


def words_added(
    shares: Mapping[int, float], length: Mapping[int, int] | None = None, weight: float = KEYWORD_WEIGHT
) -> dict[int, float]:
    """Chunk row to what its words add to its score. Words that stand together say more than each alone, so a share
    counts by its cube: half of a question adds an eighth, a stray word next to nothing. Without ``length`` all count as
    equally long."""
    found = {chunk: weight * share**KEYWORD_POWER for chunk, share in shares.items()}
    if length is None:
        return found
    return {
        chunk: value * float(USUAL_LENGTH / max(length[chunk], SHORT)) ** LENGTHENED for chunk, value in found.items()
    }


def hybrid_scores(chunks: Iterable[int], dense: Mapping[int, float], added: Mapping[int, float]) -> dict[int, float]:
    """Dense plus the words. What is not embedded yet counts as the farthest of the others, so that a new document is
    found by its words at once and never ranks by what nobody knows."""
    floor = min(dense.values(), default=0.0)
    return {chunk: dense.get(chunk, floor) + added.get(chunk, 0.0) for chunk in chunks}


Standing = tuple[int, int]
"""Where a chunk stands: its document's row, its place in it."""


def gathered(
    scores: Mapping[int, float], places: Mapping[int, Standing], added: Mapping[int, float]
) -> dict[int, float]:
    """The scores of the best chunks, each with its part of what words added to those beside it: where several passages
    in a row hold a question's words, its answer is there, and seldom ends where one of them does. ``places`` may lack
    some; no score goes down."""
    at = {places[chunk]: chunk for chunk in scores if chunk in places}
    return {
        chunk: score + GATHERED * sum(added.get(other, 0.0) for other in _beside(places.get(chunk), at))
        for chunk, score in scores.items()
    }


def _beside(standing: Standing | None, at: Mapping[Standing, int]) -> Iterator[int]:
    if standing is None:
        return
    document, place = standing
    for side in (-1, 1):
        for step in range(1, REACH + 1):
            other = at.get((document, place + side * step))
            if other is None:
                break
            yield other


def fused_scores(
    chunks: Iterable[int], dense: Mapping[int, float], words: Mapping[int, float], weight: float = KEYWORD_WEIGHT
) -> dict[int, float]:
    """Reciprocal rank fusion: a chunk's places in the order of meaning and in that of words (BM25), whatever the scores
    there are. A chunk that stands in one order only has nothing from the other."""
    meaning, wording = _places(dense), _places(words)
    return {
        chunk: (1 / (RRF_K + meaning[chunk]) if chunk in meaning else 0.0)
        + (weight / (RRF_K + wording[chunk]) if chunk in wording else 0.0)
        for chunk in chunks
    }


def _places(scores: Mapping[int, float]) -> dict[int, int]:
    """The place of each, from 1; equal scores in the order of chunk rows."""
    best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))
    return {chunk: place for place, chunk in enumerate(best, 1)}


def ranked(scores: Mapping[int, float], texts: Mapping[int, Hash], top: int) -> list[tuple[int, float]]:
    """The best first, of those that have a text in ``texts``; equal scores in the order of chunk rows, so that a
    search repeats itself. Of chunks with the same text the best is kept: nobody wants to read it twice."""
    best: list[tuple[int, float]] = []
    seen: set[Hash] = set()
    for chunk, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])):
        if len(best) == top:
            break
        if chunk in texts and texts[chunk] not in seen:
            seen.add(texts[chunk])
            best.append((chunk, score))
    return best
