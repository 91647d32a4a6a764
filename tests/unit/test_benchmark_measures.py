"""The measures of the retrieval benchmark, by examples that can be computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingestor.model import Unit
from ingestor.pooling import normalised
from tests.benchmarks.retrieval.crowd import Crowd
from tests.benchmarks.retrieval.data import Asked, Part
from tests.benchmarks.retrieval.measures import Place, difference, mean, score
from tests.benchmarks.retrieval.others import located
from tests.benchmarks.retrieval.plot import Dot, draw

CHUNKS: list[Place] = [("a", 0, 1000), ("a", 1000, 2000), ("b", 0, 1000), ("b", 1000, 5000)]


def found(hits: list[Place], answers: tuple[tuple[int, int], ...] = ((900, 1100),)) -> dict[str, float]:
    asked = [Asked(question="?", corpus="a", answers=answers)]
    part = Part(name="p", folder=Path(), corpora={"a": "", "b": ""}, asked=asked)
    return {name: float(values[0]) for name, values in score(part, CHUNKS, [hits]).items()}


def test_what_is_found_is_counted_by_characters() -> None:
    """Half of an answer in one of two hits: a share of the answer, and of all that was fetched or missed."""
    scores = found([("b", 0, 1000), ("a", 0, 1000)])
    assert scores["recall@5"] == 0.5
    assert scores["iou@5"] == 100 / (2000 + 200 - 100)


def test_only_five_hits_count_and_none_of_another_corpus() -> None:
    """The same offsets elsewhere are wrong."""
    assert found([("b", 900, 1100)] * 5 + [("a", 0, 2000)])["recall@5"] == 0.0


def test_text_that_is_fetched_twice_is_found_once() -> None:
    """And lowers the share of what was fetched."""
    scores = found([("a", 0, 1000), ("a", 0, 1000)])
    assert (scores["recall@5"], scores["iou@5"]) == (0.5, 100 / (2000 + 200 - 100))


def test_a_budget_counts_distinct_characters_and_cuts_the_last_hit() -> None:
    """3,000 of another corpus leave 1,000 of 4,000 characters; what overlaps costs nothing twice."""
    assert found([("b", 1000, 4000), ("a", 0, 2000)])["recall@4000c"] == 0.5
    assert found([("b", 1000, 4000), ("b", 2000, 4000), ("a", 500, 1500)])["recall@4000c"] == 1.0
    assert found([("b", 1000, 4000), ("a", 0, 2000)])["recall@2000c"] == 0.0


def test_the_order_of_relevant_hits_counts() -> None:
    """Two chunks hold the answer; the second place is worth less than the first."""
    second = 1 / np.log2(3)
    assert found([("a", 0, 1000), ("a", 1000, 2000)])["ndcg@10"] == pytest.approx(1.0)
    assert found([("b", 0, 1000), ("a", 0, 1000)])["ndcg@10"] == pytest.approx(second / (1 + second))


def test_an_interval_holds_its_mean() -> None:
    """And a difference that is the same for every question is certain."""
    middle, low, high = mean(np.array([0.0, 1.0] * 50))
    assert low < middle == 50.0 < high
    assert difference(np.full(9, 0.7), np.full(9, 0.5)) == pytest.approx((20.0, 20.0, 20.0))


def test_chunks_are_found_in_their_text() -> None:
    """In order, whatever became of white space, or of all but letters and digits."""
    text = "One two.\n\nOne  two. Three *four* five"
    assert [span for span, _ in located(text, ["One two.", "One two. Three", " "])] == [(0, 8), (10, 25)]
    assert [span for span, _ in located(text, ["Three four"])] == [(20, 31)]
    with pytest.raises(ValueError, match="six"):
        located(text, ["six"])


def test_a_plot_has_a_row_for_each_ranking() -> None:
    """The best on top, names escaped."""
    plot = draw("T", [Dot(name="low & slow", value=(40, 35, 45)), Dot(name="high", value=(90, 85, 95), ours=True)])
    assert plot.count("<circle") == 2
    assert plot.index("high") < plot.index("low &amp; slow")


def test_distractors_are_near_what_they_are_made_of() -> None:
    """In meaning and in words, and none is another's copy: else they would not compete, or all be one hit."""
    rng = np.random.default_rng(1)
    rows = normalised(rng.standard_normal((3000, 384), dtype=np.float32))
    units = [Unit(text=f"word{n} and more{n}", start=n, end=n + 1, weight=1) for n in range(3000)]
    passages, made = Crowd([(units, rows)]).document(20)
    near = np.sort(made @ rows.T, axis=1)
    assert (np.abs(near[:, -1] - 0.7) < 0.12).all()
    assert (near[:, -2] > 0.3).all()
    words = {word for unit in units for word in unit.text.split()}
    texts = [unit.text for passage in passages for unit in passage.units]
    assert len(set(texts)) == len(texts) == 80
    assert {word for text in texts for word in text.split()[:-1]} <= words
