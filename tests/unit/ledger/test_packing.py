"""Packed blobs and the digest of a wanted state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingestor.ledger.packing import (
    DocumentFacts,
    Spot,
    item_uri,
    metadata,
    pack_layout,
    pack_units,
    shown_title,
    unpack_layout,
    unpack_units,
    wanted,
)
from ingestor.model import DocId, ModelId, UnitId
from ingestor.pooling import own_units

FACTS = DocumentFacts(
    doc_id=DocId("d"), source="s", item_id="a/b.md", name="b.md", title="", url="file:///b.md", acl=3, kind="markdown"
)


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**31 - 1))), st.lists(st.integers(0, 2**40), max_size=9)
)
def test_units_survive_packing(units: list[tuple[int, int]], context: list[int]) -> None:
    """Ids, weights and order, at 12 bytes each; what is context can be told from what is the chunk's own."""
    packed = pack_units([(UnitId(unit), weight) for unit, weight in units], [UnitId(unit) for unit in context])
    unpacked = unpack_units(packed)
    assert list(own_units(unpacked)) == units
    assert [unit for unit, weight in unpacked if weight < 0] == context
    assert len(packed) == 12 * (len(units) + len(context))


@given(st.lists(st.tuples(st.integers(0), st.integers(0), st.booleans(), st.none() | st.text())))
def test_layouts_survive_packing(rows: list[tuple[int, int, bool, str | None]]) -> None:
    """Whatever an anchor is called."""
    spots = tuple(
        Spot(chunk=n, start=start, end=end, lines=(1, n + 1) if lined else None, anchor=anchor)
        for n, (start, end, lined, anchor) in enumerate(rows)
    )
    assert unpack_layout(pack_layout(spots)) == spots
    assert pack_layout(spots) == pack_layout(spots)


def test_the_metadata_always_have_the_same_keys() -> None:
    """Chroma merges what it is given: a key that is left out would keep its old value (R10)."""
    rich, bare = metadata(FACTS, '["A","B"]', 4), metadata(FACTS, "[]", None)
    keys = {"document_id", "source", "title", "uri", "url", "section", "page", "acl", "kind"}
    assert rich.keys() == bare.keys() == keys
    assert (rich["section"], rich["page"], bare["section"], bare["page"]) == ("A > B", 4, "", 0)
    assert all(isinstance(value, str | int) for value in (rich | bare).values())


def test_what_is_wanted_depends_on_units_model_and_metadata_and_on_nothing_else() -> None:
    """Each of the three makes another digest; positions are not among them."""
    base = wanted(ModelId("m"), b"units", metadata(FACTS, "[]", None))
    assert base == wanted(ModelId("m"), b"units", metadata(FACTS, "[]", None))
    others = {
        wanted(ModelId("n"), b"units", metadata(FACTS, "[]", None)),
        wanted(ModelId("m"), b"other", metadata(FACTS, "[]", None)),
        wanted(ModelId("m"), b"units", metadata(FACTS, "[]", 2)),
    }
    assert len(others | {base}) == 4


def test_names_of_items_and_documents() -> None:
    """A URI names the item across sources; an untitled document is called by its file."""
    assert item_uri("handbook", "a/b%20c.md") == "ingestor:handbook/a/b%20c.md"
    assert shown_title("Own", "x.md") == "Own"
    assert shown_title("", "leave-policy.md") == "leave policy"
