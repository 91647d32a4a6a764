"""The marks of a question, their intervals, and why a question missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from ingestor.evaluation.questions import Question
from ingestor.evaluation.study import (
    TEXT,
    Better,
    Miss,
    Probes,
    better,
    differences,
    interval,
    marks,
    means,
    missed,
    why_missed,
)

ANSWER = "Refunds are paid within seven business days after the goods have passed inspection."
OTHER = "Nobody goes back in before the fire brigade says so."


def test_an_answer_in_first_place_has_full_marks() -> None:
    """And its part of the text is what was fetched."""
    found = marks([ANSWER], [f"{ANSWER} And {len(ANSWER.split()) - 1} more words {'x ' * 10}".strip()])
    assert (found.recall_1, found.recall_5, found.ndcg_10, found.mrr) == (1, 1, 1, 1)
    assert found.iou_5 == pytest.approx(len(ANSWER.split()) / 27)


def test_a_later_place_counts_less() -> None:
    """By its logarithm, and by its inverse."""
    found = marks([ANSWER], ["a", "b", ANSWER])
    assert (found.recall_1, found.recall_5) == (0, 1)
    assert found.ndcg_10 == pytest.approx(1 / math.log2(4))
    assert found.mrr == pytest.approx(1 / 3)


def test_each_answer_counts_once() -> None:
    """Two hits that hold the same answer are no better than one."""
    assert marks([ANSWER, OTHER], [ANSWER, ANSWER]).ndcg_10 == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_long_passages_have_no_advantage_in_an_equal_amount_of_text() -> None:
    """What stands behind the first 4,000 characters does not count there, be it of one hit or of many."""
    filler = "Nothing to see. " * 400
    for texts in ([filler[:TEXT] + ANSWER], [filler[:TEXT], ANSWER], ["short. " * 20] * 40 + [ANSWER]):
        assert marks([ANSWER], texts).recall_text == 0
    for texts in ([f"{ANSWER} {filler}"], ["short. " * 20] * 20 + [ANSWER]):
        assert marks([ANSWER], texts).recall_text == 1
    assert marks([ANSWER], [filler, ANSWER]).recall_5 == 1


def test_which_finds_more_is_said_where_it_is_no_chance() -> None:
    """Paired: one question of forty decides nothing, the same gain in half of them does, whatever else is hard."""
    hit, none = marks([ANSWER], [ANSWER]), marks([ANSWER], ["else"])
    others = [hit, none] * 20
    assert better(differences([hit] * 40, others)) is Better.THIS
    assert better(differences(others, [hit] * 40)) is Better.OTHER
    assert better(differences([hit, hit, *others[2:]], others)) is Better.NEITHER
    assert better(differences(others, others)) is Better.NEITHER
    assert differences([hit] * 40, others)["recall_text"].mean == 0.5


def test_nothing_found_is_nothing() -> None:
    """No hits at all are an answer, too."""
    assert marks([ANSWER], []) == marks([ANSWER], ["else"])
    assert marks([ANSWER], []).recall_10 == 0


def test_an_interval_repeats_itself() -> None:
    """It holds its mean, and is the same each time."""
    spread = interval([0.0, 1.0] * 20)
    assert spread == interval([0.0, 1.0] * 20)
    assert spread.low < spread.mean == 0.5 < spread.high
    assert interval([]) == interval([0.0])
    assert means([marks([ANSWER], [ANSWER])])["mrr"].mean == 1


def question(*answers: str) -> Question:
    return Question(question="?", answers=answers)


def test_a_question_misses_by_any_of_its_answers() -> None:
    """Among the first five."""
    assert not missed(question(ANSWER, OTHER), [OTHER, ANSWER])
    assert missed(question(ANSWER, OTHER), [OTHER])
    assert missed(question(ANSWER), ["a", "b", "c", "d", "e", ANSWER])


def given(*texts: str) -> Callable[[str], Sequence[str]]:
    return lambda _query: texts


@pytest.mark.parametrize(
    ("words", "stale", "deep", "owner", "why"),
    [
        ((), False, (), (), Miss.NEVER_INGESTED),
        ((), True, (), (), Miss.STALE),
        ((ANSWER,), True, ("a", ANSWER), (ANSWER,), Miss.BADLY_RANKED),
        ((ANSWER,), False, ("a",), (ANSWER,), Miss.HIDDEN),
        ((ANSWER,), False, ("a",), ("b",), Miss.NOT_RETRIEVED),
    ],
)
def test_why_a_question_missed(
    words: tuple[str, ...], stale: bool, deep: tuple[str, ...], owner: tuple[str, ...], why: Miss
) -> None:
    """The first reason on the way from the source to the ranking."""
    probes = Probes(deep=given(*deep), owner=given(*owner), words=given(*words), stale=lambda _question: stale)
    assert why_missed(question(ANSWER), probes) is why
