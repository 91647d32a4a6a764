"""What changed between two commits, read from git's own comparison. Pure.

git keeps no record of moves: it infers them, from equal or similar contents. Where it had to choose, or the
contents are too small to say anything, the move is told as a deletion and an addition (R11); other evidence
may join the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_SMALLEST = 32
"""Bytes. Below it equal contents say nothing: stubs are all alike."""

_NOTHING = "000000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One line of the comparison. ``old`` is empty for what was added, ``new`` for what was removed; both are
    equal for what changed where it stands."""

    old: bytes
    new: bytes
    old_oid: str
    new_oid: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """Paths that hold something else now, paths that hold nothing any more, and (old, new) of what moved."""

    touched: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()
    moved: tuple[tuple[bytes, bytes], ...] = ()


def records(fields: Iterable[bytes]) -> list[Record]:
    """The records of ``git diff-tree -r -z --raw``."""
    found, rest = list[Record](), iter(fields)
    for head in rest:
        old_mode, new_mode, old_oid, new_oid, status = head.decode("ascii").removeprefix(":").split(" ")
        old = new = next(rest)
        if status[0] in "RC":
            new = next(rest)
        if status[0] == "C" or old_mode == _NOTHING:
            old = b""
        if new_mode == _NOTHING:
            new = b""
        found.append(Record(old=old, new=new, old_oid=old_oid, new_oid=new_oid))
    return found


def differences(found: Iterable[Record], sizes: dict[bytes, int]) -> Differences:
    """``sizes`` of what stands at the new paths, in bytes."""
    every = tuple(found)
    left = Counter(record.old_oid for record in every if record.old and record.old != record.new)
    came = Counter(record.new_oid for record in every if record.new and record.old != record.new)
    touched, gone, moved = list[bytes](), list[bytes](), list[tuple[bytes, bytes]]()
    for record in every:
        if record.old and record.new and record.old != record.new:
            tied = record.old_oid == record.new_oid and max(left[record.old_oid], came[record.new_oid]) > 1
            if not tied and sizes.get(record.new, 0) >= _SMALLEST:
                moved.append((record.old, record.new))
                continue
        if record.new:
            touched.append(record.new)
        if record.old and record.old != record.new:
            gone.append(record.old)
    return Differences(touched=tuple(touched), gone=tuple(gone), moved=tuple(moved))
