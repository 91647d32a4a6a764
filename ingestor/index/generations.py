"""Keeps one good generation of the vector index open, whatever happens to the store.

::

    none ──────────────> first generation: serving at once
    serving, files as at the last clean close ──> used without a probe
    serving, anything else ──> probed; rows that differ are written again
    serving, wrecked ──> condemned and removed; a new one is built from the ledger, then serves
    serving, sound, rebuild asked for ──> a new one is built beside it, then takes its place
    serving, another model wished for ──> one of that model is built beside it, takes its place, and the old
        one follows the ledger for a while, so that it can be taken back at once

While nothing serves, search does without (it scans the ledger's vectors); no source is read and nothing
is embedded for a rebuild. Every decision is taken again at each step from what the ledger says, so a
kill between any two lines leaves nothing to be tidied up by hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingestor import log, space
from ingestor.cputime import of_process
from ingestor.errors import IndexFailure, IndexUnavailable, IndexWrecked
from ingestor.faultpoint import reached
from ingestor.index.health import IndexHealth, IndexState, Probed
from ingestor.index.leftovers import condemn_expired, remove_leftovers
from ingestor.index.mending import mend
from ingestor.index.models import Models
from ingestor.index.opened import Opened
from ingestor.index.place import MIB, Limits, in_folder, new_location
from ingestor.index.probe import ProbeReport
from ingestor.index.projector import ProjectOutcome
from ingestor.index.publish import publish
from ingestor.index.stores import GenerationLedger, Stores
from ingestor.model import Generation, GenerationId, GenerationState, ModelId
from ingestor.ports import VectorIndex

_LONGEST_WAIT_S = 300.0
_BESIDE_RETRY_S = 30.0

_log = log.get()


class GenerationManager:
    """Owns the hosts. ``serving`` and ``health`` never wait; the other methods exclude each other."""

    def __init__(
        self,
        *,
        folder: Path,
        ledger: GenerationLedger,
        models: Models,
        url: str = "",
        collection: str = "ingestor",
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder.absolute()
        self._ledger = ledger
        self._models = models
        self._url = url
        self._collection = collection
        self._limits = limits or Limits()
        self._clock = clock
        self._lock = threading.RLock()
        self._stores = Stores(
            folder=self._folder,
            url=url,
            collection=collection,
            limits=self._limits,
            ledger=ledger,
            vectors=models.store,
            require_room=self._require_room,
        )
        self._serving: Opened | None = None
        self._swept = False
        self._doubted = False
        self._closed = False
        self._note = ""
        self._failures, self._retry_at = 0, 0.0

    # -- for the service -------------------------------------------------------------------------

    def wanted(self) -> Sequence[GenerationId]:
        """The generations that follow the ledger, the serving one first: those that units are embedded for.
        Makes the first one. Opens nothing."""
        with self._lock:
            return [opened.generation.generation_id for opened in self._targets()]

    def step(self, limit: int, stopping: Callable[[], bool] = lambda: False) -> ProjectOutcome:
        """Take the index a step nearer to the ledger: open, probe, repair, rebuild or write at most
        ``limit`` rows. An empty outcome means that nothing is left to do (or that ``stopping``).

        Raises ``NoSpace`` before anything is written where there is no room, and
        ``IndexFailure`` when the index cannot be used now; the next try is allowed after a time
        that doubles up to five minutes (``health().retry_in``), until then the same error comes at once.
        """
        with self._lock:
            if self._closed:
                raise IndexUnavailable("The vector index is closed.")
            if (wait := self._retry_at - self._clock()) > 0:
                raise IndexUnavailable(self._note, hint=f"The next try is in {wait:.0f} s.")
            try:
                outcome = self._step(limit, stopping, wrecks=0)
            except IndexFailure as error:
                self._back_off(error)
                raise
            self._failures = 0
            self._note = ""
            return outcome

    def serving(self) -> VectorIndex | None:
        """The index that search may ask, opened at its first question; None while there is none that is
        known to be sound. Never waits."""
        found = self.asked()
        return found[1] if found is not None else None

    def asked(self) -> tuple[ModelId, VectorIndex] | None:
        """``serving`` with its model: both of one generation, whatever is swapped meanwhile. Never waits."""
        opened = self._serving
        return (opened.generation.model, opened.index) if opened is not None and opened.usable else None

    def model(self) -> ModelId:
        """The model that search goes by: the serving generation's; while none serves, that of the one to come."""
        return self._base()

    def index_of(self, model: ModelId) -> VectorIndex | None:
        """A sound index of a model that is being built, for its evaluation. Never waits."""
        found = [o.index for o in self._stores.opened() if o.generation.model == model and o.usable]
        return found[-1] if found else None

    def warm(self) -> None:
        """Open the serving index now, so that the first search need not. Raises ``IndexFailure``."""
        with self._lock:
            self._targets()
            opened = self._serving
        if opened is not None and opened.sound:
            opened.index.open()

    def health(self) -> IndexHealth:
        """Never waits."""
        retry_in = max(0.0, self._retry_at - self._clock())
        if self._note:
            return IndexHealth(state=IndexState.DOWN, note=self._note, retry_in=retry_in)
        if self.serving() is None:
            return IndexHealth(state=IndexState.BUILDING)
        return IndexHealth(state=IndexState.READY)

    @property
    def probed(self) -> Probed | None:
        """The last probe of this process that came to its end."""
        return self._stores.probed

    def cpu_s(self) -> float:
        """Processor seconds of the hosts that run now."""
        pids = [opened.index.host_pid for opened in self._stores.opened()]
        return sum(of_process(pid) for pid in pids if pid is not None)

    # -- for people ------------------------------------------------------------------------------

    def verify(self, *, repair: bool = False, stopping: Callable[[], bool] = lambda: False) -> ProbeReport:
        """Compare every row of the serving generation (or of the one being built) with the ledger, and
        with ``repair`` see to it that the following steps mend what differs. Raises ``IndexUnavailable``."""
        with self._lock:
            self._sweep()
            opened = self._targets()[0]
            opened.sound = False
            report = self._stores.probe(opened, sampled=False, stopping=stopping)
            if repair:
                self._mend(opened, report)
            return report

    def rebuild(self) -> None:
        """Begin a new generation beside the serving one, which goes when the new one is complete. Raises
        ``IndexUnavailable`` where there is no room for a second store."""
        with self._lock:
            generations = self._generations()
            model = self._base()
            if not any(g.state is GenerationState.BUILDING and g.model == model for g in generations):
                needed, free = self._stores.largest(generations) + space.FLOOR, space.free(self._folder)
                if not self._url and free < needed:
                    raise IndexUnavailable(
                        f"A rebuild needs {needed / MIB:,.0f} MiB beside the index; {free / MIB:,.0f} MiB are free.",
                        hint=f"Make room on the disk of {self._folder} first.",
                    )
                self._add(GenerationState.BUILDING, model)

    def roll_back(self, *, keep_until: float | None) -> ModelId | None:
        """Let the generation that was kept last serve again, at once, and keep the other one until then; its
        model, None where none is kept. Nobody asked it meanwhile: the next step compares it with the ledger."""
        with self._lock:
            kept = [g for g in self._generations() if g.state is GenerationState.KEPT and g.kept_until is not None]
            if not kept:
                return None
            latest = max(kept, key=lambda generation: generation.kept_until or 0.0)
            self._swap(latest, keep_until=keep_until)
            self._doubted = True
            return latest.model

    def doubt(self) -> None:
        """Compare the serving generation with the ledger at the next step, without taking it from search."""
        self._doubted = True

    def expire(self) -> None:
        """What was kept long enough goes with the next step."""
        self._swept = False

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every store cleanly and note what its folder looks like; safe to call twice."""
        self._closed = True
        held = self._lock.acquire(timeout=self._limits.close_s)
        try:
            self._serving = None
            self._stores.close()
        finally:
            if held:
                self._lock.release()

    # -- one step --------------------------------------------------------------------------------

    def _require_room(self) -> None:
        if not self._url:
            space.require(self._folder)

    def _step(self, limit: int, stopping: Callable[[], bool], *, wrecks: int) -> ProjectOutcome:
        self._sweep()
        outcome, targets = ProjectOutcome(), self._targets()
        self._require_room()
        for opened in targets:
            first = opened is targets[0]
            if not first and opened.retry_at > self._clock():
                continue
            try:
                written = self._advance(opened, limit, stopping, wrecks=wrecks)
            except IndexFailure as error:
                if first:
                    raise
                # What is built or kept beside it must not keep the serving one from its work.
                opened.retry_at = self._clock() + _BESIDE_RETRY_S
                _log.warning("index_beside_waits", generation=opened.generation.location, error=str(error))
                continue
            if written is None:
                return outcome if stopping() else self._step(limit, stopping, wrecks=1)
            outcome += written
        if (serving := self._serving) is not None and serving.sound and self._doubted:
            report = self._stores.probe(serving, sampled=True, stopping=stopping)
            self._doubted = not report.finished
            if report.finished:
                _log.info("index_probed", generation=serving.generation.location, rows=report.checked)
                self._mend(serving, report)
        if (serving := self._serving) is not None and serving.sound:
            publish(serving, self._ledger, self._collection)
        return outcome

    def _advance(
        self, opened: Opened, limit: int, stopping: Callable[[], bool], *, wrecks: int
    ) -> ProjectOutcome | None:
        """One generation; None when it was stopped, or turned out to be a wreck and is gone."""
        if not opened.sound:
            report = self._stores.probe(opened, sampled=True, stopping=stopping)
            if not report.finished:
                return None
            self._mend(opened, report)
            if report.wrecked and wrecks:
                # Two in a row: it is not the store. The next try waits.
                raise IndexWrecked(report.reason)
            if report.wrecked:
                return None
        try:
            written = opened.projector.step(opened.generation.generation_id, limit)
        except IndexFailure:
            opened.sound = False
            raise
        if written.writes < limit:
            opened.mending = False
            self._promote(opened, stopping)
        return written

    def _targets(self) -> list[Opened]:
        """The generations that follow the ledger now, the serving one first; there is at least one of the model
        that search goes by, and one of the model that is wished for."""
        if not self._ledger.generations():
            self._add(GenerationState.SERVING, self._models.first())
        generations = self._generations()
        base = self._base()
        for model in dict.fromkeys([base, self._models.wished() or base]):
            active = {GenerationState.SERVING, GenerationState.BUILDING}
            if not any(g.model == model and g.state in active for g in generations):
                self._add(GenerationState.BUILDING, model)
        live = [generation for generation in self._generations() if generation.follows]
        order = [GenerationState.SERVING, GenerationState.BUILDING, GenerationState.KEPT]
        live.sort(key=lambda generation: order.index(generation.state))
        targets = [self._stores.get(generation) for generation in live]
        self._serving = next((o for o in targets if o.generation.state is GenerationState.SERVING), None)
        return targets

    def _base(self) -> ModelId:
        """The model that search goes by; it stays when the place of the index changes."""
        generations, wished = self._ledger.generations(), self._models.wished()
        known = [generation for generation in generations if self._models.known(generation.model)]
        serving = [g.model for g in known if g.state is GenerationState.SERVING]
        building = [g.model for g in known if g.state is GenerationState.BUILDING and g.model != wished]
        return (serving or building or [self._models.first()])[0]

    def tends(self, generation: Generation) -> bool:
        """Whether its model can be loaded and it is at this kind of place: after a change of the configuration
        the ledger may name folders where a server is used now, or the other way round."""
        return self._models.known(generation.model) and in_folder(generation.location) is not bool(self._url)

    def _generations(self) -> list[Generation]:
        return [generation for generation in self._ledger.generations() if self.tends(generation)]

    def _add(self, state: GenerationState, model: ModelId) -> Generation:
        return self._ledger.add_generation(model, new_location(self._url, self._collection), state)

    # -- doubt and damage ------------------------------------------------------------------------

    def _mend(self, opened: Opened, report: ProbeReport) -> None:
        if report.wrecked:
            _log.warning("index_wrecked", generation=opened.generation.location, reason=report.reason)
            self._condemn(opened)
        else:
            mend(opened, report, self._ledger)

    def _condemn(self, opened: Opened) -> None:
        """The new generation first: a kill in between finds the wreck again, not an index without heir."""
        if self._serving is opened:
            self._serving = None
        mine = opened.generation
        others = [g for g in self._generations() if g.generation_id != mine.generation_id and g.model == mine.model]
        heir = any(generation.state is GenerationState.BUILDING for generation in others)
        if not heir and mine.state is not GenerationState.KEPT:
            self._add(GenerationState.BUILDING, mine.model)
        reached("index.condemn")
        self._ledger.set_generation(opened.generation.generation_id, GenerationState.CONDEMNED)
        reached("index.condemn.done")
        self._stores.remove(opened)

    def _promote(self, opened: Opened, stopping: Callable[[], bool]) -> None:
        """A complete generation serves once a probe of all its rows has found it equal to the ledger."""
        generation = opened.generation
        if generation.state is not GenerationState.BUILDING or not self._complete(generation):
            return
        switched = generation.model == self._models.wished()
        report = self._stores.probe(opened, sampled=False, stopping=stopping)
        if not report.finished:
            return
        if not report.clean:
            self._mend(opened, report)
            raise IndexUnavailable("The new generation of the vector index is not equal to the ledger.")
        _log.info("index_rebuilt", generation=generation.location, model=generation.model, rows=report.checked)
        self._swap(generation, keep_until=self._models.keep_until(time.time()) if switched else None)

    def _complete(self, generation: Generation) -> bool:
        if generation.model == self._models.wished():
            return self._models.may_serve(generation)
        # In this order: what was marked ready since the rows were written is pending now.
        waiting = self._ledger.unembedded(generation.generation_id, 1)
        return not waiting and not self._ledger.pending(generation.generation_id, 1)

    def _swap(self, generation: Generation, *, keep_until: float | None) -> None:
        """One update of the ledger; what it replaced goes, now or when its time is over."""
        reached("index.promote")
        self._ledger.set_generation(generation.generation_id, GenerationState.SERVING, keep_until=keep_until)
        reached("index.promote.done")
        self._swept = False
        previous = self._serving
        self._targets()
        if self._serving is not None:
            self._serving.published = None
        if previous is not None and previous is not self._serving and keep_until is None:
            self._ledger.set_generation(previous.generation.generation_id, GenerationState.CONDEMNED)
            self._stores.remove(previous)

    def _sweep(self) -> None:
        """Remove, once, what nothing tends any more: at the start, after a swap, when something expired."""
        if self._swept:
            return
        for gone in condemn_expired(self._ledger):
            for opened in self._stores.opened():
                if opened.generation.generation_id == gone:
                    self._stores.remove(opened)
        remove_leftovers(self._ledger.generations(), folder=self._folder, url=self._url, limits=self._limits)
        self._swept = True

    def _back_off(self, error: IndexFailure) -> None:
        self._failures += 1
        self._note = error.message
        self._retry_at = self._clock() + min(_LONGEST_WAIT_S, 2.0 ** min(self._failures - 1, 9))
