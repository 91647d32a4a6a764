"""Chunk vectors are pooled from unit vectors."""

import numpy as np
import pytest

from ingestor.index.vectors import chunk_vectors
from ingestor.model import UnitId
from ingestor.pooling import CONTEXT_SHARE, pool_vectors
from tests.support.memory_vectors import MemoryVectors


def units(*pairs):
    return tuple((UnitId(unit), weight) for unit, weight in pairs)


BASIS = np.eye(4, dtype=np.float32)
IDS = [UnitId(n) for n in (10, 11, 12, 13)]


def test_weights_are_shares():
    """A chunk's vector is the length-weighted mean of its units' vectors, normalised."""
    pooled = pool_vectors([units((10, 3), (11, 4))], IDS, BASIS)
    assert np.allclose(pooled, [[0.6, 0.8, 0, 0]])
    assert pooled.dtype == np.float32


def test_each_chunk_is_pooled_by_itself():
    """Several chunks in one call do not mix, and a unit may stand in several of them and twice in one."""
    pooled = pool_vectors([units((10, 1)), units((11, 1), (10, 2), (11, 1)), units((13, 7))], IDS, BASIS)
    assert np.allclose(pooled[0], BASIS[0])
    assert np.allclose(pooled[1], np.array([1, 1, 0, 0]) / np.sqrt(2))
    assert np.allclose(pooled[2], BASIS[3])


def test_moving_a_boundary_needs_only_the_same_units():
    """The vector depends on units and weights, not on their order."""
    a = pool_vectors([units((10, 1), (12, 5))], IDS, BASIS)
    b = pool_vectors([units((12, 5), (10, 1))], IDS, BASIS)
    assert np.allclose(a, b)


def test_units_that_cancel_out_leave_the_first():
    """Opposite units give the first unit's vector rather than noise or NaN."""
    vectors = np.stack([BASIS[0], -BASIS[0]])
    pooled = pool_vectors([units((1, 2), (2, 2))], [UnitId(1), UnitId(2)], vectors)
    assert np.allclose(pooled, [BASIS[0]])


def test_weight_zero_counts_as_one():
    """A unit without length still gives its chunk a vector."""
    assert np.allclose(pool_vectors([units((10, 0))], IDS, BASIS), [BASIS[0]])


def test_context_is_mixed_in_beside_the_units():
    """A fixed share, whatever the lengths; the nearest heading weighs most; a chunk beside it is not touched."""
    alone, below = pool_vectors([units((10, 9)), units((10, 9), (12, -1), (13, -2))], IDS, BASIS)
    path = np.array([0, 0, 1, 2]) / np.sqrt(5)
    wanted = BASIS[0] + CONTEXT_SHARE * path
    assert np.allclose(alone, BASIS[0])
    assert np.allclose(below, wanted / np.linalg.norm(wanted))


def test_a_chunk_without_units_is_refused():
    """No units, no vector: that is a mistake of the caller."""
    with pytest.raises(ValueError, match="without units"):
        pool_vectors([()], IDS, BASIS)
    with pytest.raises(ValueError, match="without units"):
        pool_vectors([units((10, -1))], IDS, BASIS)


def test_no_chunks_no_rows():
    """An empty list gives an empty matrix of the right width."""
    assert pool_vectors([], IDS, BASIS).shape == (0, 4)


def test_each_unit_is_read_once_and_a_missing_one_is_named():
    """Vectors come from the store; one that is not there raises KeyError."""
    store = MemoryVectors()
    store.add(IDS[:2], BASIS[:2])
    pooled = chunk_vectors(store, [units((10, 1), (11, 1)), units((11, 1), (10, 1))])
    assert np.allclose(pooled[0], pooled[1])
    with pytest.raises(KeyError, match="12"):
        chunk_vectors(store, [units((12, 1))])
