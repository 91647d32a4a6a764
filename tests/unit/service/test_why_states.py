"""The state that ``why`` gives an item which a run took in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingestor.ledger.runs import ItemFacts
from ingestor.service.why import _facts

TAKEN_IN = ItemFacts(
    document_id="d",
    revision=1,
    chunks=3,
    content_hash=b"h",
    version="v",
    doubtful=False,
    quarantine=None,
    ignored=False,
    pending_embed=0,
    pending_index=0,
    committed_at=1.0,
    searchable_at=None,
    edited_at=None,
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"pending_embed": 1}, "pending"),
        ({"pending_index": 1}, "pending"),
        ({"chunks": 0}, "no_text"),
        ({"chunks": 0, "quarantine": ("corrupt", "The file is damaged.", "Export it again.")}, "quarantined"),
    ],
)
def test_nothing_found_is_a_state_and_no_success(changes: dict[str, object], state: str) -> None:
    """An empty file was taken in, and is told apart from one that can be found."""
    assert _facts(replace(TAKEN_IN, **changes))["state"] == state  # type: ignore[arg-type]
