"""The world of the state machine: a source that can be lost, generations of several models, an index that follows
a plan of faults, and readers who may see different things. What must hold is asserted here, at every run."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from connectors.base import WHOLE, Scope, Upserted
from connectors.errors import SourceUnavailable
from connectors.files import scan
from connectors.paths import item_id
from ingestor import faultpoint
from ingestor.chunking.cutter import SemanticCutter, Settings
from ingestor.embedding.worker import EmbedStep
from ingestor.errors import IndexUnavailable
from ingestor.index.probe import probe
from ingestor.index.projector import Projector
from ingestor.ledger.ledger import Ledger
from ingestor.model import ChunkId, Filters, Generation, GenerationState, ModelId, Outcome, Plan, Reader, RunReport
from ingestor.ports import VectorStore
from tests.support.faults_oracle import Wanted, row_differences
from tests.support.faults_world import SOURCE, Death, SimulatedCrash, World
from tests.support.memory_index import PlannedIndex
from tests.support.stub_embedder import StubEmbedder

READERS = (None, frozenset({"public"}), frozenset({"user:nobody-at-all"}), frozenset[str]())
"""Everybody who asks: who sees all, who sees what is public, a stranger, nobody."""

_BATCH = 8


class Turned(StubEmbedder):
    """Another model: the same words, in other dimensions."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stub-{number}" if number else "stub")
        self.number = number

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.roll(super().embed(texts), self.number, axis=-1)


class Track(NamedTuple):
    """A generation that follows the ledger, with its model and its index."""

    generation: Generation
    embedder: Turned
    vectors: VectorStore
    index: PlannedIndex
    embed: EmbedStep
    project: Projector


