"""What several suites of this folder stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    for folder in ("docs", "state"):
        (tmp_path / folder).mkdir()
    made = World(tmp_path / "docs", tmp_path / "state")
    yield made
    made.close()
