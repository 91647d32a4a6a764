"""A service in this process, put together by wiring: everything is real but the embedding model.

For tests that have to reach into it (a clock, a system call that fails, a host that dies) or that play many
rounds; where the process itself matters, ``tests.support.program`` starts one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.base import WHOLE, Source, Upserted
from ingestor import wire, wiring, wiring_config
from ingestor.chunking.cutter import SemanticCutter
from ingestor.context import Context
from ingestor.embedding import embedder as embedding
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.model import ModelId, RunReport, Trigger, whole_model
from ingestor.parsing.pool import InlineParser
from ingestor.service.operations import ServiceOperations
from ingestor.state import resolve
from tests.support.faults_oracle import Passage, difference, held, wanted
from tests.support.stub_embedder import StubEmbedder

PATIENCE_S = 120.0
"""No promise, a fuse."""

EMBEDDER = "stub embedder (words hashed into 384 dimensions; it counts what it is given)"


class Served:
    """One open service. ``embedder`` counts every text that was embedded."""

    def __init__(
        self,
        state: Path,
        source: Callable[[Source], Any] | None = None,
        others: dict[str, StubEmbedder] | None = None,
        settings: str = "",
    ) -> None:
        """``others`` are embedders of other models, by name; ``settings`` is the configuration file."""
        self.embedder = StubEmbedder()
        self.others = {} if others is None else others
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = state.parent / f"{state.name}.toml"
        config.write_text(settings)  # everything by default, whatever stands in the working directory
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedding, "SentenceEmbedder", self._load)
            if source is not None:
                make = wiring._make_source
                patch.setattr(wiring, "_make_source", lambda row, cache: source(make(row, cache)))
            context = Context(state=resolve(state), config_file=config)
            self.service = wiring._build(context)
        self.ledger = self.service.ledger
        self.operations = ServiceOperations(self.service, reread=lambda: wiring_config.reread(context))
        self.service.open()

    def _load(self, name: str, *, whole: bool = False) -> StubEmbedder:
        """``embedder`` is the configured one; any other name has one of its own, kept in ``others``."""
        if name == DEFAULT_MODEL and not whole:
            return self.embedder
        model = whole_model(ModelId("stub" if name == DEFAULT_MODEL else name)) if whole else name
        return self.others.setdefault(model, StubEmbedder(model))

    def add(self, root: Path, name: str) -> None:
        """Register a folder; where the service watches, it is watched and scanned from now on."""
        self.operations.source_add(wire.SourceAddRequest(path=str(root), name=name, owner="tester"))

    def remove(self, name: str) -> None:
        self.operations.source_remove(wire.SourceRemoveRequest(name=name, purge=True))

    def source(self, name: str) -> Source:
        return self.service.runner(name).source

    def sync(self, name: str) -> RunReport:
        """One run of the whole source, to the moment when all is searchable."""
        return self.service.runner(name).request(Trigger.SYNC).result(PATIENCE_S)

    def state(self, name: str) -> tuple[str, str]:
        """What ``status`` shows: state and note."""
        row = next(row for row in self.ledger.sources.all() if row.name == name)
        return row.state.value, row.note

    def ledger_units(self) -> int:
        """Units of live chunks."""
        return len(set(self.ledger.upkeep.settled_unit_ids()))

    def documents(self, name: str) -> dict[str, str]:
        """Item id to DocId of the live documents of a source."""
        rows = self.ledger.sync._db.read(
            "SELECT item.item_id, document.doc_id FROM item JOIN document ON document.id = item.doc"
            " JOIN source ON source.id = document.source WHERE source.name = ?",
            (name,),
        )
        return dict(rows)

    def passages(self, name: str) -> Counter[Passage]:
        """What the ledger holds of a source."""
        found = held(self.ledger.sync._db.read)
        return Counter({one: count for one, count in found.items() if one.source == name})

    def differs(self, name: str) -> str:
        """How the ledger differs from f(source) now, for a person; empty when it does not."""
        return difference(self.passages(name), wanted(self.source(name), InlineParser(), SemanticCutter()).passages)

    def listed(self, name: str) -> set[str]:
        """Item ids that the source lists now."""
        return {c.ref.item_id for c in self.source(name).list(WHOLE, None) if isinstance(c, Upserted)}

    def until(self, true: Callable[[], object], what: str, *, patience: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience
        while not true():
            assert time.monotonic() < deadline, f"Waited in vain for {what}."
            time.sleep(0.02)

    def until_settled(self, name: str) -> None:
        """Until the source's loop rests and everything is embedded and written."""
        runner = self.service.runner(name)

        def rests() -> bool:
            row = next(row for row in self.ledger.sources.all() if row.name == name)
            return row.state.value != "running" and not runner._waiting and self.service.parts.pump.settled()

        self.until(rests, "the service to come to rest")

    def search(self, query: str, mode: str, *, top: int = 10) -> wire.SearchReply:
        request = wire.SearchRequest.model_validate({"query": query, "mode": mode, "top": top})
        return self.operations.search(request)

    def verify(self) -> wire.VerifyReply:
        return self.operations.verify(wire.VerifyRequest(details=True), lambda _progress: None)

    def close(self) -> None:
        self.service.close()


@contextmanager
def served(state: Path, *, source: Callable[[Source], Any] | None = None) -> Iterator[Served]:
    """``source`` is put around each source that the service makes."""
    made = Served(state, source)
    try:
        yield made
    finally:
        made.close()
