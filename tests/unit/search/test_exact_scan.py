"""The exact scan: every visible chunk compared, and what it keeps for the next one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ingestor.model import Candidate, ChunkId, Hash, ModelId, UnitId
from ingestor.search import exact
from ingestor.search.exact import ExactScan
from tests.support.memory_vectors import MemoryVectors

DIMENSIONS = 8


class Counting(MemoryVectors):
    """Remembers what was read."""

    read: int = 0

    def get(self, units: Sequence[UnitId]) -> np.ndarray:
        self.read += len(units)
        return super().get(units)


def stored(count: int, model: str = "m", seed: int = 1) -> Counting:
    vectors = Counting(ModelId(model))
    made = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)
    vectors.add([UnitId(n) for n in range(count)], made / np.linalg.norm(made, axis=1, keepdims=True))
    return vectors


def chunk(row: int, *units: int) -> Candidate:
    packed = tuple((UnitId(unit), 1) for unit in units)
    return Candidate(chunk=row, chunk_id=ChunkId(f"c{row}"), document=row, text_hash=Hash(b"%d" % row), units=packed)


def rows(found: Sequence[Candidate]) -> list[int]:
    return [candidate.chunk for candidate in found]


def test_the_nearest_come_first() -> None:
    """As the definition of a chunk's vector says: by the mean of its units."""
    vectors = stored(40)
    every = [chunk(row, 2 * row, 2 * row + 1) for row in range(20)]
    query = vectors.get([UnitId(7)])[0]
    means = [vectors.get([unit for unit, _ in one.units]).sum(axis=0) for one in every]
    likeness = [float(mean @ query / np.linalg.norm(mean)) for mean in means]
    wanted = sorted(range(20), key=lambda row: -likeness[row])[:5]
    assert rows(ExactScan().nearest(query, every, vectors, 5)) == wanted


def test_a_second_scan_reads_only_what_is_new() -> None:
    """And gives what a first one would."""
    vectors, scan = stored(40), ExactScan()
    every = [chunk(row, 2 * row, 2 * row + 1) for row in range(20)]
    query = vectors.get([UnitId(3)])[0]
    scan.nearest(query, every[:15], vectors, 5)
    vectors.read = 0
    again = rows(scan.nearest(query, every, vectors, 5))
    assert vectors.read == 10
    assert again == rows(ExactScan().nearest(query, every, vectors, 5))


def test_a_chunk_that_was_cut_anew_is_pooled_anew() -> None:
    """Its vector belongs to its units and not to its row."""
    vectors, scan = stored(4), ExactScan()
    query = vectors.get([UnitId(2)])[0]
    scan.nearest(query, [chunk(1, 0), chunk(2, 1)], vectors, 2)
    assert rows(scan.nearest(query, [chunk(1, 0), chunk(2, 2)], vectors, 1)) == [2]


def test_what_is_not_embedded_yet_is_left_out() -> None:
    """Until its units have vectors."""
    vectors, scan = stored(2), ExactScan()
    query = vectors.get([UnitId(0)])[0]
    every = [chunk(1, 0), chunk(2, 0, 9)]
    assert rows(scan.nearest(query, every, vectors, 2)) == [1]
    assert rows(scan.nearest(query, [chunk(2, 0, 9)], vectors, 2)) == []
    vectors.add([UnitId(9)], query[None])
    assert rows(scan.nearest(query, every, vectors, 2)) == [1, 2]


def test_nothing_to_compare_is_no_error() -> None:
    """A reader may see nothing at all."""
    assert ExactScan().nearest(np.ones(DIMENSIONS, dtype=np.float32), [], stored(1), 3) == []


def test_vectors_of_two_models_are_never_compared() -> None:
    """A scan for another model starts anew."""
    one, other, scan = stored(20), stored(20, model="n", seed=2), ExactScan()
    every = [chunk(row, row) for row in range(20)]
    query = other.get([UnitId(5)])[0]
    scan.nearest(query, every, one, 5)
    assert rows(scan.nearest(query, every, other, 5)) == rows(ExactScan().nearest(query, every, other, 5))


@pytest.mark.parametrize(("limit", "value"), [("_KEPT", 10), ("_KEPT_S", -1.0)])
def test_what_is_kept_has_an_end(monkeypatch: pytest.MonkeyPatch, limit: str, value: float) -> None:
    """In number and in time; the answer stays the same."""
    monkeypatch.setattr(exact, limit, value)
    vectors, scan = stored(20), ExactScan()
    every = [chunk(row, row) for row in range(20)]
    query = vectors.get([UnitId(5)])[0]
    for part in (every[:10], every[10:], every[:10]):
        vectors.read = 0
        assert rows(scan.nearest(query, part, vectors, 3)) == rows(ExactScan().nearest(query, part, vectors, 3))
        assert vectors.read == 20
