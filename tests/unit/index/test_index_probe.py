"""The probe finds every difference between a generation and the ledger, and no other."""

import numpy as np
import pytest

from ingestor.errors import IndexUnavailable, IndexWrecked
from ingestor.index.probe import Damage, probe
from ingestor.index.projector import Projector
from ingestor.model import ChunkId, GenerationState, ModelId, UnitId
from tests.support.corpus import embed_all, fill
from tests.support.memory_index import MemoryIndex
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_vectors import MemoryVectors

CHUNKS = 1_200  # more than one page


class Bench:
    def __init__(self):
        self.ledger, self.vectors, self.index = MemoryLedger(), MemoryVectors(), MemoryIndex()
        self.generation = self.ledger.add_generation(ModelId("stub"), "g", GenerationState.SERVING).generation_id
        fill(self.ledger, CHUNKS)
        embed_all(self.ledger, self.vectors, self.generation)
        self.project()

    def project(self):
        while Projector(self.ledger, self.vectors, self.index).step(self.generation, 5_000).writes:
            pass

    def probe(self, **more):
        return probe(self.generation, ledger=self.ledger, vectors=self.vectors, index=self.index, **more)


@pytest.fixture
def bench():
    return Bench()


def spoil(bench, chunk_id, **changes):
    vector, text, metadata = bench.index.rows[ChunkId(chunk_id)]
    row = {"vector": vector, "text": text, "metadata": metadata, **changes}
    bench.index.rows[ChunkId(chunk_id)] = (row["vector"], row["text"], row["metadata"])


def test_a_sound_index_is_clean(bench):
    """Every row of the ledger is checked and nothing is found."""
    report = bench.probe()
    assert report.clean
    assert report.checked == CHUNKS


@pytest.mark.parametrize("ids", [CHUNKS - 1, CHUNKS, CHUNKS + 1, 7])
def test_ids_are_listed_to_the_last_page(bench, monkeypatch, ids):
    """Wherever a page ends, nothing is missed and nothing is listed twice."""
    monkeypatch.setattr("ingestor.index.probe._IDS", ids)
    assert bench.probe().clean


def test_finds_each_kind_of_damage_and_repair_mends_it(bench):
    """Lost, orphan and stale rows (text, metadata, vector) are found; unsettling them mends all."""
    del bench.index.rows[ChunkId("c00007")]
    bench.index.rows[ChunkId("intruder")] = bench.index.rows[ChunkId("c00001")]
    spoil(bench, "c00100", text="Somebody else's words.")
    spoil(bench, "c01100", metadata={"kind": "md"})
    spoil(bench, "c01199", vector=np.eye(384, dtype=np.float32)[5])
    report = bench.probe()
    assert {(finding.damage, finding.chunk_id, finding.note) for finding in report.findings} == {
        (Damage.LOST, "c00007", ""),
        (Damage.ORPHAN, "intruder", ""),
        (Damage.STALE, "c00100", "text"),
        (Damage.STALE, "c01100", "metadata"),
        (Damage.STALE, "c01199", "vector"),
    }
    assert not report.wrecked
    bench.ledger.unsettle(bench.generation, report.to_mend()[""])
    bench.project()
    assert bench.probe().clean


def test_a_sample_still_compares_every_id(bench):
    """Sampling saves the content of rows, not their presence."""
    del bench.index.rows[ChunkId("c01034")]
    bench.index.rows[ChunkId("intruder")] = bench.index.rows[ChunkId("c00001")]
    report = bench.probe(sample=10)
    assert {finding.damage for finding in report.findings} == {Damage.LOST, Damage.ORPHAN}
    read = sum(len(ids) for name, ids in bench.index.calls if name == "get")
    assert read < 50


def test_rows_in_flight_are_no_findings(bench):
    """An upsert never acknowledged, a delete that is due and changed metadata are pending, not damage."""
    bench.ledger.drop("c00003")
    bench.ledger.describe("c00004", title="Changed")
    bench.ledger.unsettle(bench.generation, [ChunkId("c00005")])
    assert bench.probe().clean


def test_what_ends_while_the_probe_looks_is_no_orphan(bench):
    """Also where rows wait to be written, behind which the ledger hands out no deletes."""
    page = bench.index.page

    def listed(offset, limit, scope=""):
        if ChunkId("c00003") in bench.ledger.chunks:
            bench.ledger.drop("c00003")
            bench.ledger.describe("c00004", title="Changed")
        return page(offset, limit, scope)

    bench.index.page = listed
    assert bench.probe().clean


def test_a_row_listed_twice_is_found(bench):
    """An id that the store lists twice is a duplicate."""
    bench.index.count = lambda _scope: CHUNKS + 1
    page = bench.index.page
    bench.index.page = lambda offset, limit, scope: [
        *page(offset, limit, scope),
        *([ChunkId("c00000")] if offset == 0 else []),
    ]
    assert [finding.damage for finding in bench.probe().findings] == [Damage.DUPLICATE]


def test_a_count_that_disagrees_is_a_wreck(bench):
    """A store that counts other than it lists gives answers that cannot be true."""
    bench.index.count = lambda _scope: CHUNKS + 100
    assert bench.probe().wrecked


def test_a_graph_that_finds_nothing_is_a_wreck(bench):
    """Rows are all there, but no known vector leads to its row."""
    bench.index.query = lambda vector, n, scopes: [ChunkId("c01150")] if vector is not None else []
    report = bench.probe()
    assert report.wrecked
    assert "known vectors" in report.reason


def test_one_question_unanswered_is_normal(bench):
    """A sound graph misses a node in some hundreds."""
    query, missed = bench.index.query, []

    def forgetful(vector, n, scopes):
        if not missed:
            missed.append(1)
            return [ChunkId("c01150")]
        return query(vector, n, scopes)

    bench.index.query = forgetful
    assert bench.probe().clean


def test_wreck_is_reported_and_silence_is_raised(bench):
    """A host that dies is a finding; one that does not answer says nothing."""

    def fail(error):
        def enter(name):
            if name == "get":
                raise error

        return enter

    bench.index.fail = fail(IndexWrecked("The host died."))
    report = bench.probe()
    assert report.wrecked
    assert not report.clean
    bench.index.fail = fail(IndexUnavailable("The server is away."))
    with pytest.raises(IndexUnavailable):
        bench.probe()


def test_a_lost_unit_vector_is_not_the_indexs_damage(bench):
    """A row whose unit vectors the ledger lost is compared by text and metadata only."""
    bench.vectors.remove([UnitId(1)])
    assert bench.probe().clean


def test_stops_when_asked(bench):
    """A probe that was stopped says so and is not clean."""
    report = bench.probe(stopping=lambda: True)
    assert not report.finished
    assert not report.clean


def test_an_empty_index_of_an_empty_ledger_is_clean():
    """Nothing wanted, nothing there."""
    ledger, vectors, index = MemoryLedger(), MemoryVectors(), MemoryIndex()
    generation = ledger.add_generation(ModelId("stub"), "g", GenerationState.SERVING).generation_id
    assert probe(generation, ledger=ledger, vectors=vectors, index=index).clean
