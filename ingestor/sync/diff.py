"""What a listing says about the items that the ledger knows: unchanged, touched, changed, fresh, missing.

Decided from versions and recipes alone, without reading content (R9). A version is compared for
equality, never for order: a file replaced by an older one has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.base import ItemId, ItemRef
from ingestor.model import KnownItem, Recipe
from ingestor.model.tags import tidy

Pair = tuple[KnownItem, ItemRef]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Every known and every listed item, once. Tuples are ordered by item id.

    ``metadata`` asks for a ``Touch`` and no more; ``changed`` has to be read; ``fresh`` and
    ``missing`` still may be the two ends of a move (``ingestor.sync.identity``); ``missing`` is not
    yet gone (``ingestor.sync.deletions``).
    """

    unchanged: int = 0
    metadata: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()
    fresh: tuple[ItemRef, ...] = ()
    missing: tuple[KnownItem, ...] = ()


def compare(
    known: Mapping[ItemId, KnownItem],
    listed: Mapping[ItemId, ItemRef],
    *,
    recipe_of: Callable[[ItemRef], Recipe],
    now: float,
) -> Difference:
    """Sort the items of one listing. ``known`` and ``listed`` speak of the same scope."""
    unchanged = 0
    metadata: list[Pair] = []
    changed: list[Pair] = []
    fresh: list[ItemRef] = []
    for item_id in sorted(listed):
        ref = listed[item_id]
        item = known.get(item_id)
        if item is None:
            fresh.append(ref)
        elif item.version != ref.version or must_read(item, recipe_of(ref), now):
            changed.append((item, ref))
        elif _described(item) != _described_by(ref) or _tagged_anew(item, ref):
            metadata.append((item, ref))
        else:
            unchanged += 1
    return Difference(
        unchanged=unchanged,
        metadata=tuple(metadata),
        changed=tuple(changed),
        fresh=tuple(fresh),
        missing=tuple(known[item_id] for item_id in sorted(known.keys() - listed.keys())),
    )


def must_read(item: KnownItem, recipe: Recipe, now: float) -> bool:
    """Whether the content has to be read although nothing says that it changed.

    So it is when the last read is doubtful (R9), when today's recipe is another (a quarantined item
    gets its new chance by that), or when another try of a failed item is due. Also asked of an item
    that moved: its new name may be parsed in another way.
    """
    if item.doubtful or item.recipe != recipe:
        return True
    return is_due(item, now)


def is_due(item: KnownItem, now: float) -> bool:
    """Whether it is time for another try, of the item or of something attached to it."""
    return item.retry_at is not None and item.retry_at <= now


def _described(item: KnownItem) -> tuple[object, ...]:
    # The file and move keys count: left stale they would prove a move that never was.
    return (item.name, item.url, item.parent, item.place, item.file_key, item.move_key)


def _tagged_anew(item: KnownItem, ref: ItemRef) -> bool:
    return ref.tags is not None and tidy(ref.tags) != item.tags


def _described_by(ref: ItemRef) -> tuple[object, ...]:
    return (ref.name, ref.url, ref.parent, ref.grant.place, ref.file_key, ref.move_key)
