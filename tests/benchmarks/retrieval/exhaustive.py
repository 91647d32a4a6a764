"""What a search would find that compares everything: every chunk scored for every question by the program's scoring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ingestor.ledger.ledger import Ledger
from ingestor.model import CONTEXT_WORDS, Candidate, Filters, Reader, SearchMode
from ingestor.pooling import CONTEXT_SHARE, columns, context_vectors, normalised, pool_vectors
from ingestor.search import scoring
from tests.benchmarks.retrieval.embeddings import KeptEmbedder

TOP = 5
MODES = (SearchMode.DENSE, SearchMode.HYBRID)
EQUAL = 1e-5
"""What rounding in sums of another order makes of a score."""

_BLOCK = 10_000  # chunks that are scored at once
_AT_ONCE = 100  # questions
_KEPT = 40  # of the best of a block, so that equal texts can be shown once
_OWNER, _EVERYTHING = Reader(), Filters()

Vectors = NDArray[np.float32]


def exhaustive(
    ledger: Ledger, embedder: KeptEmbedder, asked: Sequence[str]
) -> dict[SearchMode, list[list[tuple[str, float]]]]:
    """The first five of every question by the program's scores, of all live chunks: (chunk id, score)."""
    found: dict[SearchMode, list[list[tuple[str, float]]]] = {mode: [] for mode in MODES}
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        queries = np.stack([embedder.embed_query(question) for question in some])
        words = [_word_shares(ledger, question) for question in some]
        best: dict[SearchMode, list[list[tuple[float, Candidate]]]] = {mode: [[] for _ in some] for mode in MODES}
        for candidates in _blocks(ledger):
            dense = _dense(ledger, embedder, candidates, queries)
            rows = np.array([candidate.chunk for candidate in candidates])
            long = np.maximum(np.array(list(scoring.lengths(candidates).values())), scoring.SHORT)
            counted = scoring.KEYWORD_WEIGHT * (scoring.USUAL_LENGTH / long) ** scoring.LENGTHENED
            for at, (chunks, shares) in enumerate(words):
                hybrid = dense[:, at].copy()
                low, high = np.searchsorted(chunks, [rows[0], rows[-1] + 1])
                holders = np.searchsorted(rows, chunks[low:high])
                hybrid[holders] += counted[holders] * shares[low:high] ** scoring.KEYWORD_POWER
                for mode, scores in ((SearchMode.DENSE, dense[:, at]), (SearchMode.HYBRID, hybrid)):
                    first = np.argpartition(-scores, min(_KEPT, len(scores) - 1))[:_KEPT]
                    kept = best[mode][at] + [(float(scores[place]), candidates[place]) for place in first]
                    best[mode][at] = sorted(kept, key=lambda pair: (-pair[0], pair[1].chunk))[:_KEPT]
        found[SearchMode.DENSE] += [_first(pairs) for pairs in best[SearchMode.DENSE]]
        found[SearchMode.HYBRID] += [
            _first(_gathered(ledger, pairs, dict(zip(chunks.tolist(), shares.tolist(), strict=True))))
            for pairs, (chunks, shares) in zip(best[SearchMode.HYBRID], words, strict=True)
        ]
    return found


def _gathered(
    ledger: Ledger, pairs: Sequence[tuple[float, Candidate]], shares: Mapping[int, float]
) -> list[tuple[float, Candidate]]:
    """The same with what words of neighbours add, as the searcher does it."""
    of_row = {candidate.chunk: candidate for _, candidate in pairs}
    texts = {row: candidate.text_hash for row, candidate in of_row.items()}
    best = scoring.ranked({one.chunk: score for score, one in pairs}, texts, scoring.GATHERED_FIRST)
    places = ledger.search.places([row for row, _ in best])
    held = {row: shares[row] for row, _ in best if row in shares}
    more = scoring.gathered(dict(best), places, scoring.words_added(held, scoring.lengths(of_row.values())))
    return [(more.get(one.chunk, score), one) for score, one in pairs]


def _first(pairs: Sequence[tuple[float, Candidate]]) -> list[tuple[str, float]]:
    scores = {candidate.chunk: score for score, candidate in pairs}
    ids = {candidate.chunk: candidate.chunk_id for _, candidate in pairs}
    texts = {candidate.chunk: candidate.text_hash for _, candidate in pairs}
    return [(ids[chunk], score) for chunk, score in scoring.ranked(scores, texts, TOP)]


def _blocks(ledger: Ledger) -> Iterator[list[Candidate]]:
    """All live chunks, in the order of their rows."""
    rows = [row for (row,) in ledger.sync._db.read("SELECT chunk FROM cut WHERE died IS NULL ORDER BY chunk")]
    for start in range(0, len(rows), _BLOCK):
        part = ledger.search.candidates(rows[start : start + _BLOCK], _OWNER, _EVERYTHING)
        yield sorted(part, key=lambda candidate: candidate.chunk)


def _dense(ledger: Ledger, embedder: KeptEmbedder, candidates: Sequence[Candidate], queries: Vectors) -> Vectors:
    """``scoring.dense_scores`` for many questions at once: (chunks, questions)."""
    chunks = [candidate.units for candidate in candidates]
    units = list(dict.fromkeys(unit for chunk in chunks for unit, _ in chunk))
    vectors = ledger.vectors(embedder.model).get(units)
    chunk_side = pool_vectors(chunks, units, vectors) @ queries.T
    laid = columns(chunks, units)
    weighted = vectors[laid.rows] * laid.weights[:, None]
    together = (laid.chunk_of[1:] == laid.chunk_of[:-1])[:, None]
    read = weighted.copy()
    read[1:] += scoring.BESIDE * weighted[:-1] * together
    read[:-1] += scoring.BESIDE * weighted[1:] * together
    read = normalised(read)
    context = context_vectors(laid, vectors)
    if context is not None:
        read = normalised(read + CONTEXT_SHARE * context[laid.chunk_of])
    best = np.maximum.reduceat(read @ queries.T, laid.starts)
    scores: Vectors = (1 - scoring.UNIT_SHARE) * chunk_side + scoring.UNIT_SHARE * best
    # That this is the program's own scoring is not taken on trust.
    own_scores = scoring.dense_scores(queries[0], candidates[:50], units, vectors)
    assert np.allclose(list(own_scores.values()), scores[:50, 0], atol=EQUAL)
    return scores


def _word_shares(ledger: Ledger, question: str) -> tuple[NDArray[np.int64], Vectors]:
    """What share of a question every chunk holds that holds a word of it: (chunk rows ascending, shares)."""
    queries, whole = ledger.queries, 0.0
    shares: dict[int, float] = {}
    for sought in queries.sought(question):
        text = _holders(ledger, "text", sought.term)
        rarity = queries.rarity(len(text))
        whole += rarity
        counted = dict.fromkeys(text, rarity)
        if sought.in_context:
            context = _holders(ledger, "context", sought.term)
            lesser = CONTEXT_WORDS * min(rarity, queries.rarity(len(context)))
            counted = dict.fromkeys(context, lesser) | counted
        for chunk, share in counted.items():
            shares[chunk] = shares.get(chunk, 0.0) + share
    chunks = np.array(sorted(shares), dtype=np.int64)
    values = np.array([shares[chunk] for chunk in chunks.tolist()], dtype=np.float32) / max(whole, 1e-9)
    return chunks, values


def _holders(ledger: Ledger, column: str, term: str) -> list[int]:
    rows = ledger.sync._db.read("SELECT rowid FROM keyword WHERE keyword MATCH ?", (f"{column} : {term}",))
    return [row for (row,) in rows]