class MachineWorld(World):
    """``crashes`` counts deaths by the fault point they came at."""

    embedder: Turned

    def __init__(self, root: Path, states: Path) -> None:
        self._indexes: dict[str, PlannedIndex] = {}
        self._embedders: dict[ModelId, Turned] = {}
        self._hook: Death | None = None
        self.tracks: list[Track] = []
        self.broken: Path | None = None
        self.crashes: Counter[str] = Counter()
        self._first = Turned(0)
        self._embedders[self._first.model] = self._first
        super().__init__(root, states, index=self._new_index("memory"))

    def _open(self, ledger: Ledger | None = None) -> None:
        self.embedder = self._first
        super()._open(ledger)
        self._follow()

    def _follow(self) -> None:
        """A track for each generation that the ledger names: what another process finds."""
        self.tracks = []
        for generation in self.ledger.index.generations():
            if generation.state in {GenerationState.SERVING, GenerationState.BUILDING}:
                embedder, index = self._embedders[generation.model], self._indexes[generation.location]
                vectors = self.ledger.vectors(generation.model)
                self.tracks.append(
                    Track(
                        generation=generation,
                        embedder=embedder,
                        vectors=vectors,
                        index=index,
                        embed=EmbedStep(self.ledger.index, vectors, embedder),
                        project=Projector(self.ledger.index, vectors, index),
                    )
                )

    def _new_index(self, location: str) -> PlannedIndex:
        def die(point: str) -> None:
            if self._hook is not None:
                self._hook.dead = True
                self._hook.seen.append(point)
            raise SimulatedCrash(point)

        self._indexes[location] = PlannedIndex(die)
        return self._indexes[location]

    # -- what is not the source ----------------------------------------------------------------------

    def change_recipe(self, target: int) -> None:
        """From the next run on documents are cut otherwise."""
        self.cutter = SemanticCutter(Settings(target=target, limit=max(1_200, target)))
        self.restart()

    def move(self, scope: str) -> None:
        """The source belongs to that scope from now on."""
        self.scope = scope
        self.put_source()

    def begin_model(self, number: int) -> bool:
        """A generation of another model is built beside the one that serves; false while one is."""
        if len(self.tracks) > 1 or self.tracks[0].embedder.number == number:
            return False
        embedder = self._embedders.setdefault(Turned(number).model, Turned(number))
        location = f"memory-{len(self._indexes)}"
        self._new_index(location)
        self.ledger.index.add_generation(embedder.model, location, GenerationState.BUILDING)
        self._follow()
        return True

    def swap_model(self) -> bool:
        """It takes its place once it lacks nothing, in one update; the old one is given up."""
        building = [track for track in self.tracks if track.generation.state is GenerationState.BUILDING]
        if not building or not self.ledger.index.settled(building[0].generation.generation_id):
            return False
        (serving,) = [track for track in self.tracks if track.generation.state is GenerationState.SERVING]
        self.ledger.index.set_generation(building[0].generation.generation_id, GenerationState.SERVING)
        self.ledger.index.set_generation(serving.generation.generation_id, GenerationState.CONDEMNED)
        self._follow()
        self.generation = self.tracks[0].generation.generation_id
        return True

    # -- the stages --------------------------------------------------------------------------------

    def embed(self) -> int:
        return sum(track.embed.step(track.generation.generation_id, _BATCH).ready for track in self.tracks)

    def project(self) -> int:
        return sum(track.project.step(track.generation.generation_id, _BATCH).writes for track in self.tracks)

    def project_to(self, plan: str, steps: int) -> Counter[str]:
        """Steps of the projector while every index follows ``plan``; the letters that were met."""
        met: Counter[str] = Counter()
        for track in self.tracks:
            track.index.plan = plan
            track.index.hits.clear()
        indexes = [track.index for track in self.tracks]

        def work() -> None:
            for _ in range(steps):
                with suppress(IndexUnavailable):
                    self.project()

        self.dies(Death(), work)
        for index in indexes:
            index.plan = ""
            met += index.hits
        return met

    def dies(self, hook: Death, work: Callable[[], object]) -> bool:
        self._hook = hook
        try:
            died = super().dies(hook, work)
        finally:
            self._hook = None
        if died:
            self.crashes[hook.seen[-1]] += 1
        return died

    def sync(self, scopes: Sequence[Scope] = (WHOLE,), *, approve: Plan | None = None) -> RunReport:
        """One run, beside which the rules are watched that hold for every run."""
        before = self.doc_ids()
        hidden = self._not_public(scopes, before)

        def watch(point: str) -> None:
            if point in {"fetch", "parse"}:
                # R7: a narrowing is committed before anything else goes on.
                shown = {item.partition("#")[0] for item in self.visible(READERS[1])}
                assert not hidden & shown, "a narrowed document, or what is attached to it, is found by the public"

        with self._breakage(), _also(watch):
            report = super().sync(scopes, approve=approve)
        after = self.doc_ids()
        if report.outcome is Outcome.UNAVAILABLE:
            assert after == before
        if (plan := self.ledger.sources.plan(SOURCE)) is not None:
            assert set(plan.items) <= after.keys(), "deleted though held"
        if self.broken is not None and self.broken.is_dir():
            below = item_id(os.fsencode(self.broken.relative_to(self.root)))
            # One that stands elsewhere now has moved, which its file proves, and is as alive as before (R11).
            kept = {doc for item, doc in before.items() if item.startswith(f"{below}/")}
            assert kept <= set(after.values()), "deleted though unread"
        return report

    def _not_public(self, scopes: Sequence[Scope], known: Collection[str]) -> set[str]:
        """Documents that are known, still listed at their place, and not public there any more."""
        found: set[str] = set()
        with suppress(SourceUnavailable), self._breakage():
            for scope in scopes:
                for change in self.source.list(scope, None):
                    ours = isinstance(change, Upserted) and change.ref.item_id in known
                    if ours and "public" not in change.ref.grant.principals:
                        found.add(change.ref.item_id)
        return found

    @contextmanager
    def _breakage(self) -> Iterator[None]:
        """Reading the broken folder gives EIO."""
        broken, real = self.broken, os.scandir
        if broken is None:
            yield
            return

        def scandir(target: object = ".") -> object:
            place = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)  # type: ignore[call-overload]
            if os.fsencode(place) == os.fsencode(broken):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(target)  # type: ignore[call-overload]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scan.os, "scandir", scandir)
            yield

    # -- the checks --------------------------------------------------------------------------------

    def visible(self, principals: frozenset[str] | None) -> set[str]:
        """The items of which a search shows this reader anything."""
        return {item for item, _ in self.seen_by(principals)}

    def seen_by(self, principals: frozenset[str] | None) -> Counter[tuple[str, str]]:
        """(item, text) of everything that this reader can be shown."""
        alive = [(int(str(chunk)), 1.0) for (chunk,) in self.rows("SELECT chunk FROM cut WHERE died IS NULL")]
        hits = self.ledger.search.hits(alive, Reader(principals=principals))
        return Counter((hit.uri.partition("/")[2], hit.text) for hit in hits)

    def check_readers(self, expected: Wanted) -> None:
        """R7: each reader sees what the source lets him see, no more and no less."""
        for principals in READERS:
            wanted = Counter[tuple[str, str]]()
            for passage, count in expected.passages.items():
                if principals is None or passage.principals & principals:
                    wanted[passage.item, passage.text] += count
            assert self.seen_by(principals) == wanted
            candidates = self.ledger.search.all_candidates(Reader(principals=principals), Filters(), 100_000)
            assert len(candidates) == wanted.total()

    def check_index(self, expected: Wanted | None = None) -> None:
        """After draining: the index of each generation is f(source), and nothing waits."""
        expected = expected or self.wanted()
        live = {
            key for (key,) in self.rows("SELECT chunk_id FROM cut JOIN chunk ON chunk.id = chunk WHERE died IS NULL")
        }
        for track in self.tracks:
            assert self.ledger.index.backlog(track.generation.generation_id) == (0, 0)
            rows = {
                chunk: (np.roll(vector, -track.embedder.number), text, metadata)
                for chunk, (vector, text, metadata) in track.index.of(self.scope).items()
            }
            assert row_differences(rows, expected) == []
            assert rows.keys() == live
            self.check_elsewhere(track.index)

    def probe_all(self) -> list[tuple[str, ChunkId]]:
        """What the probe finds in each generation; it is mended."""
        found = []
        for track in self.tracks:
            generation = track.generation.generation_id
            report = probe(generation, ledger=self.ledger.index, vectors=track.vectors, index=track.index)
            assert report.finished
            assert not report.wrecked
            found += [(finding.damage.value, finding.chunk_id) for finding in report.findings]
            for scope, ids in report.to_mend().items():
                self.ledger.index.unsettle(generation, ids, scope)
        return found


@contextmanager
def _also(hook: Callable[[str], None]) -> Iterator[None]:
    """``hook`` beside the one that is installed."""
    installed = faultpoint._hook

    def both(point: str) -> None:
        hook(point)
        if installed is not None:
            installed(point)

    faultpoint.install(both)
    try:
        yield
    finally:
        faultpoint.install(installed)
