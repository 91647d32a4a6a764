"""A ledger with one source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Its source is ``s``."""
    made = Ledger(tmp_path)
    made.sources.put("s", "files", {}, "registered")
    yield made
    made.close()
