"""Passages that are embedded whole (``embedding.vectors``): a service with a real Chroma, the built-in model where its
vectors are compared, and a stub where only the work counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingestor import wire, wire_models
from ingestor.embedding.embedder import SentenceEmbedder
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.model import ChunkId, GenerationState, ModelId, unit_hash, whole_model
from tests.support.served import Served
from tests.support.stub_embedder import StubEmbedder

pytestmark = pytest.mark.slow

WHOLE = '[embedding]\nvectors = "whole"\n'
NOTICE = "# Notice\n\nThis text stands in two documents, word for word, and is embedded once for both of them.\n"
HARBOUR = "# Harbour\n\n" + "\n\n".join(
    f"## Berth {n}\n\nBerth {n} takes boats of up to {n + 3} metres and has a ladder of steel. Its fee is due in month"
    f" {n % 12 + 1}, at the office beside the crane. Whoever stays longer than {n} nights asks the keeper of the harbour"
    f" first. Water comes from post {n}, power from post {n + 1}, and neither is free of charge in the winter."
    for n in range(1, 9)
)


class Real(StubEmbedder):
    """The built-in model; keeps every text it is given."""

    def __init__(self) -> None:
        self.real = SentenceEmbedder(DEFAULT_MODEL, whole=True, threads=1)
        super().__init__(self.real.model)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        self.batches.append(len(texts))
        return self.real.embed(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.real.embed_query(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in (("harbour.md", HARBOUR), ("a.md", NOTICE), ("b.md", NOTICE)):
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def start(tmp_path: Path, folder: Path) -> Iterator[Callable[..., Served]]:
    """A service over the folder; each start is a new one over the same state."""
    running: list[Served] = []

    def begin(settings: str, others: dict[str, StubEmbedder] | None = None) -> Served:
        for one in running:
            one.close()
        running[:] = [Served(tmp_path / "state", others=others, settings=settings)]
        if not running[0].ledger.sources.all():
            running[0].add(folder, "docs")
        running[0].sync("docs")
        return running[0]

    yield begin
    for one in running:
        one.close()


def rows(served: Served) -> dict[ChunkId, tuple[NDArray[np.float32], str]]:
    """What the serving index holds: vector and text by id."""
    (serving,) = (one for one in served.ledger.index.generations() if one.state is GenerationState.SERVING)
    (index,) = (
        one.index
        for one in served.service.parts.index._stores.opened()
        if one.generation.generation_id == serving.generation_id
    )
    found = index.get(index.page(0, 1000))
    return {key: (vector, text) for key, (vector, text, _) in found.items()}


def texts(served: Served) -> set[str]:
    return {text for _, text in rows(served).values()}


def units(served: Served) -> set[bytes]:
    return {digest for (digest,) in served.ledger.sync._db.read("SELECT hash FROM unit")}


def search(served: Served, query: str, mode: str = "dense", **more: object) -> wire.SearchReply:
    return served.operations.search(wire.SearchRequest.model_validate({"query": query, "mode": mode, **more}))


def test_a_passage_has_the_vector_of_its_text(start: Callable[..., Served], folder: Path) -> None:
    """With the built-in model: in Chroma, in an exact scan and after an edit, which embeds the changed passages."""
    model = Real()
    served = start(WHOLE, {whole_model(ModelId("stub")): model})
    there = rows(served)
    assert len(there) > len(set(model.texts)) == len(model.texts) > 6
    wanted = model.real.embed([text for _, text in there.values()])
    assert (np.sum(np.stack([vector for vector, _ in there.values()]) * wanted, axis=1) > 0.999).all()

    question = "what must be paid for mooring in place seven"
    found = search(served, question)
    assert "Berth 7" in found.hits[0].text
    assert not found.note
    assert found.hits[0].score == pytest.approx(
        float(wanted[[*there].index(ChunkId(found.hits[0].chunk_id))] @ model.real.embed_query(question)), abs=0.01
    )
    scanned = search(served, question, sources=("docs",), top=3)
    assert [hit.chunk_id for hit in scanned.hits] == [hit.chunk_id for hit in found.hits[:3]]
    assert search(served, "ladder of steel", "hybrid", top=3).hits
    passage = search(served, question, passage=100)
    assert "whole" in passage.note
    assert passage.hits[0].text == found.hits[0].text

    before, embedded = set(there), len(model.texts)
    (folder / "harbour.md").write_text(HARBOUR.replace("Berth 4 takes boats", "Berth 4 takes sailing boats"))
    report = served.sync("docs")
    changed = rows(served).keys() - before
    assert 0 < len(changed) == report.counts.chunks_added <= 4
    assert len(model.texts) - embedded == report.counts.embedded == len(changed)
    assert served.verify().ok


def test_lost_vectors_and_texts_are_found_and_mended(start: Callable[..., Served]) -> None:
    """`verify` misses a passage's vector and the unit that is its text; `--repair` makes both again, and a rebuild
    embeds nothing."""
    served = start(WHOLE)
    assert served.verify().ok
    store, known = served.service.parts.vectors, rows(served)
    assert set(served.ledger.index.unit_texts(list(store.units()))) == texts(served)
    store.remove(list(store.units())[:2])
    with served.ledger.sync._db.write() as tx:
        tx.execute("DELETE FROM unit WHERE hash = ?", (unit_hash(next(iter(texts(served)))),))
    verdict = served.verify()
    assert (verdict.ok, verdict.lost >= 2) == (False, True)
    mended = served.operations.verify(wire.VerifyRequest(repair=True), lambda _progress: None)
    assert mended.ok
    embedded = sum(one.embedded for one in served.others.values())
    served.operations.rebuild(wire.RebuildRequest(), lambda _progress: None)
    served.until(lambda: rows(served).keys() == known.keys(), "the rebuild")
    assert served.verify().ok
    assert sum(one.embedded for one in served.others.values()) == embedded


def test_from_sentences_to_passages_and_back(start: Callable[..., Served]) -> None:
    """The key is a switch of the model: search answers all the while, and what was kept serves again at once. When
    nothing embeds passages any more, their texts are no units any more."""
    served = start("")
    pooled = units(served)
    served = start(WHOLE)
    assert search(served, "the fee of berth 5").hits
    whole = whole_model(ModelId("stub"))
    served.until(lambda: served.service.parts.index.model() == whole, "the switch")
    assert served.verify().ok
    assert units(served) == pooled | {unit_hash(text) for text in texts_of_ledger(served)}
    served.ledger.upkeep.drop_unused_units()
    assert units(served) >= {unit_hash(text) for text in texts_of_ledger(served)}

    reply = served.operations.model_rollback(wire_models.ModelRollbackRequest())
    assert (reply.vectors, reply.previous_vectors) == ("pooled", "whole")
    assert search(served, "the fee of berth 5").hits
    (left,) = (one for one in served.ledger.index.generations() if one.model == whole)
    served.ledger.index.set_generation(left.generation_id, GenerationState.CONDEMNED)
    served.ledger.upkeep.drop_unused_units()
    assert units(served) == pooled
    assert served.verify().ok


def texts_of_ledger(served: Served) -> set[str]:
    return {text for (text,) in served.ledger.sync._db.read("SELECT text FROM live_chunk")}
