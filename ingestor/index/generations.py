"""Keeps one good generation of the vector index open, whatever happens to the store.

::

    none ──────────────> first generation: serving at once
    serving, files as at the last clean close ──> used without a probe
    serving, anything else ──> probed; rows that differ are written again
    serving, wrecked ──> condemned and removed; a new one is built from the ledger, then serves
    serving, sound, rebuild asked for ──> a new one is built beside it, then takes its place

While nothing serves, search does without (it scans the ledger's vectors); no source is read and nothing
is embedded for a rebuild. Every decision is taken again at each step from what the ledger says, so a
kill between any two lines leaves nothing to be tidied up by hand.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ingestor import log, space
from ingestor.errors import IndexFailure, IndexUnavailable, IndexWrecked, LedgerError
from ingestor.faultpoint import reached
from ingestor.index.chroma import ChromaIndex
from ingestor.index.host import ServerFault
from ingestor.index.manifest import folder_files, folder_manifest
from ingestor.index.place import GIB, MIB, Folder, Limits, Place, Server
from ingestor.index.probe import ProbeReport, probe
from ingestor.index.projector import Projector, ProjectOutcome
from ingestor.model import ChunkId, Generation, GenerationId, GenerationState
from ingestor.ports import EmbedLedger, IndexLedger, VectorIndex, VectorStore

_FOLDER_PREFIX = "generation-"
_SERVER_SAMPLE = 2_000  # a server survives the death of its clients; ids are compared all the same
_FAULTS_OF_A_SERVER = 3  # one may pass by itself (its disk was full); in a row they are a wreck
_LONGEST_WAIT_S = 300.0

_log = log.get()


class IndexState(StrEnum):
    READY = "ready"
    BUILDING = "building"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexHealth:
    """For people and for the service's loop. ``retry_in`` is in seconds, 0 when a step may be taken now."""

    state: IndexState
    note: str = ""
    retry_in: float = 0.0


class GenerationLedger(IndexLedger, EmbedLedger, Protocol):
    """What the manager sees of the ledger. Also called from the threads that search, when they open a store."""


