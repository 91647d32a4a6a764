"""The measures of retrieval and the evaluation set, by examples that can be computed by hand."""

from __future__ import annotations

import pytest

from ingestor.errors import ConfigError
from ingestor.evaluation.metrics import Quality, covered, quality
from ingestor.evaluation.questions import Question, read_questions

ANSWER = "Refunds are paid within seven business days after the returned goods have passed inspection."


@pytest.mark.parametrize(
    ("answers", "texts", "share"),
    [
        ([ANSWER], [f"before. {ANSWER} after."], 1.0),
        ([ANSWER], [ANSWER.replace(" ", "\n  ")], 1.0),
        ([ANSWER], ["Something else."], 0.0),
        ([ANSWER], [], 0.0),
        (["by post"], ["It is sent by post today."], 1.0),
        (["by post"], ["It is sent by a post office."], 0.0),
        (["one two", "three four"], ["one two"], 0.5),
        (["one two", "three four"], ["three four", "one two"], 1.0),
    ],
    ids=["whole", "white space", "nothing", "no hits", "short", "short and torn", "one of two", "over two hits"],
)
def test_the_share_of_the_answers_that_is_found(answers: list[str], texts: list[str], share: float) -> None:
    """Words in runs of eight, or the whole of a shorter answer; white space does not count."""
    assert covered(answers, texts) == share


def test_an_answer_that_a_cut_runs_through_counts_in_part() -> None:
    """14 words are 7 runs of eight; cut in the middle none of the runs across the cut is found."""
    words = ANSWER.split()
    assert covered([ANSWER], [" ".join(words[:10]), " ".join(words[10:])]) == 3 / 7


def test_quality_over_questions() -> None:
    """Recall looks at five hits, the rank at ten; both are means."""
    other = ["x"] * 5
    found = quality([([ANSWER], [ANSWER]), ([ANSWER], ["x", ANSWER]), ([ANSWER], [*other, ANSWER]), ([ANSWER], other)])
    assert found == Quality(questions=4, recall=0.5, rank=(1 + 1 / 2 + 1 / 6) / 4)
    assert quality([]) == Quality(questions=0, recall=0.0, rank=0.0)


def test_an_evaluation_set_is_read() -> None:
    """One answer or several, other keys and empty lines are left alone."""
    text = '{"question": "a", "answer": "b", "kind": "x"}\n\n{"question": "c", "answer": ["d", "e"]}\n'
    assert read_questions(text, "here") == [
        Question(question="a", answers=("b",)),
        Question(question="c", answers=("d", "e")),
    ]


@pytest.mark.parametrize(
    "line",
    ["no json", "[]", '{"question": "a"}', '{"question": " ", "answer": "b"}', '{"question": "a", "answer": ["b", 3]}'],
)
def test_a_wrong_line_is_named(line: str) -> None:
    """Each wrong line is a problem with its number."""
    with pytest.raises(ConfigError) as raised:
        read_questions(f'{{"question": "a", "answer": "b"}}\n{line}\n', "here")
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["line 2"]


def test_an_empty_set_is_refused() -> None:
    """No question at all would let every model pass."""
    with pytest.raises(ConfigError, match="no question"):
        read_questions("\n", "here")
