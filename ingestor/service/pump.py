"""The two loops behind every run: one embeds what lacks vectors, one brings the index to what is wanted.

Both take their work from the ledger and from nowhere else, so that nothing is lost with them. The index
may be down for a day: embedding goes on, and the other loop tries again by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ingestor import log
from ingestor.cputime import of_native_threads
from ingestor.embedding.worker import EmbedOutcome, EmbedStep
from ingestor.errors import EmbedderError, IndexFailure, LedgerError, VectorsMissing
from ingestor.index.generations import GenerationManager
from ingestor.ledger.index import IndexStates
from ingestor.model import Generation, ModelId
from ingestor.service import spans
from ingestor.service.life import Life
from ingestor.service.meter import BUSY_SECONDS, CPU_SECONDS, INDEX_WRITES, UNITS, Meter
from ingestor.space import NoSpace

_EMBED_CHUNKS = 48  # two or three seconds of work, so that a fresh edit soon has its turn
_INDEX_ROWS = 1_000
_IDLE_LOOK_S = 30.0  # also without a kick: another process's repair, a retry that is due
_SLICE_S = 5.0
_LEDGER_RETRY_S = 5.0

_log = log.get()


@dataclass(kw_only=True, slots=True, eq=False)
class Account:
    """What was done for one source while its run was open. Itself and no other: two that counted the same so far are
    not one, and the inner one must not take the outer one's place away."""

    embedded: int = 0
    reused: int = 0
    index_writes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trouble:
    sentence: str = ""
    since: float = 0.0