class GenerationManager:
    """Owns the hosts. ``serving`` and ``health`` never wait; the other methods exclude each other."""

    def __init__(
        self,
        *,
        folder: Path,
        ledger: GenerationLedger,
        vectors: VectorStore,
        url: str = "",
        collection: str = "ingestor",
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder.absolute()
        self._ledger = ledger
        self._vectors = vectors
        self._url = url
        self._collection = collection
        self._limits = limits or Limits()
        self._clock = clock
        self._lock = threading.RLock()
        self._open: dict[GenerationId, _Opened] = {}
        self._serving: _Opened | None = None
        self._swept = False
        self._closed = False
        self._note = ""
        self._failures = 0
        self._retry_at = 0.0

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
        opened = self._serving
        return opened.index if opened is not None and opened.sound and not opened.mending else None

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

    # -- for people ------------------------------------------------------------------------------

    def verify(self, *, repair: bool = False, stopping: Callable[[], bool] = lambda: False) -> ProbeReport:
        """Compare every row of the serving generation (or of the one being built) with the ledger, and
        with ``repair`` see to it that the following steps mend what differs. Raises ``IndexUnavailable``."""
        with self._lock:
            self._sweep()
            opened = self._targets()[0]
            opened.sound = False
            report = self._probe(opened, sample=None, stopping=stopping)
            if repair:
                self._mend(opened, report)
            return report

    def rebuild(self) -> None:
        """Begin a new generation beside the serving one, which goes when the new one is complete. Raises
        ``IndexUnavailable`` where there is no room for a second store."""
        with self._lock:
            generations = self._generations()
            if not any(generation.state is GenerationState.BUILDING for generation in generations):
                needed, free = self._largest_store(generations) + space.FLOOR, space.free(self._folder)
                if not self._url and free < needed:
                    raise IndexUnavailable(
                        f"A rebuild needs {needed / MIB:,.0f} MiB beside the index; {free / MIB:,.0f} MiB are free.",
                        hint=f"Make room on the disk of {self._folder} first.",
                    )
                self._add(GenerationState.BUILDING)

    def _largest_store(self, generations: Sequence[Generation]) -> int:
        """Bytes of the largest folder: a new one takes no more."""
        places = [self._folder / generation.location for generation in generations]
        return max((sum(size for _, size, _ in folder_files(p)) for p in places if p.is_dir()), default=0)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every store cleanly and note what its folder looks like; safe to call twice."""
        self._closed = True
        held = self._lock.acquire(timeout=self._limits.close_s)
        try:
            self._serving = None
            for opened in list(self._open.values()):
                self._close(opened)
            self._open.clear()
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
            if not opened.sound:
                report = self._probe(opened, sample=self._sample(), stopping=stopping)
                if not report.finished:
                    return outcome
                self._mend(opened, report)
                if report.wrecked and wrecks:
                    # Two in a row: it is not the store. The next try waits.
                    raise IndexWrecked(report.reason)
                if report.wrecked:
                    return self._step(limit, stopping, wrecks=1)
            try:
                written = opened.projector.step(opened.generation.generation_id, limit)
            except IndexFailure:
                opened.sound = False
                raise
            outcome += written
            if written.writes < limit:
                opened.mending = False
                self._promote(opened, stopping)
        return outcome

    def _targets(self) -> list[_Opened]:
        """The generations that follow the ledger now; there is at least one."""
        live = [g for g in self._generations() if g.state in {GenerationState.SERVING, GenerationState.BUILDING}]
        if not live:
            first = not self._ledger.generations()
            live = [self._add(GenerationState.SERVING if first else GenerationState.BUILDING)]
        live.sort(key=lambda generation: generation.state is not GenerationState.SERVING)
        targets = [self._opened(generation) for generation in live]
        self._serving = next((o for o in targets if o.generation.state is GenerationState.SERVING), None)
        return targets

    def tends(self, generation: Generation) -> bool:
        """Whether it is of this model and at this kind of place: after a change of the configuration the
        ledger may name folders where a server is used now, or the other way round."""
        in_folder = generation.location.startswith(_FOLDER_PREFIX)
        return generation.model == self._vectors.model and in_folder is not bool(self._url)

    def _generations(self) -> list[Generation]:
        return [generation for generation in self._ledger.generations() if self.tends(generation)]

    def _add(self, state: GenerationState) -> Generation:
        public_is_free = not any(g.location == self._collection for g in self._ledger.generations())
        location = self._collection if self._url and public_is_free else new_location(self._url, self._collection)
        return self._ledger.add_generation(self._vectors.model, location, state)

    def _opened(self, generation: Generation) -> _Opened:
        opened = self._open.get(generation.generation_id)
        if opened is None:
            opened = _Opened(generation, self._index(generation), self._ledger, self._vectors)
            opened.sound = self._is_clean(generation)
            self._open[generation.generation_id] = opened
        opened.generation = generation
        return opened

    def _index(self, generation: Generation) -> ChromaIndex:
        generation_id = generation.generation_id

        def before_open() -> None:
            # Opening alone may write to the folder; from here on a kill means a probe.
            try:
                self._ledger.set_manifest(generation_id, None)
            except LedgerError as error:
                raise IndexUnavailable(error.message, hint=error.hint) from error

        def on_failure(_: IndexFailure) -> None:
            if (opened := self._open.get(generation_id)) is not None:
                opened.sound = False

        return ChromaIndex(self._place(generation), limits=self._limits, before_open=before_open, on_failure=on_failure)

    def _place(self, generation: Generation) -> Place:
        if self._url:
            return Server(url=self._url, collection=generation.location)
        return Folder(path=self._folder / generation.location, collection=self._collection)

    def _is_clean(self, generation: Generation) -> bool:
        """Whether the store is as it was left at a clean close, or was never made. Never true for a server."""
        if self._url:
            return False
        path = self._folder / generation.location
        if generation.manifest is None:
            return not path.exists() and not self._ledger.expected(generation.generation_id, ChunkId(""), 1)
        try:
            return folder_manifest(path) == generation.manifest
        except OSError:
            return False

    # -- doubt and damage ------------------------------------------------------------------------

    def _sample(self) -> int | None:
        return _SERVER_SAMPLE if self._url else None

    def _probe(self, opened: _Opened, *, sample: int | None, stopping: Callable[[], bool]) -> ProbeReport:
        try:
            self._refuse_bloat(opened.index.place)
            opened.index.open()
            report = probe(
                opened.generation.generation_id,
                ledger=self._ledger,
                vectors=self._vectors,
                index=opened.index,
                sample=sample,
                stopping=stopping,
            )
        except IndexWrecked as error:
            self._require_room()  # a store that met the end of the disk is judged when there is room again
            return ProbeReport(wrecked=True, reason=error.message)
        except ServerFault as error:
            opened.faults += 1
            if opened.faults < _FAULTS_OF_A_SERVER:
                raise
            return ProbeReport(wrecked=True, reason=error.message)
        opened.faults = 0
        opened.sound = report.finished and not report.wrecked
        return report

    def _refuse_bloat(self, place: Place) -> None:
        """A link list of 600 GB has been seen, which Chroma opens as if nothing were wrong."""
        if isinstance(place, Folder) and place.path.is_dir():
            largest = max((size for _, size, _ in folder_files(place.path)), default=0)
            if largest > self._limits.file_bytes:
                raise IndexWrecked(f"The store has a file of {largest / GIB:.0f} GiB ({place}).")

    def _mend(self, opened: _Opened, report: ProbeReport) -> None:
        if report.wrecked:
            _log.warning("index_wrecked", generation=opened.generation.location, reason=report.reason)
            self._condemn(opened)
        elif ids := report.to_mend():
            opened.mending = True
            _log.warning("index_mended", generation=opened.generation.location, rows=len(ids))
            reached("index.unsettle")
            self._ledger.unsettle(opened.generation.generation_id, ids)
            reached("index.unsettle.done")

    def _condemn(self, opened: _Opened) -> None:
        """The new generation first: a kill in between finds the wreck again, not an index without heir."""
        if self._serving is opened:
            self._serving = None
        others = [g for g in self._generations() if g.generation_id != opened.generation.generation_id]
        if not any(generation.state is GenerationState.BUILDING for generation in others):
            self._add(GenerationState.BUILDING)
        reached("index.condemn")
        self._ledger.set_generation(opened.generation.generation_id, GenerationState.CONDEMNED)
        reached("index.condemn.done")
        self._remove(opened)

    def _promote(self, opened: _Opened, stopping: Callable[[], bool]) -> None:
        """A complete generation serves once a probe of all its rows has found it equal to the ledger."""
        generation_id = opened.generation.generation_id
        if opened.generation.state is not GenerationState.BUILDING:
            return
        if self._ledger.unembedded(generation_id, 1) or self._ledger.pending(generation_id, 1):
            return  # in this order: what was marked ready since the rows were written is pending now
        report = self._probe(opened, sample=None, stopping=stopping)
        if not report.finished:
            return
        if not report.clean:
            self._mend(opened, report)
            raise IndexUnavailable("The new generation of the vector index is not equal to the ledger.")
        previous = self._serving
        reached("index.promote")
        self._ledger.set_generation(generation_id, GenerationState.SERVING)
        reached("index.promote.done")
        self._swept = False  # what it replaced goes with the next step
        _log.info("index_rebuilt", generation=opened.generation.location, rows=report.checked)
        self._targets()
        if previous is not None and previous is not opened:
            self._ledger.set_generation(previous.generation.generation_id, GenerationState.CONDEMNED)
            self._remove(previous)

    def _remove(self, opened: _Opened) -> None:
        self._open.pop(opened.generation.generation_id, None)
        if isinstance(opened.index.place, Server):
            with contextlib.suppress(IndexFailure):  # swept at the next start
                opened.index.drop()
        opened.index.close()
        if isinstance(opened.index.place, Folder):
            shutil.rmtree(opened.index.place.path, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove, once, what is left behind: folders and collections that no live generation names. A
        generation of another model or place that was replaced follows the ledger no more: what was deleted
        since must not stay readable in it, and the vectors to build it again are in the ledger."""
        if self._swept:
            return
        for generation in self._ledger.generations():
            if generation.state is GenerationState.KEPT:
                self._ledger.set_generation(generation.generation_id, GenerationState.CONDEMNED)
        generations = self._ledger.generations()
        kept = {g.location for g in generations if g.state is not GenerationState.CONDEMNED}
        if self._url:
            for generation in generations:
                ours = not generation.location.startswith(_FOLDER_PREFIX)
                if ours and generation.state is GenerationState.CONDEMNED and generation.location not in kept:
                    index = ChromaIndex(self._place(generation), limits=self._limits)
                    try:
                        index.drop()
                    finally:
                        index.close()
        elif self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name.startswith(_FOLDER_PREFIX) and path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)
        self._swept = True

    def _back_off(self, error: IndexFailure) -> None:
        self._failures += 1
        self._note = error.message
        self._retry_at = self._clock() + min(_LONGEST_WAIT_S, 2.0 ** min(self._failures - 1, 9))

    def _close(self, opened: _Opened) -> None:
        was_sound = opened.sound
        at_rest = opened.index.close_clean()
        if at_rest and was_sound and isinstance(opened.index.place, Folder):
            reached("index.manifest")
            with contextlib.suppress(OSError):
                manifest = folder_manifest(opened.index.place.path)
                self._ledger.set_manifest(opened.generation.generation_id, manifest)


def new_location(url: str, collection: str) -> str:
    """A name that no store has: of a folder, or on a server of a collection."""
    return f"{collection}-{secrets.token_hex(4)}" if url else f"{_FOLDER_PREFIX}{secrets.token_hex(8)}"


class _Opened:
    """A generation with its index. ``sound`` is false from any failure until a probe has passed, ``mending``
    is true while rows that the probe found damaged are written again."""

    def __init__(self, generation: Generation, index: ChromaIndex, ledger: IndexLedger, vectors: VectorStore) -> None:
        self.generation = generation
        self.index = index
        self.projector = Projector(ledger, vectors, index)
        self.sound = False
        self.mending = False
        self.faults = 0
