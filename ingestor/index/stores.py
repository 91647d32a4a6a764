"""The stores of the generations: opened at first use, probed when in doubt, closed in order."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from ingestor.errors import IndexFailure, IndexUnavailable, IndexWrecked, LedgerError
from ingestor.faultpoint import reached
from ingestor.index.chroma import ChromaIndex
from ingestor.index.health import Probed, probed
from ingestor.index.host import ServerFault
from ingestor.index.manifest import folder_files, folder_manifest
from ingestor.index.opened import Opened
from ingestor.index.place import GIB, Folder, Limits, Place, Server
from ingestor.index.probe import ProbeReport, probe
from ingestor.model import ChunkId, Generation, GenerationId, ModelId
from ingestor.ports import EmbedLedger, IndexLedger, VectorStore

_SERVER_SAMPLE = 2_000  # a server survives the death of its clients; ids are compared all the same
_FAULTS_OF_A_SERVER = 3  # one may pass by itself (its disk was full); in a row they are a wreck


class GenerationLedger(IndexLedger, EmbedLedger, Protocol):
    """What is seen of the ledger here. Also called from the threads that search, when they open a store."""


class Stores:
    """Every generation that is open. For one thread at a time; ``opened`` may be read by any."""

    def __init__(
        self,
        *,
        folder: Path,
        url: str,
        collection: str,
        limits: Limits,
        ledger: GenerationLedger,
        vectors: Callable[[ModelId], VectorStore],
        require_room: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._url = url
        self._collection = collection
        self._limits = limits
        self._ledger = ledger
        self._vectors = vectors
        self._require_room = require_room
        self._open: dict[GenerationId, Opened] = {}
        self.probed: Probed | None = None

    def opened(self) -> Sequence[Opened]:
        return list(self._open.values())

    def get(self, generation: Generation) -> Opened:
        """The generation with its store, which is opened when it is first asked."""
        opened = self._open.get(generation.generation_id)
        if opened is None:
            vectors = self._vectors(generation.model)
            opened = Opened(generation, self._index(generation), self._ledger, vectors)
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

    # -- doubt ------------------------------------------------------------------------------------

    def probe(self, opened: Opened, *, sampled: bool, stopping: Callable[[], bool]) -> ProbeReport:
        """Compare the store with the ledger; on a server only ``sampled`` vectors where that is enough. Raises
        ``IndexUnavailable``; a wreck is a finding. Afterwards ``sound`` says what was found."""
        report = self._probe(opened, sampled=sampled, stopping=stopping)
        if report.finished:
            self.probed = probed(report)
        return report

    def _probe(self, opened: Opened, *, sampled: bool, stopping: Callable[[], bool]) -> ProbeReport:
        try:
            self._refuse_bloat(opened.index.place)
            opened.index.open()
            report = probe(
                opened.generation.generation_id,
                ledger=self._ledger,
                vectors=opened.vectors,
                index=opened.index,
                sample=_SERVER_SAMPLE if sampled and self._url else None,
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
        opened.published = None  # a server may have lost the name with the rest
        opened.sound = report.finished and not report.wrecked
        return report

    def _refuse_bloat(self, place: Place) -> None:
        """A link list of 600 GB has been seen, which Chroma opens as if nothing were wrong."""
        if isinstance(place, Folder) and place.path.is_dir():
            largest = max((size for _, size, _ in folder_files(place.path)), default=0)
            if largest > self._limits.file_bytes:
                raise IndexWrecked(f"The store has a file of {largest / GIB:.0f} GiB ({place}).")

    # -- the end ----------------------------------------------------------------------------------

    def remove(self, opened: Opened) -> None:
        """Take the store away; what fails is swept at the next start."""
        self._open.pop(opened.generation.generation_id, None)
        if isinstance(opened.index.place, Server):
            with contextlib.suppress(IndexFailure):  # it stays condemned
                opened.index.drop()
        opened.index.close()
        if isinstance(opened.index.place, Folder):
            shutil.rmtree(opened.index.place.path, ignore_errors=True)

    def close(self) -> None:
        """Close every store, and note what its folder looks like where it is at rest."""
        for opened in self.opened():
            self._close(opened)
        self._open.clear()

    def _close(self, opened: Opened) -> None:
        was_sound = opened.sound
        at_rest = opened.index.close_clean()
        if at_rest and was_sound and isinstance(opened.index.place, Folder):
            reached("index.manifest")
            # What cannot be noted (a full disk) is probed at the next start.
            with contextlib.suppress(OSError, LedgerError):
                manifest = folder_manifest(opened.index.place.path)
                self._ledger.set_manifest(opened.generation.generation_id, manifest)

    def largest(self, generations: Iterable[Generation]) -> int:
        """Bytes of the largest folder: a new one takes no more."""
        places = [self._folder / generation.location for generation in generations]
        return max((sum(size for _, size, _ in folder_files(p)) for p in places if p.is_dir()), default=0)
