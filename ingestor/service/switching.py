"""``model switch`` and ``model rollback``: another embedding model, without a moment in which search is worse.

The wish stands in the ledger. Whatever process holds the state folder embeds the ledger's units with the new model
into a generation of its own, beside the one that serves; both follow the ledger. It takes over when its seeding is
at its end, nothing of it is older than a minute and, with an evaluation set, no less of the answers is found than
the margin allows. A command that waits for it may be interrupted, and so may the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ingestor import log, wire, wire_models
from ingestor.errors import EmbedderError, IndexUnavailable, IngestorError, UserError
from ingestor.evaluation.metrics import quality
from ingestor.evaluation.questions import Question, read_questions
from ingestor.ledger.ledger import Ledger
from ingestor.model import (
    Generation,
    GenerationState,
    ModelId,
    ModelSwitch,
    Reader,
    SearchMode,
    SwitchOutcome,
    vectors_of,
)
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from ingestor.service.lens import Lenses
from ingestor.service.models import DEFAULT_KEEP_S
from ingestor.service.runner import PATIENCE_S

if TYPE_CHECKING:
    from ingestor.service.core import Service

_FRESH_S = 60.0  # how old something may be that the new generation still lacks
_LOOK_S = 0.1
_HITS = 10
_MODES = (SearchMode.HYBRID, SearchMode.DENSE)  # words may hide in the first what only the second shows

Report = Callable[[wire.Progress], None]

_log = log.get()


class Judge:
    """Whether the generation of the wished model may serve: is it current, and is it good enough?"""

    def __init__(self, *, ledger: Ledger, searcher: Searcher, lenses: Lenses, decided: Callable[[], None]) -> None:
        """``decided`` is called when a verdict is there, from a thread of its own: the index has to look again."""
        self._ledger = ledger
        self._searcher = searcher
        self._lenses = lenses
        self._decided = decided
        self._lock = threading.Lock()
        self._evaluating = False

    def __call__(self, generation: Generation) -> bool:
        wish = self._ledger.models.wish()
        if wish is None or wish.model != generation.model:
            return False
        if self._ledger.index.overdue(generation.generation_id, _FRESH_S):
            return False
        if wish.questions is None:
            return True
        if wish.report:
            return wire_models.Evaluation.model_validate_json(wish.report).passed
        self._evaluate_soon(wish)
        return False

    def _evaluate_soon(self, wish: ModelSwitch) -> None:
        """Beside the index loop, which has edits to write meanwhile."""
        with self._lock:
            if self._evaluating:
                return
            self._evaluating = True
        threading.Thread(target=self._evaluate, args=(wish,), name="evaluate", daemon=True).start()

    def _evaluate(self, wish: ModelSwitch) -> None:
        try:
            new = self._lenses.of(wish.model)
            if new is None:
                return  # it is being probed or mended; the next look comes back to it
            asked = read_questions(wish.questions or "", "the evaluation set")
            modes = tuple(self._compare(mode, asked, self._lenses.present(), new) for mode in _MODES)
            passed = not any(_worse(found, wish.margin) for found in modes)
            report = wire_models.Evaluation(passed=passed, margin=wish.margin, modes=modes)
            self._ledger.models.judge(wish.model, report.model_dump_json())
            _log.info("model_evaluated", model=wish.name, passed=passed, questions=len(asked))
            if not passed:
                self._ledger.models.end(wish.model, SwitchOutcome.REFUSED)
            self._decided()
        except IngestorError as error:
            _log.warning("model_evaluation_failed", model=wish.name, error=str(error))
        finally:
            with self._lock:
                self._evaluating = False

    def _compare(self, mode: SearchMode, asked: Sequence[Question], old: Lens, new: Lens) -> wire_models.Comparison:
        before, after = self._quality(mode, asked, old), self._quality(mode, asked, new)
        return wire_models.Comparison(mode=mode.value, before=before, after=after)

    def _quality(self, mode: SearchMode, asked: Sequence[Question], lens: Lens) -> wire_models.Quality:
        answered = []
        for question in asked:
            found = self._searcher.search(question.question, mode=mode, top=_HITS, reader=Reader(), lens=lens)
            answered.append((question.answers, [hit.text for hit in found.hits]))
        return wire_models.Quality.model_validate(asdict(quality(answered)))


def _worse(found: wire_models.Comparison, margin: float) -> bool:
    before, after = found.before, found.after
    return after.recall < before.recall - margin or after.rank < before.rank - margin


def switch(service: Service, request: wire_models.ModelSwitchRequest, progress: Report) -> wire_models.ModelReply:
    """Begin, unless the same switch is under way, and wait until it has ended. Raises ``EmbedderError`` when the
    model cannot be used, ``ConfigError`` for an evaluation set that cannot be read, and ``IndexUnavailable`` when
    the work cannot go on for a while: then it goes on by itself."""
    began, models = time.monotonic(), service.ledger.models
    if request.questions is not None:
        read_questions(request.questions, "the evaluation set")
    try:
        embedder = service.parts.models.offer(request.name, whole=request.vectors == "whole")
    except EmbedderError as error:
        raise UserError(
            error.message, hint="Give a sentence-transformers model, or a folder that holds one."
        ) from error
    serving = service.parts.index.model()
    wish = models.wish()
    if wish is not None and wish.model != embedder.model:
        raise UserError(
            f"A switch to {wish.name} is under way.",
            hint="Wait for it, or give it up: ingestor model rollback.",
        )
    embedder.embed(["A model that cannot be loaded is found out before hours of work."])
    again = wish is not None and request.questions is None
    if not again and not models.begin(
        embedder.model, request.name, keep_s=request.keep_s, questions=request.questions, margin=request.margin
    ):
        return _reply(service, "unchanged", embedder.model, serving)
    service.parts.pump.kick()
    if not _await(service, embedder.model, progress):
        outcome = "suspended"
    else:
        ended = models.latest()
        outcome = ended.outcome.value if ended is not None and ended.outcome is not None else "cancelled"
    report = next((switch.report for switch in [models.latest()] if switch is not None), "")
    return _reply(service, outcome, embedder.model, serving, began).model_copy(
        update={"evaluation": wire_models.Evaluation.model_validate_json(report) if report else None}
    )


def roll_back(service: Service) -> wire_models.ModelReply:
    """Give up the switch that is under way, or else take back the one before. Raises ``UserError`` where nothing
    is kept."""
    began, models, index = time.monotonic(), service.ledger.models, service.parts.index
    wish, serving = models.wish(), index.model()
    if wish is not None:
        models.end(wish.model, SwitchOutcome.CANCELLED)
        index.expire()
        service.parts.pump.kick()
        return _reply(service, "cancelled", wish.model, serving)
    model = index.roll_back(keep_until=time.time() + DEFAULT_KEEP_S)
    if model is None:
        raise UserError(
            "No earlier model is kept.",
            hint="`ingestor model list` shows what there is; `ingestor model switch NAME` embeds with another one.",
        )
    service.parts.pump.kick()
    return _reply(service, "done", model, serving, began)


def retire(service: Service) -> None:
    """For maintenance: kept generations whose time is over go, and vectors that no generation needs any more."""
    service.parts.index.expire()
    registry = service.parts.models
    keep = {model for model in (registry.first(), registry.wished()) if model is not None}
    if retired := service.ledger.retire_models(keep):
        _log.info("model_vectors_removed", models=retired)


def _await(service: Service, model: ModelId, progress: Report) -> bool:
    """Until the switch has ended; false when we are asked to stop first."""
    most, troubled_since = 0, None
    while service.parts.models.wished() == model:
        if service.stop.is_set():
            return False
        trouble = service.parts.pump.trouble(PATIENCE_S) or service.parts.pump.trouble_beside(model)
        troubled_since = (troubled_since or time.monotonic()) if trouble else None
        if troubled_since is not None and time.monotonic() - troubled_since > PATIENCE_S:
            raise IndexUnavailable(
                f"The switch is not complete yet: {trouble}", hint="It is gone on with by the service or the next run."
            )
        to_embed, to_index = _backlog(service, model)
        most = max(most, to_embed + to_index)
        left = to_embed + to_index
        progress(wire.Progress(stage="switch", done=most - left, total=most, to_embed=to_embed, to_index=to_index))
        service.stop.wait(_LOOK_S)
    return True


def _backlog(service: Service, model: ModelId) -> tuple[int, int]:
    building = [
        g.generation_id
        for g in service.ledger.index.generations()
        if g.model == model and g.state is GenerationState.BUILDING
    ]
    return service.ledger.index.backlog(building[-1]) if building else (0, 0)


def _reply(
    service: Service, outcome: str, model: ModelId, previous: ModelId, began: float | None = None
) -> wire_models.ModelReply:
    """``began``: when the work did, on the monotonic clock."""
    names = service.ledger.models.names()
    return wire_models.ModelReply(
        outcome=outcome,
        name=names.get(model, model),
        model=model,
        vectors=vectors_of(model),
        previous=names.get(previous, previous),
        previous_vectors=vectors_of(previous),
        duration_s=round(time.monotonic() - began, 3) if began is not None else 0.0,
    )
