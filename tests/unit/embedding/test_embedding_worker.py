"""The embed worker embeds each unit once and says which chunks are complete."""

import numpy as np
import pytest

from ingestor import faultpoint
from ingestor.embedding.worker import EmbedOutcome, EmbedStep
from ingestor.model import GenerationState, ModelId
from tests.support.corpus import fill
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_vectors import MemoryVectors
from tests.support.stub_embedder import StubEmbedder


class Bench:
    def __init__(self, chunks=0):
        self.ledger, self.vectors, self.embedder = MemoryLedger(), MemoryVectors(), StubEmbedder()
        self.generation = self.ledger.add_generation(ModelId("stub"), "g", GenerationState.SERVING).generation_id
        fill(self.ledger, chunks)
        self.worker = EmbedStep(self.ledger, self.vectors, self.embedder)

    def step(self, limit=10_000, **more):
        return self.worker.step(self.generation, limit, **more)

    def waiting(self):
        return len(self.ledger.unembedded(self.generation, 10_000))


@pytest.fixture
def hook():
    yield faultpoint.install
    faultpoint.install(None)


def test_each_unit_is_embedded_once_wherever_it_stands():
    """Ten chunks of three units, one unit in all of them: 21 vectors; then nothing is left."""
    bench = Bench(10)
    outcome = bench.step()
    assert (outcome.embedded, outcome.reused, outcome.ready) == (21, 0, 10)
    assert (outcome.embedded_by_source, outcome.reused_by_source) == ({"memory": 21}, {"memory": 0})
    assert bench.waiting() == 0
    assert bench.step() == EmbedOutcome()


def test_vectors_belong_to_their_units():
    """What is stored under a unit's id is the vector of its text, whatever the batches."""
    bench = Bench(200)
    bench.step()
    for text, unit in bench.ledger.unit_ids.items():
        assert np.allclose(bench.vectors.get([unit])[0], bench.embedder.embed_query(text), atol=1e-3)


def test_known_units_do_not_touch_the_embedder():
    """Text that only moved to another chunk is ready without the model being loaded."""
    bench = Bench(3)
    bench.step()

    class Unloadable:
        def embed(self, texts):
            raise AssertionError("The model was loaded for nothing.")

    bench.worker = EmbedStep(bench.ledger, bench.vectors, Unloadable())
    bench.ledger.put("moved", ["It costs 7 crowns.", "All prices include tax."])
    outcome = bench.step()
    assert (outcome.embedded, outcome.reused, outcome.ready) == (0, 2, 1)
    assert outcome.reused_by_source == {"memory": 2}


def test_a_step_is_bounded_and_takes_the_newest_first():
    """An edit does not wait behind a backfill."""
    bench = Bench(20)
    assert bench.step(limit=5).ready == 5
    ready = {chunk_id for chunk_id, state in bench.ledger.states[bench.generation].items() if state.ready}
    assert ready == {"c00015", "c00016", "c00017", "c00018", "c00019"}


def test_batches_are_small_enough_to_lose():
    """No batch has more than 256 units, and long texts make smaller ones."""
    bench = Bench(500)
    bench.step()
    assert max(bench.embedder.batches) == 256
    bench.embedder.batches.clear()
    bench.ledger.put("long", [f"{number} " + "word " * 2_000 for number in range(10)])
    bench.step()
    assert max(bench.embedder.batches) <= 3


def test_a_stop_keeps_what_was_made():
    """Told to stop, the worker ends after a batch; complete chunks are ready, the rest is embedded later once."""
    bench = Bench(500)
    asked = []
    outcome = bench.step(stopping=lambda: len(asked) == 2 or asked.append(1))
    assert outcome.embedded == 512
    assert outcome.ready < 500
    second = bench.step()
    assert outcome.embedded + second.embedded == len(bench.ledger.unit_ids)
    assert bench.waiting() == 0


@pytest.mark.parametrize("point", ["embed.batch", "embed.commit", "embed.commit.done", "embed.ready"])
def test_a_death_loses_at_most_one_batch(hook, point):
    """Killed at any write point, at most 256 units are embedded again."""
    bench = Bench(300)

    def die(name):
        if name == point and (name == "embed.ready" or len(bench.embedder.batches) == 2):
            raise KeyboardInterrupt

    hook(die)
    with pytest.raises(KeyboardInterrupt):
        bench.step()
    hook(None)
    bench.step()
    assert bench.waiting() == 0
    assert bench.embedder.embedded - len(bench.ledger.unit_ids) <= 256


def test_names_its_write_points_in_order(hook):
    """The fault suites find every write by name."""
    bench = Bench(1)
    names = []
    hook(names.append)
    bench.step()
    assert names == ["embed.batch", "embed.commit", "embed.commit.done", "embed.ready"]
