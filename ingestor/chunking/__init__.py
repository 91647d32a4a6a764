"""Documents to passages: lengths, units, boundaries. Pure, local, independent of any model."""

from ingestor.chunking.cutter import FixedCutter, SemanticCutter, Settings
from ingestor.chunking.length import length

__all__ = ["FixedCutter", "SemanticCutter", "Settings", "length"]