class Pump:
    """``embed`` and ``index`` are stepped in a thread each. ``kick`` after every commit."""

    def __init__(
        self,
        *,
        ledger: IndexStates,
        embed: Callable[[ModelId], EmbedStep],
        index: GenerationManager,
        stop: threading.Event,
        require_room: Callable[[], None] = lambda: None,
        life: Life | None = None,
        meter: Meter | None = None,
    ) -> None:
        """``index`` says which generations it tends; ``embed`` gives what runs a model, or raises
        ``EmbedderError``."""
        self._ledger = ledger
        self._embed = embed
        self._index = index
        self._stop = stop
        self._require_room = require_room
        self._life = life or Life()
        self._meter = meter or Meter()
        self._wake = threading.Condition()
        self._kicks = 0
        self._accounts: dict[str, list[Account]] = {}
        self._beside: dict[ModelId, str] = {}
        self._trouble = {"embed": _Trouble(), "index": _Trouble()}
        self._threads = [
            threading.Thread(target=self._loop, args=("embed", self._embed_once), name="embed", daemon=True),
            threading.Thread(target=self._loop, args=("index", self._index_once), name="index", daemon=True),
        ]

    def start(self) -> None:
        """Begin both loops."""
        # By one thread, before there are others: two that import it at once can leave it half imported, and then
        # nothing embeds or searches by meaning until the process ends. Seen once in some hundred kills under load.
        import numpy  # noqa: F401, ICN001

        for thread in self._threads:
            thread.start()

    def kick(self) -> None:
        """There may be work."""
        with self._wake:
            self._kicks += 1
            self._wake.notify_all()

    def join(self, timeout: float) -> bool:
        """After ``stop`` was set: wait for both loops. True when they ended."""
        self.kick()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def backlog(self) -> tuple[int, int]:
        """(chunks without vectors, rows not written) of the model that search goes by; what is built for another
        one, or kept for a rollback, is not waited for."""
        embed = index = 0
        for generation in self._primary():
            waiting = self._ledger.backlog(generation.generation_id)
            embed, index = embed + waiting[0], index + waiting[1]
        return embed, index

    def settled(self) -> bool:
        """Nothing of this is left to embed or write. False before the first generation exists."""
        generations = self._primary()
        return bool(generations) and all(self._ledger.settled(known.generation_id) for known in generations)

    def sound(self) -> bool:
        """Whether the serving index is known to equal what was written to it."""
        return self._index.serving() is not None

    def trouble(self, lasting_s: float = 0.0) -> str:
        """Why a loop has not been able to go on for so many seconds, in a sentence; empty when both can."""
        now = time.monotonic()
        return next((t.sentence for t in self._trouble.values() if t.sentence and now - t.since >= lasting_s), "")

    def waits(self) -> Mapping[str, bool]:
        """Whether each loop cannot go on just now."""
        return {name: bool(trouble.sentence) for name, trouble in self._trouble.items()}

    def _set_trouble(self, name: str, sentence: str) -> None:
        before = self._trouble[name]
        self._trouble[name] = _Trouble(sentence=sentence, since=before.since if before.sentence else time.monotonic())

    @contextmanager
    def account(self, source: str) -> Iterator[Account]:
        """Counts what is done for ``source`` within; the innermost of several counts."""
        account = Account()
        with self._wake:
            self._accounts.setdefault(source, []).append(account)
        try:
            yield account
        finally:
            with self._wake:
                self._accounts[source].remove(account)

    # -- the loops -----------------------------------------------------------------------------------

    def _loop(self, name: str, once: Callable[[], bool]) -> None:
        stopping = self._life.asking(name, self._stop.is_set)
        while not stopping():
            before, began = self._kicks, time.monotonic()
            try:
                busy = once()
                if self._trouble[name].sentence:
                    _log.info("stage_recovered", stage=name)
                self._trouble[name] = _Trouble()
                wait = 0.0 if busy else _IDLE_LOOK_S
            except (IndexFailure, EmbedderError, LedgerError) as error:
                self._set_trouble(name, str(error))
                if isinstance(error, NoSpace):
                    _log.warning("no_space_left", error=str(error))  # one line for all who meet it
                else:
                    _log.warning("stage_waits", stage=name, error=str(error))
                wait, before = _LEDGER_RETRY_S if isinstance(error, LedgerError) else 1.0, self._kicks
            except Exception as error:  # a bug in one batch must not end the service silently
                self._set_trouble(name, f"{type(error).__name__}: {error}.")
                _log.error("stage_crashed", stage=name, exc_info=True)
                wait = _IDLE_LOOK_S
            self._meter.add(BUSY_SECONDS, time.monotonic() - began, name)
            with self._wake:
                while wait > 0 and before == self._kicks and not stopping():  # in slices: an idle loop lives
                    self._wake.wait(min(wait, _SLICE_S))
                    wait -= _SLICE_S
        self._life.ended(name)

    def _embed_once(self) -> bool:
        self._require_room()  # before the work whose fruit could not be kept
        ready, model = 0, self._index.model()
        for generation in self._generations():
            first = generation.model == model
            try:
                step = self._embed(generation.model)
                outcome = self._embed_step(step, generation)
            except EmbedderError as error:
                if first:
                    raise
                self._beside[generation.model] = str(error)  # the model that search goes by does not wait for it
                _log.warning("model_waits", model=generation.model, error=str(error))
                continue
            self._beside.pop(generation.model, None)
            ready += outcome.ready
            if first:
                self._note(embedded=outcome.embedded_by_source, reused=outcome.reused_by_source)
            if self._stop.is_set():
                break
        if ready:
            self.kick()  # the other loop has rows to write now
        return ready > 0

    def _embed_step(self, step: EmbedStep, generation: Generation) -> EmbedOutcome:
        """The first one loads the model, which may have to be fetched: that has no safe points."""
        loaded = step.loaded
        if not loaded:
            self._life.turns("embed", outside=True)
        try:
            stopping = self._life.asking("embed", self._stop.is_set)
            began, started = time.thread_time() + of_native_threads(), spans.now()
            outcome = step.step(generation.generation_id, _EMBED_CHUNKS, stopping)
            if outcome.ready or outcome.embedded:
                took = time.thread_time() + of_native_threads() - began
                self._meter.share(CPU_SECONDS, took, outcome.embedded_by_source or outcome.reused_by_source, "embed")
                for how, units in (("embedded", outcome.embedded_by_source), ("reused", outcome.reused_by_source)):
                    self._meter.share(UNITS, sum(units.values()), units, how)
                spans.record("embed", started, model=generation.model, units=outcome.embedded, chunks=outcome.ready)
            return outcome
        finally:
            if not loaded:
                self._life.turns("embed", outside=False)

    def trouble_beside(self, model: ModelId) -> str:
        """Why units cannot be embedded for a model that does not serve (yet); empty when they can."""
        return self._beside.get(model, "")

    def _index_once(self) -> bool:
        before, began, started = self._generations(), time.thread_time() + self._index.cpu_s(), spans.now()
        try:
            outcome = self._index.step(_INDEX_ROWS, self._life.asking("index", self._stop.is_set))
        except VectorsMissing:
            for generation in before:
                self._ledger.unready(generation.generation_id)
            self.kick()
            raise
        finally:
            if self._generations() != before:
                self.kick()  # a new generation: its chunks are to be looked at by the other loop
        self._note(writes=outcome.sources)
        if outcome.writes:
            took = time.thread_time() + self._index.cpu_s() - began
            self._meter.share(CPU_SECONDS, took, outcome.sources, "index")
            self._meter.share(INDEX_WRITES, outcome.writes, outcome.sources)
            spans.record("write", started, rows=outcome.writes)
        return outcome.writes > 0

    def _note(
        self,
        *,
        embedded: Mapping[str, int] | None = None,
        reused: Mapping[str, int] | None = None,
        writes: Mapping[str, int] | None = None,
    ) -> None:
        with self._wake:
            for source, accounts in self._accounts.items():
                if accounts:
                    accounts[-1].embedded += (embedded or {}).get(source, 0)
                    accounts[-1].reused += (reused or {}).get(source, 0)
                    accounts[-1].index_writes += (writes or {}).get(source, 0)

    def _generations(self) -> list[Generation]:
        """Those that follow the ledger, the model that search goes by first."""
        model = self._index.model()
        followers = [g for g in self._ledger.generations() if g.follows and self._index.tends(g)]
        return sorted(followers, key=lambda generation: generation.model != model)

    def _primary(self) -> list[Generation]:
        model = self._index.model()
        return [generation for generation in self._generations() if generation.model == model]
