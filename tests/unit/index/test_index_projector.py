"""The projector writes what the ledger wants and settles it afterwards."""

import pytest

from ingestor import faultpoint
from ingestor.errors import IndexUnavailable, IndexWrecked, LedgerError
from ingestor.index.projector import Projector
from ingestor.model import ChunkId, GenerationState, ModelId, UnitId
from tests.support.corpus import embed_all, fill
from tests.support.memory_index import MemoryIndex
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_vectors import MemoryVectors


class Bench:
    def __init__(self, chunks):
        self.ledger, self.vectors, self.index = MemoryLedger(), MemoryVectors(), MemoryIndex()
        self.generation = self.ledger.add_generation(ModelId("stub"), "g", GenerationState.SERVING).generation_id
        fill(self.ledger, chunks)
        self.embed()
        self.projector = Projector(self.ledger, self.vectors, self.index)

    def embed(self):
        embed_all(self.ledger, self.vectors, self.generation)

    def step(self, limit=10_000):
        return self.projector.step(self.generation, limit)

    def pending(self):
        return len(self.ledger.pending(self.generation, 10_000))


@pytest.fixture
def hook():
    yield faultpoint.install
    faultpoint.install(None)


def test_writes_what_is_pending_once():
    """The index ends equal to the ledger, and a second step writes nothing."""
    bench = Bench(600)
    outcome = bench.step()
    assert (outcome.upserted, outcome.sources) == (600, {"": 600})
    assert set(bench.index.rows) == set(bench.ledger.chunks)
    bench.index.calls.clear()
    assert bench.step().writes == 0
    assert bench.index.calls == []


def test_takes_no_more_than_the_limit():
    """A step is bounded, so that a stop does not wait."""
    bench = Bench(30)
    assert bench.step(limit=20).upserted == 20
    assert bench.step(limit=20).upserted == 10


def test_a_tombstone_goes_only_after_the_delete():
    """R2: what left is deleted from the index, and only then forgotten."""
    bench = Bench(3)
    bench.step()
    bench.ledger.drop("c00001")
    bench.index.fail = failing("delete")
    with pytest.raises(IndexUnavailable):
        bench.step()
    assert bench.pending() == 1
    bench.index.fail = lambda _: None
    assert bench.step().deleted == 1
    assert ChunkId("c00001") not in bench.index.rows
    assert bench.pending() == 0


def test_keeps_the_order_of_the_ledger():
    """R2: narrowings and erasures, upserts, other deletes, as the ledger hands them out."""
    bench = Bench(3)
    bench.step()
    bench.ledger.drop("c00000")
    bench.ledger.drop("c00001")
    bench.ledger.put("c00009", ["All prices include tax."])
    bench.embed()
    pending = {row.chunk_id: row for row in bench.ledger.pending(bench.generation, 10)}
    bench.ledger.pending = lambda *_: [pending[ChunkId(c)] for c in ("c00001", "c00009", "c00000")]
    bench.index.calls.clear()
    bench.step()
    assert bench.index.calls == [("delete", ("c00001",)), ("upsert", ("c00009",)), ("delete", ("c00000",))]


def test_settles_only_after_the_write(hook):
    """A death between write and settling repeats the write (R3): the row is still pending."""
    bench = Bench(1)

    def die(name):
        if name == "index.settle":
            raise KeyboardInterrupt

    hook(die)
    with pytest.raises(KeyboardInterrupt):
        bench.step()
    hook(None)
    assert bench.index.count() == 1
    assert bench.step().upserted == 1


def test_what_changed_meanwhile_stays_pending(hook):
    """R2: settling compares with what was read, so an edit during the write is written next."""
    bench = Bench(1)

    def edit(name):
        if name == "index.write.done":
            faultpoint.install(None)
            bench.ledger.describe("c00000", title="Newer")

    hook(edit)
    bench.step()
    assert bench.pending() == 1
    bench.step()
    assert bench.index.rows[ChunkId("c00000")][2]["title"] == "Newer"


def test_names_its_write_points_in_order(hook):
    """The fault suites find every write by name."""
    bench = Bench(1)
    names = []
    hook(names.append)
    bench.step()
    assert names == ["index.write", "index.write.done", "index.settle", "index.settle.done"]


def test_after_a_failure_rows_are_read_back_before_they_count():
    """R3: an index that failed and then acknowledges what it does not hold is wrecked."""
    bench = Bench(2)
    bench.index.fail = failing("upsert")
    with pytest.raises(IndexUnavailable):
        bench.step()
    bench.index.fail = lambda _: None
    bench.index.upsert = lambda *_: None
    with pytest.raises(IndexWrecked, match="does not hold"):
        bench.step()
    assert bench.pending() == 2


def test_reads_back_nothing_while_all_is_well():
    """The read-back costs nothing in ordinary service, and ends with the first step that holds."""
    bench = Bench(2)
    bench.index.fail = failing("upsert")
    with pytest.raises(IndexUnavailable):
        bench.step()
    bench.index.fail = lambda _: None
    bench.step()
    assert "get" in [name for name, _ in bench.index.calls]
    bench.index.calls.clear()
    bench.ledger.put("c00009", ["All prices include tax."])
    bench.embed()
    bench.step()
    assert [name for name, _ in bench.index.calls] == ["upsert"]


def test_a_lost_unit_vector_is_the_ledgers_damage():
    """A chunk marked ready whose vector is gone stops with a hint and writes nothing false."""
    bench = Bench(1)
    bench.vectors.remove([UnitId(1)])
    with pytest.raises(LedgerError, match="verify --repair"):
        bench.step()
    assert bench.index.rows == {}


def failing(operation):
    def fail(name):
        if name == operation:
            raise IndexUnavailable("The index is away.")

    return fail
