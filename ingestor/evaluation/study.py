"""An evaluation set asked of a search: the marks of each question, their means with intervals, and why a question
missed. Pure; the search is given as a function.

A hit *holds* an answer when half of its runs of words stand in it (``metrics.covered``).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from ingestor.evaluation.metrics import covered
from ingestor.evaluation.questions import Question

HITS = 10
DEEP = 200
"""Hits that are looked through for an answer that is not among the first."""

TEXT = 4_000
"""Characters that different cuts and models are compared by: about what a language model is given."""

TEXT_HITS = 60
"""Asked for where the first ten hits hold less text."""

_HALF = 0.5
_DRAWS = 2_000

Texts = Sequence[str]
"""The texts of hits, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Of one question, each from 0 to 1. ``recall_N``: share of the answers in the first N hits; ``ndcg_10``: each
    answer counts where it is first held; ``mrr``: one over the place of the first hit that holds one; ``iou_5``: words
    of the answers in the first five, against all words of these and those that were missed; ``recall_text``: share of
    the answers in the first ``TEXT`` characters of the hits, so that long passages have no advantage."""

    recall_1: float
    recall_5: float
    recall_10: float
    recall_text: float
    ndcg_10: float
    mrr: float
    iou_5: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Mean over the questions, or of a difference, and the ends of its interval of 95 %."""

    mean: float
    low: float
    high: float


class Better(StrEnum):
    """Which of two searches finds more; neither, where the difference may be chance."""

    THIS = "this"
    OTHER = "other"
    NEITHER = "neither"


class Miss(StrEnum):
    """Why the first hits do not hold an answer."""

    NEVER_INGESTED = "never_ingested"
    STALE = "stale"
    HIDDEN = "hidden"
    NOT_RETRIEVED = "not_retrieved"
    BADLY_RANKED = "badly_ranked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probes:
    """What may be asked about a miss. ``deep`` is the same search for ``DEEP`` hits; ``owner`` the same for who may
    read everything; ``words`` the owner's search for words as they stand; ``stale`` whether the item's content in the
    ledger is older than the source's, where the question names one."""

    deep: Callable[[str], Texts]
    owner: Callable[[str], Texts]
    words: Callable[[str], Texts]
    stale: Callable[[Question], bool]


def marks(answers: Sequence[str], texts: Texts) -> Marks:
    first = [_first_holder(answer, texts[:HITS]) for answer in answers]
    places = [place for place in first if place is not None]
    ideal = sum(1 / math.log2(place + 2) for place in range(min(len(answers), HITS)))
    wanted = sum(len(answer.split()) for answer in answers)
    found = wanted * covered(answers, texts[:5])
    fetched = sum(len(text.split()) for text in texts[:5])
    return Marks(
        recall_1=covered(answers, texts[:1]),
        recall_5=covered(answers, texts[:5]),
        recall_10=covered(answers, texts[:HITS]),
        recall_text=covered(answers, _first_text(texts)),
        ndcg_10=min(1.0, sum(1 / math.log2(place + 2) for place in places) / ideal),
        mrr=1 / (min(places) + 1) if places else 0.0,
        iou_5=found / (fetched + wanted - found) if fetched or wanted else 0.0,
    )


def means(all_marks: Sequence[Marks], seed: int = 0) -> Mapping[str, Interval]:
    """Of each mark, by bootstrap over questions."""
    return {field.name: interval([getattr(one, field.name) for one in all_marks], seed) for field in fields(Marks)}


def differences(these: Sequence[Marks], others: Sequence[Marks]) -> Mapping[str, Interval]:
    """Of each mark, how much higher it is in ``these``; both have the marks of the same questions in the same order.
    Paired: what makes a question hard for both is in neither interval."""
    pairs = list(zip(these, others, strict=True))
    return {
        field.name: interval([getattr(this, field.name) - getattr(other, field.name) for this, other in pairs])
        for field in fields(Marks)
    }


def better(found: Mapping[str, Interval]) -> Better:
    """By ``recall_text``: what ``differences`` found is believed where its interval of 95 % leaves zero out."""
    by = found["recall_text"]
    if by.low > 0:
        return Better.THIS
    return Better.OTHER if by.high < 0 else Better.NEITHER


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    if not values:
        return Interval(mean=0.0, low=0.0, high=0.0)
    draw = random.Random(seed)  # noqa: S311  # no secret hangs on it, and it has to repeat itself
    drawn = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(_DRAWS))
    mean, low, high = sum(values) / len(values), drawn[_DRAWS // 40], drawn[-1 - _DRAWS // 40]
    return Interval(mean=round(mean, 4), low=round(low, 4), high=round(high, 4))


def missed(question: Question, texts: Texts) -> bool:
    """Whether some answer is held by none of the first five hits."""
    return any(_first_holder(answer, texts[:5]) is None for answer in question.answers)


def why_missed(question: Question, probes: Probes) -> Miss:
    """The first of the reasons, from the source to the ranking, that is true of some answer."""
    lacking = [answer for answer in question.answers if not _holds(answer, probes.words(answer))]
    if lacking:
        return Miss.STALE if probes.stale(question) else Miss.NEVER_INGESTED
    deep = probes.deep(question.question)
    beyond = [answer for answer in question.answers if not _holds(answer, deep)]
    if not beyond:
        return Miss.BADLY_RANKED
    owner = probes.owner(question.question)
    return Miss.HIDDEN if any(_holds(answer, owner) for answer in beyond) else Miss.NOT_RETRIEVED


def _first_text(texts: Texts) -> Texts:
    """The hits' texts, cut off after ``TEXT`` characters in all."""
    left, found = TEXT, list[str]()
    for text in texts:
        found.append(text[:left])
        left -= len(found[-1])
        if not left:
            break
    return found


def _holds(answer: str, texts: Texts) -> bool:
    return _first_holder(answer, texts) is not None


def _first_holder(answer: str, texts: Texts) -> int | None:
    return next((place for place, text in enumerate(texts) if covered([answer], [text]) >= _HALF), None)
