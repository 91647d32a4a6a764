"""ingestor.sync.deletions: absence must be proven, and many deletions wait for a person (R5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import WHOLE, Checkpoint, ItemId, ItemRef, Scope, Version
from ingestor.model import KnownItem, Plan, Recipe
from ingestor.sync.deletions import (
    Decision,
    Root,
    adoptable,
    approved,
    confirm,
    decide,
    guard,
    judge_root,
    next_plan,
    prove,
)


def _item(item_id: str) -> KnownItem:
    return KnownItem(item_id=ItemId(item_id), doc=1, version=Version("v"), recipe=Recipe("r"))


def _items(*ids: str) -> tuple[KnownItem, ...]:
    return tuple(_item(i) for i in ids)


def _mark(*, scope: str = "", complete: bool = True, unproven: tuple[str, ...] = ()) -> Checkpoint:
    return Checkpoint(scope=Scope(scope), complete=complete, unproven=tuple(Scope(u) for u in unproven))


MISSING = ("a/1", "a/2", "ab/3", "b", "b/c/4", "5")

PROOFS: list[tuple[str, list[Checkpoint], tuple[str, ...], tuple[str, ...]]] = [
    ("complete listing of everything", [_mark()], (), MISSING),
    ("broken-off listing", [_mark(complete=False)], (), ()),
    ("no mark at all", [], (), ()),
    ("complete listing of one folder", [_mark(scope="a")], (), ("a/1", "a/2")),
    ("listing of one item", [_mark(scope="5")], (), ("5",)),
    ("one unreadable folder blocks only its subtree", [_mark(unproven=("a",))], (), ("ab/3", "b", "b/c/4", "5")),
    ("an unproven folder blocks the item of its name", [_mark(unproven=("b",))], (), ("a/1", "a/2", "ab/3", "5")),
    (
        "a folder that became of a file proves the file gone",
        [_mark(unproven=("b/c",))],
        (),
        ("a/1", "a/2", "ab/3", "b", "5"),
    ),
    ("everything unproven", [_mark(unproven=(WHOLE,))], (), ()),
    ("an unreadable item exists", [_mark()], ("5", "a"), ("ab/3", "b", "b/c/4")),
    ("marks of two folders", [_mark(scope="a"), _mark(scope="b")], (), ("a/1", "a/2", "b", "b/c/4")),
    ("an intermediate mark does not spoil the last", [_mark(complete=False), _mark()], (), MISSING),
    (
        "unproven in any mark is unproven",
        [_mark(complete=False, unproven=("a",)), _mark()],
        (),
        ("ab/3", "b", "b/c/4", "5"),
    ),
    (
        "many unproven folders",
        [_mark(unproven=("q", "r", "s", "b/c", "a"))],
        (),
        ("ab/3", "b", "5"),
    ),
]


@pytest.mark.parametrize(("marks", "unreadable", "gone"), [c[1:] for c in PROOFS], ids=[c[0] for c in PROOFS])
def test_absence_is_proven_only_inside_what_was_listed(
    marks: list[Checkpoint], unreadable: tuple[str, ...], gone: tuple[str, ...]
) -> None:
    """An item is gone when a complete listing covers it and no unproven or unreadable part does."""
    proof = prove(
        _items(*MISSING),
        marks,
        unreadable=[ItemId(u) for u in unreadable],
        identity_before="root",
        identity_after="root",
        identity_known="root",
    )
    assert tuple(item.item_id for item in proof.provable) == gone
    assert {item.item_id for item in proof.unproven} == set(MISSING) - set(gone)


@pytest.mark.parametrize(
    ("before", "after", "known", "root"),
    [
        ("r", "r", "r", Root.HOLDS),
        ("r", "r", None, Root.FIRST),
        ("other", "other", "r", Root.SWAPPED),
        ("r", "other", "r", Root.UNSTEADY),
        ("other", "r", "r", Root.UNSTEADY),
        ("r", "other", None, Root.UNSTEADY),
    ],
)
def test_absence_is_proven_only_on_a_root_that_holds(before: str, after: str, known: str | None, root: Root) -> None:
    """A root that was swapped, changes during the listing or was never recorded proves nothing."""
    assert judge_root(before=before, after=after, known=known) is root
    proof = prove(_items("a"), [_mark()], identity_before=before, identity_after=after, identity_known=known)
    assert proof.root is root
    assert bool(proof.provable) == (root is Root.HOLDS)
    assert len(proof.provable) + len(proof.unproven) == 1


@pytest.mark.parametrize(
    ("known", "missing", "mark", "unreadable", "expected"),
    [
        (None, (), _mark(), (), True),
        (None, ("a",), _mark(complete=False), (), True),
        ("other", (), _mark(), (), True),
        ("other", ("a",), _mark(), (), False),
        ("other", (), _mark(complete=False), (), False),
        ("other", (), _mark(scope="a"), (), False),
        ("other", (), _mark(unproven=("a",)), (), False),
        ("other", (), _mark(), ("a",), False),
        ("r", (), _mark(), (), False),
    ],
)
def test_another_root_is_adopted_only_when_it_lacks_nothing(
    known: str | None, missing: tuple[str, ...], mark: Checkpoint, unreadable: tuple[str, ...], expected: bool
) -> None:
    """A first root is taken as it is; a swapped one only when a whole, complete listing lacks nothing known."""
    proof = prove(_items(*missing), [mark], identity_before="r", identity_after="r", identity_known=known)
    assert adoptable(proof, [mark], unreadable=[ItemId(u) for u in unreadable]) is expected


def test_a_journal_is_believed_only_after_a_lookup() -> None:
    """A reported deletion counts when the lookup found nothing, on a root that holds; no answer keeps the item."""
    found = ItemRef(item_id=ItemId("b"), name="b", version=Version("v"))
    looked_up = {ItemId("a"): None, ItemId("b"): found}
    assert confirm(_items("a", "b", "c"), looked_up, root=Root.HOLDS) == _items("a")
    assert confirm(_items("a"), looked_up, root=Root.SWAPPED) == ()


GUARDS: list[tuple[str, int, int, int | None, int | None, bool]] = [
    ("nothing to delete", 0, 100, 100, 100, False),
    ("nothing to delete in an empty source", 0, 0, 0, 0, False),
    ("one of many", 1, 1_000, 999, 999, False),
    ("fifty of fifty-five is more than half", 50, 55, 5, 5, True),
    ("50 are not more than 50", 50, 200, 150, 150, False),
    ("51 of 200 are more than 20 %", 51, 200, 149, 149, True),
    ("51 of 255 are 20 %, not more", 51, 255, 204, 204, False),
    ("60 of 1000 are few", 60, 1_000, 940, 940, False),
    ("10 of 20 are half, not more", 10, 20, 10, 10, False),
    ("10 of 19 are more than half and at least 10", 10, 19, 9, 9, True),
    ("9 of 10 are fewer than 10", 9, 10, 1, 1, False),
    ("empty listing of a tiny source", 3, 3, 0, 0, True),
    ("empty listing of one document", 1, 1, 0, 0, True),
    ("last documents of a source, seen in one folder", 3, 3, 0, None, True),
    ("folder becomes empty", 9, 100, 91, None, False),
    ("folder becomes empty, live count unknown", 9, 10, None, None, False),
    ("measured from the largest count of the day", 10, 100, 45, 45, True),
    ("slow loss, third step of 20", 20, 200, 140, 140, True),
    ("slow loss unknown without the live count", 20, 200, None, None, False),
    ("replaced, not lost: deletions count by themselves", 60, 100, 100, 100, True),
    ("peak lower than the deletions", 60, 0, None, None, True),
]


@pytest.mark.parametrize(
    ("deletions", "peak", "after", "listed", "held"), [c[1:] for c in GUARDS], ids=[c[0] for c in GUARDS]
)
def test_guard(deletions: int, peak: int, after: int | None, listed: int | None, held: bool) -> None:
    """Held are: over 20 % and over 50, over half and at least 10, and everything."""
    verdict = guard(deletions, peak_live=peak, live_after=after, listed_live=listed)
    assert verdict.held is held
    assert bool(verdict.reason) is held


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((60, 200, 140, 140), "60 documents of 200 are no longer there (30%): more than 20% and more than 50."),
        ((12, 20, 8, None), "12 documents of 20 are no longer there (60%): more than half and at least 10."),
        (
            (1, 200, 140, 140),
            "1 document of 200 is no longer there, which makes 60 lost within a day (30%): more than 20% and more than 50.",
        ),
        ((3, 3, 0, 0), "The source lists nothing any more, but held 3 documents."),
        ((1, 1, 0, None), "Nothing would be left of 1 document."),
    ],
)
def test_a_held_verdict_tells_the_numbers(args: tuple[int, int, int, int | None], sentence: str) -> None:
    """The person who approves reads how many of how many, and which limit that is."""
    deletions, peak, after, listed = args
    assert guard(deletions, peak_live=peak, live_after=after, listed_live=listed).reason == sentence


@given(peak=st.integers(1, 500), lost=st.integers(1, 500), kept=st.integers(0, 500))
def test_the_guard_never_lets_more_than_half_of_twenty_go(peak: int, lost: int, kept: int) -> None:
    """Whatever the counts, a run that passes deletes fewer than 10, or at most half, and leaves something."""
    lost = min(lost, peak)
    if not guard(lost, peak_live=peak, live_after=kept, listed_live=kept).held:
        assert kept > 0
        assert lost < 10 or lost * 2 <= peak
        assert lost <= 50 or lost * 5 <= peak


def _plan(*ids: str) -> Plan:
    return Plan(plan_id="p", source="s", reason="many", items=tuple(ItemId(i) for i in ids), created_at=0.0)


MANY = tuple(f"d/{i:02}" for i in range(12))


def _decide(
    provable: tuple[str, ...],
    *,
    plan: Plan | None = None,
    listed: tuple[str, ...] = (),
    moved: tuple[str, ...] = (),
    whole: bool = True,
    peak: int = 20,
    live: int | None = 20,
) -> Decision:
    return decide(_items(*provable), plan=plan, listed=listed, moved=moved, whole=whole, peak_live=peak, live=live)


def test_few_deletions_go_at_once() -> None:
    """What passes the guard is deleted and leaves no plan."""
    assert _decide(("a", "b"), listed=("c",)) == Decision(delete=_items("a", "b"))


def test_many_deletions_wait() -> None:
    """What the guard holds becomes a plan with its reason, and nothing is deleted."""
    found = _decide(MANY, listed=("c",))
    assert found.delete == ()
    assert found.hold == MANY
    assert "12 documents of 20" in found.reason


def test_a_plan_is_judged_anew_by_a_whole_listing() -> None:
    """When most of a plan came back, what is left of it is few and goes; the plan is over."""
    found = _decide(MANY[:2], plan=_plan(*MANY), listed=MANY[2:])
    assert found == Decision(delete=_items(*MANY[:2]))


def test_a_plan_grows_with_what_is_proven_since() -> None:
    """Deletions that come while a plan stands are judged together with it."""
    found = _decide((*MANY, "e"), plan=_plan(*MANY), listed=("c",))
    assert found.delete == ()
    assert found.hold == (*MANY, "e")


def test_the_parts_of_a_held_plan_do_not_pass_one_by_one() -> None:
    """A listing of one folder deletes nothing while a plan stands, though its share alone is small."""
    found = _decide(MANY[:2], plan=_plan(*MANY), whole=False)
    assert found == Decision(hold=MANY, reason="many")


def test_an_item_seen_in_a_folder_leaves_the_plan() -> None:
    """A listing of one folder takes what it saw and what moved out of the plan, and keeps the rest."""
    found = _decide((), plan=_plan("a", "b", "c"), listed=("a",), moved=("b",), whole=False)
    assert found.hold == ("c",)


def test_a_plan_whose_items_all_came_back_is_over() -> None:
    """Nothing is held when everything was seen again."""
    assert _decide((), plan=_plan("a", "b"), listed=("a", "b", "c")) == Decision()
    assert _decide((), plan=_plan("a"), listed=("a",), whole=False) == Decision()


def test_an_emptied_source_stays_held_until_something_is_listed() -> None:
    """An empty listing is held again and again, and released by the first listing that is not."""
    first = _decide(("a", "b"), peak=2, live=2)
    assert first.hold == ("a", "b")
    again = _decide(("a", "b"), plan=_plan("a", "b"), peak=2, live=2)
    assert again.hold == ("a", "b")
    back = _decide(("b",), plan=_plan("a", "b"), listed=("a",), peak=2, live=2)
    assert back == Decision(delete=_items("b"))


def test_the_last_document_does_not_leave_through_a_folder() -> None:
    """A listing of one folder may not empty the source either."""
    assert _decide(("a/1",), whole=False, peak=1, live=1).hold == ("a/1",)


def test_next_plan_is_ordered_and_without_repeats() -> None:
    """A plan's items are a set in order, so that its id depends on nothing else."""
    assert next_plan(_plan("b", "a"), _items("c", "a"), listed=()) == ("a", "b", "c")
    assert next_plan(None, _items("b", "a"), listed=()) == ("a", "b")


def test_an_approval_deletes_only_what_is_still_lacking() -> None:
    """Items of the plan that came back stay, and so do missing items that nobody approved."""
    assert approved(_plan("a", "b"), _items("b", "c")) == _items("b")
