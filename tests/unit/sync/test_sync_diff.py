"""ingestor.sync.diff: a listing against what the ledger knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.base import Grant, ItemId, ItemRef, Version
from ingestor.model import KnownItem, Recipe
from ingestor.sync.diff import Difference, compare

NOW = 1_000.0

KNOWN = KnownItem(
    item_id=ItemId("a/x.md"),
    doc=1,
    version=Version("v1"),
    recipe=Recipe("r1"),
    name="x.md",
    url="file:///a/x.md",
    parent=ItemId("a"),
    place="a|0750",
    file_key="i7",
    move_key="100|5",
)
LISTED = ItemRef(
    item_id=ItemId("a/x.md"),
    name="x.md",
    version=Version("v1"),
    url="file:///a/x.md",
    parent=ItemId("a"),
    grant=Grant(place="a|0750"),
    file_key="i7",
    move_key="100|5",
)


def _compare(known: list[KnownItem], listed: list[ItemRef], recipe: str = "r1") -> Difference:
    return compare(
        {item.item_id: item for item in known},
        {ref.item_id: ref for ref in listed},
        recipe_of=lambda _: Recipe(recipe),
        now=NOW,
    )


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("nothing differs", {}, {}, "r1", "unchanged"),
    ("version differs", {}, {"version": "v2"}, "r1", "changed"),
    ("version looks older", {"version": "v9"}, {"version": "v1"}, "r1", "changed"),
    ("recipe differs", {}, {}, "r2", "changed"),
    ("last read doubtful", {"doubtful": True}, {}, "r1", "changed"),
    ("name differs", {}, {"name": "X.md"}, "r1", "metadata"),
    ("url differs", {}, {"url": "file:///b"}, "r1", "metadata"),
    ("parent differs", {}, {"parent": "b"}, "r1", "metadata"),
    ("another rule grants", {}, {"grant": Grant(place="a|0700")}, "r1", "metadata"),
    ("file key differs", {}, {"file_key": "i8"}, "r1", "metadata"),
    ("tags differ", {"tags": ("a",)}, {"tags": ("b",)}, "r1", "metadata"),
    ("tags are gone", {"tags": ("a",)}, {"tags": ()}, "r1", "metadata"),
    ("tags written otherwise", {"tags": ("a",)}, {"tags": ("A",)}, "r1", "metadata"),
    ("the same tags in another order, twice", {"tags": ("a", "b")}, {"tags": ("b", " a", "b")}, "r1", "unchanged"),
    ("a listing without tags", {"tags": ("a",)}, {"tags": None}, "r1", "unchanged"),
    ("only the author differs", {}, {"author": "Ann"}, "r1", "unchanged"),
    ("version and name differ", {}, {"version": "v2", "name": "X.md"}, "r1", "changed"),
    ("only the shown time and size differ", {}, {"modified_at": 9.0, "size": 3}, "r1", "unchanged"),
    ("quarantined for good", {"failed": True}, {}, "r1", "unchanged"),
    ("quarantined, try not due", {"failed": True, "retry_at": NOW + 1}, {}, "r1", "unchanged"),
    ("quarantined, try due", {"failed": True, "retry_at": NOW}, {}, "r1", "changed"),
    ("quarantined, new recipe", {"failed": True}, {}, "r2", "changed"),
    ("quarantined, new version", {"failed": True}, {"version": "v2"}, "r1", "changed"),
    ("quarantined, renamed url", {"failed": True}, {"url": "file:///b"}, "r1", "metadata"),
    ("something attached to it, try due", {"retry_at": NOW - 1}, {}, "r1", "changed"),
    ("something attached to it, try not due", {"retry_at": NOW + 1}, {}, "r1", "unchanged"),
]


@pytest.mark.parametrize(("known", "listed", "recipe", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_item_on_both_sides(known: dict[str, Any], listed: dict[str, Any], recipe: str, expected: str) -> None:
    """Version, recipe, doubt and due retries ask for a read; other differences for a touch; the rest for nothing."""
    item, ref = replace(KNOWN, **known), replace(LISTED, **listed)
    found = _compare([item], [ref], recipe)
    assert found == Difference(
        unchanged=int(expected == "unchanged"),
        metadata=((item, ref),) if expected == "metadata" else (),
        changed=((item, ref),) if expected == "changed" else (),
    )


def test_items_on_one_side_are_fresh_or_missing() -> None:
    """What only the listing has is fresh, what only the ledger has is missing, both in order of id."""
    others = [replace(KNOWN, item_id=ItemId(name)) for name in ("z", "b", "m")]
    found = _compare([KNOWN, *others], [LISTED, *(replace(LISTED, item_id=ItemId(n)) for n in ("y", "c"))])
    assert [ref.item_id for ref in found.fresh] == ["c", "y"]
    assert [item.item_id for item in found.missing] == ["b", "m", "z"]
    assert found.unchanged == 1


def test_nothing_against_nothing() -> None:
    """An empty source that was never listed differs in nothing."""
    assert _compare([], []) == Difference()
