"""When an item that a listing lacks may be called deleted (R5).

Three questions, in this order. Is its absence proven (``prove``, or ``confirm`` for a journal)? After
moves were matched, are the deletions so many that a person should look (``guard``)? And what becomes
of the plan that already waits (``decide``, ``approved``)? Any doubt keeps the document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connectors.base import WHOLE, Checkpoint, ItemId, ItemRef, within
from ingestor.model import KnownItem, Plan

SOME_SHARE, SOME_COUNT = 0.20, 50
"""More than this share and more than this many documents wait for a person."""

HALF_SHARE, HALF_COUNT = 0.50, 10
"""More than this share and at least this many documents wait for a person."""


# -- proof -----------------------------------------------------------------------------------------


class Root(StrEnum):
    """What the identity of a source's place says about absence."""

    HOLDS = "holds"
    FIRST = "first"
    """Nothing is on record to compare with: the next listing can prove, this one cannot."""
    SWAPPED = "swapped"
    """Another place stands where the known one stood (unmounted, other device, made again)."""
    UNSTEADY = "unsteady"
    """The place changed while it was listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """``provable`` are gone, as far as the listing goes; ``unproven`` may still exist."""

    root: Root
    provable: tuple[KnownItem, ...]
    unproven: tuple[KnownItem, ...]


def judge_root(*, before: str, after: str, known: str | None) -> Root:
    """``before`` and ``after`` are the identity on either side of the listing, ``known`` the recorded."""
    if before != after:
        return Root.UNSTEADY
    if known is None:
        return Root.FIRST
    return Root.HOLDS if known == before else Root.SWAPPED


def prove(
    missing: Iterable[KnownItem],
    checkpoints: Iterable[Checkpoint],
    *,
    unreadable: Iterable[ItemId] = (),
    identity_before: str,
    identity_after: str,
    identity_known: str | None,
) -> Proof:
    """Divide ``missing`` by the first licence: absence from a complete listing on a root that holds.

    ``checkpoints`` are all marks of one listing and ``unreadable`` the ids that it could not tell
    about. A part that one mark calls unproven stays so whatever another mark says.
    """
    root = judge_root(before=identity_before, after=identity_after, known=identity_known)
    items = tuple(missing)
    if root is not Root.HOLDS:
        return Proof(root=root, provable=(), unproven=items)
    marks = tuple(checkpoints)
    scopes = frozenset(mark.scope for mark in marks if mark.complete)
    dark = frozenset(scope for mark in marks for scope in mark.unproven) | frozenset(unreadable)
    gone = frozenset(
        item.item_id for item in items if _inside(item.item_id, scopes) and not _inside(item.item_id, dark)
    )
    return Proof(
        root=root,
        provable=tuple(item for item in items if item.item_id in gone),
        unproven=tuple(item for item in items if item.item_id not in gone),
    )


def adoptable(proof: Proof, checkpoints: Iterable[Checkpoint], *, unreadable: Collection[ItemId] = ()) -> bool:
    """Whether the identity now seen may be recorded as the source's own.

    At the first listing, and when a whole, complete listing of another place lacks nothing that was
    known: a restored or remounted folder with all its files is the place, whatever its inode.
    """
    if proof.root is Root.FIRST:
        return True
    whole = any(mark.complete and mark.scope == WHOLE and not mark.unproven for mark in checkpoints)
    return proof.root is Root.SWAPPED and whole and not unreadable and not proof.unproven


def confirm(
    reported: Iterable[KnownItem], looked_up: Mapping[ItemId, ItemRef | None], *, root: Root
) -> tuple[KnownItem, ...]:
    """The second licence: a ``Deleted`` of the source's journal whose point lookup said not found.

    An item that was not looked up, or whose lookup failed, is not in ``looked_up`` and stays.
    """
    if root is not Root.HOLDS:
        return ()
    return tuple(item for item in reported if looked_up.get(item.item_id, item) is None)


# -- guard -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardVerdict:
    """``reason`` is a sentence with the numbers, for the person who has to approve."""

    held: bool
    reason: str = ""


def guard(
    deletions: int, *, peak_live: int, live_after: int | None = None, listed_live: int | None = None
) -> GuardVerdict:
    """Whether so many deletions wait for a person.

    ``peak_live`` is the largest live count of the last day (since the last approval, if that is
    later); ``live_after`` the live documents that would remain. The loss is measured from the peak, so
    that a share which vanishes in small steps is noticed as well; without ``live_after`` only these
    deletions count. ``listed_live`` is the number of items in a listing of the whole source, None for
    a part of it: a folder may become empty, a source may not.
    """
    if deletions == 0:
        return GuardVerdict(held=False)
    peak = max(peak_live, deletions)
    if listed_live == 0:
        return GuardVerdict(held=True, reason=f"The source lists nothing any more, but held {_documents(peak)}.")
    if live_after == 0:
        return GuardVerdict(held=True, reason=f"Nothing would be left of {_documents(peak)}.")
    loss = deletions if live_after is None else max(deletions, peak - live_after)
    sentence = _sentence(deletions, loss, peak)
    if loss > SOME_COUNT and loss > SOME_SHARE * peak:
        limit = f"more than {SOME_SHARE:.0%} and more than {SOME_COUNT}"
        return GuardVerdict(held=True, reason=f"{sentence}: {limit}.")
    if loss >= HALF_COUNT and loss > HALF_SHARE * peak:
        return GuardVerdict(held=True, reason=f"{sentence}: more than half and at least {HALF_COUNT}.")
    return GuardVerdict(held=False)


# -- the plan that waits ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """``delete`` now; ``hold`` is the whole plan from now on (empty: none stands), with its reason."""

    delete: tuple[KnownItem, ...] = ()
    hold: tuple[ItemId, ...] = ()
    reason: str = ""


def decide(
    provable: Sequence[KnownItem],
    *,
    plan: Plan | None,
    listed: Collection[ItemId],
    moved: Collection[ItemId] = (),
    whole: bool,
    peak_live: int,
    live: int | None = None,
) -> Decision:
    """Delete or hold what is proven gone and was not matched as a move.

    ``listed`` and ``moved`` are ids seen by this listing and old ids of documents that moved;
    ``whole`` says that this was a complete listing of the whole source on a root that holds. ``live``
    counts the live documents of the source before any deletion, this run's additions included; None
    where unknown.

    A plan that stands is judged anew, with what was proven since, by each listing of the whole source.
    A listing of a part only takes away what it saw and adds what it proved: else the parts of a
    vanished share would pass the guard one by one.
    """
    items = next_plan(plan, provable, listed=listed, moved=moved)
    if plan is not None and items and not whole:
        return Decision(hold=items, reason=plan.reason)
    verdict = guard(
        len(items),
        peak_live=peak_live,
        live_after=None if live is None else max(0, live - len(items)),
        listed_live=len(listed) if whole else None,
    )
    if verdict.held:
        return Decision(hold=items, reason=verdict.reason)
    return Decision(delete=tuple(provable))


def next_plan(
    plan: Plan | None,
    provable: Iterable[KnownItem],
    *,
    listed: Collection[ItemId],
    moved: Collection[ItemId] = (),
) -> tuple[ItemId, ...]:
    """What waits now, in order: the old plan without what was seen again or moved, and the new items."""
    waiting = {item_id for item_id in plan.items if item_id not in listed and item_id not in moved} if plan else set()
    return tuple(sorted(waiting | {item.item_id for item in provable}))


def approved(plan: Plan, provable: Iterable[KnownItem]) -> tuple[KnownItem, ...]:
    """What an approval deletes: items of the plan that a fresh, proven listing still lacks."""
    items = frozenset(plan.items)
    return tuple(item for item in provable if item.item_id in items)


def judge(
    gone: Sequence[KnownItem],
    *,
    approve: Plan | None,
    plan: Plan | None,
    listed: Collection[ItemId],
    moved: Collection[ItemId],
    complete: bool,
    root: Root,
    peak_live: int,
    live: int,
) -> Decision:
    """R5: what of the proven absences a run deletes now, and what waits for a person.

    ``complete`` says that the whole source was listed to its end. ``approve`` is the plan that a person
    approved; a listing of a part approves nothing. The rest is as in ``decide``.
    """
    if approve is None or not complete:
        whole = complete and root is Root.HOLDS
        return decide(gone, plan=plan, listed=listed, moved=moved, whole=whole, peak_live=peak_live, live=live)
    chosen = approved(approve, gone)
    ids = {item.item_id for item in chosen}
    # What left since the plan was shown is no part of it, and judged as on any other day.
    others = decide(
        [item for item in gone if item.item_id not in ids],
        plan=None,
        listed=listed,
        moved=moved,
        whole=True,
        peak_live=live - len(chosen),
        live=live - len(chosen),
    )
    return Decision(delete=(*chosen, *others.delete), hold=others.hold, reason=others.reason)


# -- helpers ---------------------------------------------------------------------------------------


def _inside(item_id: str, scopes: Collection[str]) -> bool:
    if len(scopes) < 4:
        return any(within(item_id, scope) for scope in scopes)
    # A damaged share may name thousands of unproven folders; walk the item's own parents instead.
    while item_id:
        if item_id in scopes:
            return True
        item_id = item_id.rpartition("/")[0]
    return WHOLE in scopes


def _sentence(deletions: int, loss: int, peak: int) -> str:
    gone = f"{_documents(deletions)} of {peak} {'is' if deletions == 1 else 'are'} no longer there"
    if loss == deletions:
        return f"{gone} ({deletions / peak:.0%})"
    return f"{gone}, which makes {loss} lost within a day ({loss / peak:.0%})"


def _documents(count: int) -> str:
    return f"{count} document{'' if count == 1 else 's'}"
