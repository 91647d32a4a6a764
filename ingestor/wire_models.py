"""Requests and replies about embedding models and switching between them. The rest is in ``ingestor.wire``."""

from __future__ import annotations

from typing import Literal

from ingestor.wire import Wire


class ModelSwitchRequest(Wire):
    """``name`` and ``vectors`` as in the configuration, a folder absolute. ``questions`` is the text of an evaluation
    set; ``margin`` is how much less may be found, of 1. ``keep_s``: how long what served is kept for a rollback."""

    name: str
    vectors: Literal["pooled", "whole"] = "pooled"
    keep_s: float
    questions: str | None = None
    margin: float = 0.02


class ModelRollbackRequest(Wire):
    pass


class Quality(Wire):
    """``recall``: share of the answers among the first five hits; ``rank``: mean reciprocal rank of the first hit
    that holds an answer."""

    questions: int
    recall: float
    rank: float


class Comparison(Wire):
    mode: str
    before: Quality
    after: Quality


class Evaluation(Wire):
    """``passed``: in no mode less was found than the margin allows."""

    passed: bool
    margin: float
    modes: tuple[Comparison, ...]


class ModelReply(Wire):
    """``outcome``: done, unchanged (it serves already), refused (by the evaluation), cancelled, suspended."""

    outcome: str
    name: str
    model: str
    vectors: str = "pooled"
    previous: str = ""
    previous_vectors: str = "pooled"
    evaluation: Evaluation | None = None
    duration_s: float = 0.0


class ModelFacts(Wire):
    """``state``: serving, building, kept (until ``kept_until``) or unused. ``waiting``: chunks to embed and rows to
    write until its index is complete."""

    name: str
    vectors: str
    model: str
    state: str
    configured: bool = False
    waiting: int = 0
    kept_until: float | None = None


class ModelsReply(Wire):
    models: tuple[ModelFacts, ...]
