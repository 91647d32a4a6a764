"""When a generation is worth building anew: its graph keeps every vector that was ever deleted. Pure."""

from __future__ import annotations

_FEWEST_DEAD = 10_000  # below that nothing is gained: 15 MB at 384 dimensions


def bloated(dead: int, live: int) -> bool:
    """Whether more than half of what the store holds is dead, and it is worth the while."""
    return dead > _FEWEST_DEAD and dead > live
