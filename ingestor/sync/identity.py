"""Which fresh item is a known document under another id (R11).

Identity moves only from ids that are proven gone to ids that are fresh; an id still listed keeps its
document whatever stands there now, so swaps, saves by rename and moves over an existing path never
come here. Evidence is taken strongest first, each step on what the step before left:

1. the same id as a document that left within the retention time (``match_returned``);
2. the same file with equal size and mtime: nothing is read (``match_by_file``);
3. the same file with equal content, whatever its mtime; then
4. equal content, unique on both sides; then
5. equal content with the base name, or with a folder mapping that earlier matches taught
   (``match_by_hash``);
6. steps 4 and 5 with documents that left a moment ago: the two ends of a move may fall into two runs
   (``match_departed``).

What is still tied, and content under 32 bytes, is delete plus add: a wrong identity would make old
citations point at something else, a new identity merely ends them. Hence hard links: one file key at
two fresh ids is a tie for step 2, and the later steps decide by name or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from connectors.base import ItemId, ItemRef, Version
from ingestor.model import Deceased, Hash, KnownItem, Recipe

SMALLEST = 32
"""Bytes. Below it equal content says nothing: empty files and one-line stubs are all alike."""

RECENT_S = 60.0
"""For so long a document that left may have moved: the hints of a move's two ends come at once, but the run
over the new place may have to wait for the one over the old."""

_T = TypeVar("_T", KnownItem, ItemRef)


class Evidence(StrEnum):
    FILE = "file"
    HASH = "hash"
    NAME = "name"
    FOLDER = "folder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """``known`` now stands at ``ref``. With ``FILE`` from ``match_by_file`` its content was not read."""

    known: KnownItem
    ref: ItemRef
    by: Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """Matches by old item id, and what no evidence connected, in the order given."""

    matches: tuple[Match, ...]
    missing: tuple[KnownItem, ...]
    fresh: tuple[ItemRef, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """A document that left lives again, here: its item is back under its own id, whatever its content is now,
    or it had moved."""

    deceased: Deceased
    ref: ItemRef


# -- the steps -------------------------------------------------------------------------------------


def match_returned(
    deceased: Iterable[Deceased], fresh: Sequence[ItemRef]
) -> tuple[tuple[Returned, ...], tuple[ItemRef, ...]]:
    """Fresh items that left under the same id within the retention time, and the other fresh items.

    ``deceased`` comes latest first and holds no document that lives elsewhere. First of all steps,
    for such an id was listed before: an editor that deletes, then renames its temporary file to the
    old name has edited, even if a scan looked in between.
    """
    latest: dict[ItemId, Deceased] = {}
    for dead in deceased:
        latest.setdefault(dead.item_id, dead)
    back = tuple(Returned(deceased=latest[ref.item_id], ref=ref) for ref in fresh if ref.item_id in latest)
    return back, tuple(ref for ref in fresh if ref.item_id not in latest)


def match_journalled(
    moved: Mapping[ItemId, ItemRef], missing: Sequence[KnownItem], fresh: Sequence[ItemRef]
) -> tuple[Match, ...]:
    """Moves that the source itself told of. ``fresh`` says how the item is by now: a journal may have told
    more of it after the move, a narrower grant for one (R7)."""
    known = {item.item_id: item for item in missing}
    now = {ref.item_id: ref for ref in fresh}
    return tuple(
        Match(known=known[old], ref=now[ref.item_id], by=Evidence.FILE)
        for old, ref in moved.items()
        if old in known and ref.item_id in now
    )


def match_by_file(missing: Sequence[KnownItem], fresh: Sequence[ItemRef]) -> Matching:
    """Moves that file key and move key prove without reading. ``missing`` are proven gone (R5)."""
    old = _unique((item for item in missing if _large_enough(item, item)), moved_file)
    new = _unique((ref for ref in fresh if _large_enough(ref, ref)), moved_file)
    return _settled(
        missing, fresh, [Match(known=old[key], ref=new[key], by=Evidence.FILE) for key in old.keys() & new.keys()]
    )


def candidates_to_hash(
    missing: Sequence[KnownItem], fresh: Sequence[ItemRef], departed: Sequence[Deceased] = ()
) -> tuple[ItemRef, ...]:
    """The fresh items whose content has to be hashed before ``missing`` can be called deleted, and those
    that may be what ``departed`` was."""
    sizes = {item.size for item in missing if item.content_hash is not None and _large_enough(item, item)}
    sizes |= {
        dead.size for dead in departed if dead.content_hash is not None and (dead.size is None or dead.size >= SMALLEST)
    }
    if not sizes:
        return ()
    return tuple(ref for ref in fresh if ref.size in sizes or None in sizes or ref.size is None)


def match_by_hash(
    missing: Sequence[KnownItem],
    fresh: Sequence[ItemRef],
    hashed: Mapping[ItemId, Hash],
    *,
    already: Iterable[Match] = (),
) -> Matching:
    """Moves that equal content proves, among what ``match_by_file`` left.

    ``hashed`` holds the hashes of the fresh items that were read; a fresh item without one matches
    nothing. ``already`` are the earlier matches of this run: they teach which folder went where.
    """
    known_hash = {item.item_id: item.content_hash for item in missing if item.content_hash is not None}
    left = Matching(
        matches=(),
        missing=tuple(item for item in missing if item.item_id in known_hash),
        fresh=tuple(ref for ref in fresh if ref.item_id in hashed),
    )
    found: list[Match] = []
    folders = _Folders(already)

    def old_hash(item: KnownItem) -> Hash:
        return known_hash[item.item_id]

    def new_hash(ref: ItemRef) -> Hash:
        return hashed[ref.item_id]

    def step(by: Evidence, old_key: _Key[KnownItem], new_key: _Key[ItemRef]) -> None:
        nonlocal left
        old, new = _unique(left.missing, old_key), _unique(left.fresh, new_key)
        left = _settled(
            left.missing,
            left.fresh,
            [
                Match(known=old[key], ref=new[key], by=by)
                for key in old.keys() & new.keys()
                if _large_enough(old[key], new[key])
            ],
        )
        found.extend(left.matches)
        for match in left.matches:
            folders.learn(match)

    step(
        Evidence.FILE,
        lambda item: (item.file_key, old_hash(item)) if item.file_key else None,
        lambda ref: (ref.file_key, new_hash(ref)) if ref.file_key else None,
    )
    step(Evidence.HASH, old_hash, new_hash)
    # Folder and name together first: where both halves of a renamed tree hold an equal file of equal
    # name, only the two together tell which is which.
    step(
        Evidence.FOLDER,
        lambda item: (old_hash(item), folders.new_home(item.item_id), _base(item.item_id)),
        lambda ref: (new_hash(ref), _folder(ref.item_id), _base(ref.item_id)),
    )
    step(
        Evidence.NAME,
        lambda item: (old_hash(item), _base(item.item_id)),
        lambda ref: (new_hash(ref), _base(ref.item_id)),
    )
    step(
        Evidence.FOLDER,
        lambda item: (old_hash(item), folders.new_home(item.item_id)),
        lambda ref: (new_hash(ref), _folder(ref.item_id)),
    )
    return _settled(missing, fresh, found)


def lately(deceased: Iterable[Deceased], now: float) -> tuple[Deceased, ...]:
    """Those that left so short a time ago that they may have moved."""
    return tuple(dead for dead in deceased if dead.died_at >= now - RECENT_S)


def match_departed(
    departed: Sequence[Deceased],
    missing: Sequence[KnownItem],
    fresh: Sequence[ItemRef],
    hashed: Mapping[ItemId, Hash],
    *,
    already: Iterable[Match] = (),
) -> tuple[tuple[Returned, ...], tuple[ItemRef, ...]]:
    """Fresh items that are what ``departed`` was, and the other fresh items: the run over the old place came
    first and has deleted the document, so only its content can tell.

    As in ``match_by_hash``, and last of all steps. ``missing`` is what no evidence connected in this run: a
    content that is among them as well is a tie.
    """
    tied = {item.content_hash for item in missing}
    by_doc = {dead.doc: dead for dead in departed}
    items = [
        KnownItem(
            item_id=dead.item_id,
            doc=dead.doc,
            version=Version(""),
            recipe=Recipe(""),
            content_hash=dead.content_hash,
            size=dead.size,
        )
        for dead in departed
        if dead.content_hash not in tied
    ]
    found = match_by_hash(items, fresh, hashed, already=already)
    return tuple(Returned(deceased=by_doc[match.known.doc], ref=match.ref) for match in found.matches), found.fresh


# -- evidence --------------------------------------------------------------------------------------

_Key = Callable[[_T], Hashable | None]


def moved_file(item: KnownItem | ItemRef) -> Hashable | None:
    """What is equal before and after a move and tells the file from any other; None where nothing does."""
    return (item.file_key, item.move_key) if item.file_key and item.move_key else None


def _large_enough(old: KnownItem | ItemRef, new: KnownItem | ItemRef) -> bool:
    """Equal content has one size; either side may know it. A size that nobody knows does not exclude
    a match: sources without sizes give pages, and those are not stubs as a rule."""
    size = old.size if old.size is not None else new.size
    return size is None or size >= SMALLEST


def _unique(items: Iterable[_T], key: _Key[_T]) -> dict[Hashable, _T]:
    """Items whose key no other one shares; a key that is None says nothing."""
    groups: defaultdict[Hashable, list[_T]] = defaultdict(list)
    for item in items:
        value = key(item)
        if value is not None:
            groups[value].append(item)
    return {value: group[0] for value, group in groups.items() if len(group) == 1}


def _settled(missing: Sequence[KnownItem], fresh: Sequence[ItemRef], found: Sequence[Match]) -> Matching:
    gone = {match.known.item_id for match in found}
    come = {match.ref.item_id for match in found}
    return Matching(
        matches=tuple(sorted(found, key=lambda match: match.known.item_id)),
        missing=tuple(item for item in missing if item.item_id not in gone),
        fresh=tuple(ref for ref in fresh if ref.item_id not in come),
    )


# -- folders ---------------------------------------------------------------------------------------


class _Folders:
    """Old folder to new folder, as matches taught it."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._homes: dict[str, str | None] = {}
        for match in matches:
            self.learn(match)

    def learn(self, match: Match) -> None:
        """``a/b/x`` found at ``c/b/x`` says that ``a/b`` is now ``c/b`` and hence that ``a`` is ``c``."""
        old, new = _folder(match.known.item_id), _folder(match.ref.item_id)
        while old != new:
            # Contradicting matches teach nothing: a folder that was dealt out has no new home.
            self._homes[old] = new if self._homes.get(old, new) == new else None
            if not old or not new or _base(old) != _base(new):
                return
            old, new = _folder(old), _folder(new)

    def new_home(self, item_id: ItemId) -> str | None:
        """The folder in which the item would stand now; None where no match says so."""
        folder, below = _folder(item_id), ""
        while folder not in self._homes:
            if not folder:
                return None
            below = f"/{_base(folder)}{below}"
            folder = _folder(folder)
        home = self._homes[folder]
        return None if home is None else (home + below).removeprefix("/")


def _folder(item_id: str) -> str:
    return item_id.rpartition("/")[0]


def _base(item_id: str) -> str:
    return item_id.rpartition("/")[2]
