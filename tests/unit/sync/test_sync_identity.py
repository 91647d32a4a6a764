"""ingestor.sync.identity: which fresh item is a known document (R11), on small scripted file trees."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import ItemId, ItemRef, Version
from ingestor.model import Deceased, KnownItem, Recipe, blake
from ingestor.sync.identity import (
    RECENT_S,
    Evidence,
    Match,
    candidates_to_hash,
    lately,
    match_by_file,
    match_by_hash,
    match_departed,
    match_journalled,
    match_returned,
)

A = b"alpha, a content of more than thirty-two bytes"
B = b"bravo, a content of more than thirty-two bytes"
C = b"charlie, a content that is longer than the others by far"
LONG = b"the same length as the other of two long ones.1"
LONG2 = b"the same length as the other of two long ones.2"
TINY = b"31 bytes are a stub, not a text"
JUST = b"32 bytes are the least that tell"


@dataclass(frozen=True, kw_only=True)
class File:
    content: bytes
    inode: int | None
    mtime: int = 1


def f(content: bytes, inode: int | None, mtime: int = 1) -> File:
    return File(content=content, inode=inode, mtime=mtime)


Tree = Mapping[str, File]


def _known(path: str, file: File, doc: int) -> KnownItem:
    size = len(file.content)
    return KnownItem(
        item_id=ItemId(path),
        doc=doc,
        version=Version(f"{size}|{file.mtime}|{file.inode}"),
        recipe=Recipe("r"),
        content_hash=blake(file.content),
        size=size,
        file_key=None if file.inode is None else str(file.inode),
        move_key=None if file.inode is None else f"{size}|{file.mtime}",
    )


def _ref(path: str, file: File) -> ItemRef:
    known = _known(path, file, 0)
    return ItemRef(
        item_id=ItemId(path),
        name=path.rpartition("/")[2],
        version=known.version,
        size=known.size,
        file_key=known.file_key,
        move_key=known.move_key,
    )


def _matches(before: Tree, after: Tree, shuffle: random.Random | None = None) -> tuple[dict[str, str], list[Match]]:
    """New path by old path, as the engine finds them, reading only what the candidates ask for."""
    missing = [_known(path, before[path], i) for i, path in enumerate(before) if path not in after]
    fresh = [_ref(path, after[path]) for path in after if path not in before]
    if shuffle:
        shuffle.shuffle(missing)
        shuffle.shuffle(fresh)
    first = match_by_file(missing, fresh)
    hashed = {ref.item_id: blake(after[ref.item_id].content) for ref in candidates_to_hash(first.missing, first.fresh)}
    second = match_by_hash(first.missing, first.fresh, hashed, already=first.matches)
    both = [*first.matches, *second.matches]
    assert {i.item_id for i in second.missing} == {i.item_id for i in missing} - {m.known.item_id for m in both}
    assert {r.item_id for r in second.fresh} == {r.item_id for r in fresh} - {m.ref.item_id for m in both}
    return {str(m.known.item_id): str(m.ref.item_id) for m in both}, both


CASES: list[tuple[str, Tree, Tree, dict[str, str]]] = [
    ("rename", {"a": f(A, 1)}, {"b": f(A, 1)}, {"a": "b"}),
    ("rename where the source has no file keys", {"a": f(A, None)}, {"b": f(A, None)}, {"a": "b"}),
    ("rename over a copy tool (new inode)", {"a": f(A, 1)}, {"b": f(A, 9, 5)}, {"a": "b"}),
    ("rename and touch (same inode, other mtime)", {"a": f(A, 1)}, {"b": f(A, 1, 5)}, {"a": "b"}),
    ("move into a folder", {"a": f(A, 1)}, {"d/a": f(A, 1)}, {"a": "d/a"}),
    ("case-only rename", {"Readme.md": f(A, 1)}, {"README.md": f(A, 1)}, {"Readme.md": "README.md"}),
    ("swap", {"a": f(A, 1), "b": f(B, 2)}, {"a": f(B, 2), "b": f(A, 1)}, {}),
    ("save by rename", {"a": f(A, 1)}, {"a": f(B, 2, 5)}, {}),
    (
        "save by rename, temporary file and backup seen",
        {"a": f(A, 1), "a.tmp": f(B, 2)},
        {"a": f(B, 2), "a.bak": f(A, 1)},
        {},
    ),
    ("move over an existing path", {"a": f(A, 1), "b": f(B, 2)}, {"b": f(A, 1)}, {}),
    ("copy", {"a": f(A, 1)}, {"a": f(A, 1), "b": f(A, 2)}, {}),
    ("hard link", {"a": f(A, 1)}, {"a": f(A, 1), "b": f(A, 1)}, {}),
    ("rename of one of two hard links", {"a": f(A, 1), "b": f(A, 1)}, {"a": f(A, 1), "c": f(A, 1)}, {"b": "c"}),
    ("rename, then a hard link of another name", {"a": f(A, 1)}, {"b": f(A, 1), "c": f(A, 1)}, {}),
    ("move and a hard link; the base name tells", {"a": f(A, 1)}, {"d/a": f(A, 1), "c": f(A, 1)}, {"a": "d/a"}),
    ("move and a copy; the inode tells", {"a": f(A, 1)}, {"b": f(A, 1), "c": f(A, 2, 5)}, {"a": "b"}),
    ("move and a copy, nothing tells", {"a": f(A, None)}, {"b": f(A, None), "c": f(A, None)}, {}),
    ("both hard links renamed", {"a": f(A, 1), "b": f(A, 1)}, {"c": f(A, 1), "d": f(A, 1)}, {}),
    ("empty file renamed", {"a": f(b"", 1)}, {"b": f(b"", 1)}, {}),
    ("31 bytes renamed", {"a": f(TINY, 1)}, {"b": f(TINY, 1)}, {}),
    ("32 bytes renamed", {"a": f(JUST, 1)}, {"b": f(JUST, 1)}, {"a": "b"}),
    ("tiny file copied and removed", {"a": f(TINY, 1)}, {"b": f(TINY, 2, 5)}, {}),
    ("moved and edited (other size)", {"a": f(A, 1)}, {"b": f(C, 1, 5)}, {}),
    ("moved and edited (equal size)", {"a": f(LONG, 1)}, {"b": f(LONG2, 1, 5)}, {}),
    ("inode used again by another file", {"a": f(A, 1)}, {"b": f(B, 1, 5)}, {}),
    ("deleted", {"a": f(A, 1)}, {}, {}),
    ("added", {}, {"a": f(A, 1)}, {}),
    ("merged: two equal files gone, one come", {"a": f(A, None), "b": f(A, None)}, {"c": f(A, None)}, {}),
    (
        "two equal files moved to two places, names kept",
        {"a/1": f(A, None), "a/2": f(A, None)},
        {"b/1": f(A, None), "c/2": f(A, None)},
        {"a/1": "b/1", "a/2": "c/2"},
    ),
    (
        "two equal files moved to two places under new names",
        {"a/1": f(A, None), "a/2": f(A, None)},
        {"b/3": f(A, None), "c/4": f(A, None)},
        {},
    ),
    (
        "two equal files moved to two places, inodes kept",
        {"a/1": f(A, 1), "a/2": f(A, 2)},
        {"b/3": f(A, 2), "c/4": f(A, 1)},
        {"a/1": "c/4", "a/2": "b/3"},
    ),
    (
        "folder renamed with equal files inside",
        {"a/1": f(A, None), "a/2": f(A, None), "a/3": f(B, None)},
        {"b/1": f(A, None), "b/2": f(A, None), "b/3": f(B, None)},
        {"a/1": "b/1", "a/2": "b/2", "a/3": "b/3"},
    ),
    (
        "two folders renamed with equal files of equal name, told by their other files",
        {"a/i": f(A, None), "b/i": f(A, None), "a/x": f(B, None), "b/y": f(C, None)},
        {"c/i": f(A, None), "d/i": f(A, None), "d/x": f(B, None), "c/y": f(C, None)},
        {"a/i": "d/i", "b/i": "c/i", "a/x": "d/x", "b/y": "c/y"},
    ),
    (
        "two folders renamed with equal files of equal name and nothing else",
        {"a/i": f(A, None), "b/i": f(A, None)},
        {"c/i": f(A, None), "d/i": f(A, None)},
        {},
    ),
    (
        "renamed parent, learned in one subfolder and used in another",
        {"p/s/x": f(B, 7), "p/t/i": f(A, None), "q/i": f(A, None)},
        {"r/s/x": f(B, 7), "r/t/i": f(A, None), "z/i": f(A, None)},
        {"p/s/x": "r/s/x", "p/t/i": "r/t/i", "q/i": "z/i"},
    ),
    (
        "renamed folder tells between equal files under new names",
        {"a/x": f(B, None), "a/1": f(A, None), "e/2": f(A, None)},
        {"b/x": f(B, None), "b/one": f(A, None), "g/two": f(A, None)},
        {"a/x": "b/x", "a/1": "b/one"},
    ),
    (
        "a folder dealt out to two has no new home",
        {"a/x": f(B, 1), "a/y": f(C, 2), "a/1": f(A, None), "e/2": f(A, None)},
        {"c/x": f(B, 1), "b/y": f(C, 2), "b/one": f(A, None), "g/two": f(A, None)},
        {"a/x": "c/x", "a/y": "b/y"},
    ),
    (
        "chain: each takes the next one's place",
        {"a": f(A, 1), "b": f(B, 2), "c": f(C, 3)},
        {"b": f(A, 1), "c": f(B, 2), "d": f(C, 3)},
        {},
    ),
]


@pytest.mark.parametrize(("before", "after", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_moves(before: Tree, after: Tree, expected: dict[str, str]) -> None:
    """Identity moves exactly where R11 says, whatever order the items come in."""
    for seed in range(4):
        assert _matches(before, after, random.Random(seed))[0] == expected


@pytest.mark.parametrize(
    ("before", "after", "by"),
    [
        (f(A, 1), f(A, 1), Evidence.FILE),
        (f(A, 1), f(A, 1, 5), Evidence.FILE),
        (f(A, 1), f(A, 2), Evidence.HASH),
    ],
)
def test_evidence_is_named(before: File, after: File, by: Evidence) -> None:
    """A match says what it rests on."""
    (match,) = _matches({"a": before}, {"b": after})[1]
    assert match.by is by


def test_moves_proven_by_the_file_read_nothing() -> None:
    """A renamed folder of a thousand files leaves nothing to be hashed."""
    missing = [_known(f"a/{i}", f(A, i), i) for i in range(1_000)]
    fresh = [_ref(f"b/{i}", f(A, i)) for i in range(1_000)]
    found = match_by_file(missing, fresh)
    assert len(found.matches) == 1_000
    assert candidates_to_hash(found.missing, found.fresh) == ()


def test_only_fresh_items_of_a_missing_size_are_read_first() -> None:
    """An item of another size cannot be the missing one; a size that is unknown can."""
    fresh = [_ref("same", f(B, 5)), _ref("other", f(C, 6)), replace(_ref("unknown", f(A, 7)), size=None)]
    missing = [_known("a", f(A, 1), 1)]
    assert [ref.item_id for ref in candidates_to_hash(missing, fresh)] == ["same", "unknown"]
    assert len(candidates_to_hash([replace(missing[0], size=None)], fresh)) == 3


@pytest.mark.parametrize(
    "gone",
    [_known("a", f(TINY, 1), 1), replace(_known("a", f(A, 1), 1), content_hash=None)],
    ids=["tiny", "never read"],
)
def test_what_cannot_match_by_hash_asks_for_no_reading(gone: KnownItem) -> None:
    """A missing item that is tiny, or whose content was never hashed, makes nobody read."""
    assert candidates_to_hash([gone], [_ref("b", f(A, 2)), _ref("c", f(TINY, 3))]) == ()


def test_pages_without_sizes_match_by_hash() -> None:
    """Where a source tells no sizes, equal content still connects two ids."""
    gone = replace(_known("a", f(A, None), 1), size=None)
    come = replace(_ref("b", f(A, None)), size=None)
    found = match_by_hash([gone], [come], {come.item_id: blake(A)})
    assert [m.ref.item_id for m in found.matches] == ["b"]


def test_an_item_that_was_not_read_matches_nothing_by_hash() -> None:
    """Without a hash of its content a fresh item stays fresh."""
    found = match_by_hash([_known("a", f(A, None), 1)], [_ref("b", f(A, None))], {})
    assert found.matches == ()
    assert len(found.missing) == len(found.fresh) == 1


def test_delete_and_restore() -> None:
    """An id that left within the retention time gets its latest document back, whatever it holds now."""
    dead = [
        Deceased(doc=5, item_id=ItemId("a"), content_hash=blake(A)),
        Deceased(doc=3, item_id=ItemId("a"), content_hash=None),
    ]
    back, rest = match_returned(dead, [_ref("a", f(C, 9)), _ref("b", f(A, 1))])
    assert [(r.deceased.doc, r.ref.item_id) for r in back] == [(5, "a")]
    assert [ref.item_id for ref in rest] == ["b"]


def _dead(path: str, content: bytes, doc: int) -> Deceased:
    return Deceased(
        doc=doc, item_id=ItemId(path), content_hash=blake(content), size=len(content), died_at=_NOW - RECENT_S / 2
    )


_NOW = 1_000.0

# What left a moment ago, what this run misses without a match, what is new; and who comes back where.
DEPARTED: list[tuple[str, dict[str, bytes], dict[str, bytes], dict[str, bytes], dict[str, str]]] = [
    ("moved", {"x/a": A}, {}, {"y/b": A}, {"x/a": "y/b"}),
    ("moved and edited", {"x/a": A}, {}, {"y/a": B}, {}),
    ("deleted, and a stub like it comes", {"x/a": TINY}, {}, {"y/a": TINY}, {}),
    ("the least that tells", {"x/a": JUST}, {}, {"y/a": JUST}, {"x/a": "y/a"}),
    ("two that were equal, names kept", {"x/a": A, "x/b": A}, {}, {"y/a": A, "y/b": A}, {"x/a": "y/a", "x/b": "y/b"}),
    ("two that were equal, one comes under a new name", {"x/a": A, "x/b": A}, {}, {"y/c": A}, {}),
    ("one left, two like it come under new names", {"x/a": A}, {}, {"y/c": A, "y/d": A}, {}),
    ("one left, two like it come; the name tells", {"x/a": A}, {}, {"y/a": A, "y/d": A}, {"x/a": "y/a"}),
    ("an equal one is missing in this run as well", {"x/a": A}, {"z/a": A}, {"y/a": A}, {}),
    ("another one is missing in this run", {"x/a": A}, {"z/a": B}, {"y/a": A}, {"x/a": "y/a"}),
    (
        "a folder, its equal files told by the others",
        {"x/1": A, "x/2": B, "q/3": A},
        {},
        {"y/one": A, "y/2": B, "r/three": A},
        {"x/1": "y/one", "x/2": "y/2"},
    ),
]


@pytest.mark.parametrize(
    ("dead", "missing", "fresh", "expected"), [c[1:] for c in DEPARTED], ids=[c[0] for c in DEPARTED]
)
def test_what_left_a_moment_ago_may_have_moved(
    dead: dict[str, bytes], missing: dict[str, bytes], fresh: dict[str, bytes], expected: dict[str, str]
) -> None:
    """Its content tells, as within one run: unique on both sides, or by name and folder; a tie is a new document."""
    departed = [_dead(path, content, doc) for doc, (path, content) in enumerate(dead.items())]
    here = [_known(path, f(content, None), 90) for path, content in missing.items()]
    refs = [_ref(path, f(content, 7)) for path, content in fresh.items()]
    for seed in range(4):
        random.Random(seed).shuffle(departed)
        random.Random(seed).shuffle(refs)
        hashed = {ref.item_id: blake(fresh[ref.item_id]) for ref in candidates_to_hash(here, refs, departed)}
        back, rest = match_departed(departed, here, refs, hashed)
        assert {str(r.deceased.item_id): str(r.ref.item_id) for r in back} == expected
        assert {ref.item_id for ref in rest} == fresh.keys() - set(expected.values())


def test_only_what_left_a_moment_ago_may_have_moved() -> None:
    """Later its content proves nothing: somebody wrote the same once more."""
    dead = _dead("a", A, 1)
    assert lately([dead], dead.died_at + RECENT_S) == (dead,)
    assert lately([dead], dead.died_at + RECENT_S + 0.001) == ()


def test_a_departed_document_makes_nobody_read_what_it_cannot_be() -> None:
    """Another size, a stub, or content that was never hashed."""
    fresh = [_ref("same", f(B, 5)), _ref("other", f(C, 6)), _ref("tiny", f(TINY, 7))]
    dead = [_dead("a", A, 1), _dead("b", TINY, 2), replace(_dead("c", C, 3), content_hash=None)]
    assert [ref.item_id for ref in candidates_to_hash((), fresh, dead)] == ["same"]


def test_a_journalled_move_is_to_the_item_as_it_is_by_now() -> None:
    """What the journal told of it after the move counts; a place that is known already takes no document (R11)."""
    missing = [_known("a", f(A, 1), 1), _known("b", f(B, 2), 2)]
    fresh = [replace(_ref("c", f(A, 1)), name="renamed since")]
    told = {ItemId("a"): _ref("c", f(A, 1)), ItemId("b"): _ref("known", f(B, 2)), ItemId("x"): _ref("c", f(C, 3))}
    (match,) = match_journalled(told, missing, fresh)
    assert (match.known.item_id, match.ref.item_id, match.ref.name) == ("a", "c", "renamed since")


_paths = st.sampled_from([f"{d}{n}" for d in ("", "a/", "b/", "a/c/") for n in ("1", "2", "3")])
_files = st.builds(
    File, content=st.sampled_from([A, B, C, TINY]), inode=st.none() | st.integers(1, 6), mtime=st.integers(1, 2)
)
_trees = st.dictionaries(_paths, _files, max_size=8)


@given(before=_trees, after=_trees, seed=st.integers(0, 9))
def test_invariants_of_any_history(before: Tree, after: Tree, seed: int) -> None:
    """Identity goes one to one from ids no longer listed to fresh ids, and does not depend on the order."""
    found, matches = _matches(before, after)
    assert found == _matches(before, after, random.Random(seed))[0]
    assert len(set(found.values())) == len(found) == len(matches)
    for old, new in found.items():
        assert old not in after
        assert new not in before
        same_file = before[old].inode is not None and (before[old].inode, before[old].mtime) == (
            after[new].inode,
            after[new].mtime,
        )
        assert before[old].content == after[new].content or same_file
        assert len(before[old].content) >= 32
