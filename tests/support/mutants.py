"""Files broken at random: bytes turned over, ends cut off, members of archives changed behind a right checksum, names
that promise something else. The same seed and number give the same file."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    number: int
    name: str
    how: str
    content: bytes


def mutant(seed: int, number: int, originals: Mapping[str, bytes]) -> Mutant:
    """Number ``number``: the originals come in turn, so that each format has its share."""
    rng = random.Random(f"{seed}:{number}")
    names = sorted(originals)
    name = names[number % len(names)]
    content = originals[name]
    kinds = [*_ANY, *([_members] * 4 if content.startswith(b"PK") else [])]
    how = rng.choice(kinds)
    if how is _other_name:
        other = PurePosixPath(rng.choice(names)).suffix
        return Mutant(number=number, name=PurePosixPath(name).stem + other, how=how.__name__[1:], content=content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = how(rng, content)
    return Mutant(number=number, name=name, how=how.__name__[1:], content=content)


def _flips(rng: random.Random, content: bytes) -> bytes:
    """A few bytes become others, anywhere or in the head, where the structure is."""
    changed = bytearray(content)
    reach = len(changed) if rng.random() < 0.7 else min(len(changed), 512)
    for _ in range(rng.choice((1, 3, 10, 60))):
        if reach:
            changed[rng.randrange(reach)] = rng.choice((rng.randrange(256), 0, 255, 0x7F))
    return bytes(changed)


def _truncation(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _cut(rng: random.Random, content: bytes) -> bytes:
    """A piece is missing in the middle: a block that was never written."""
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice((1, 16, 512, 4096)) :]


def _zeros(rng: random.Random, content: bytes) -> bytes:
    """A block of zeros, as a file system leaves it after a crash."""
    start, length = rng.randrange(len(content) + 1), rng.choice((16, 512, 4096))
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def _repeated(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    piece = content[start : start + rng.choice((4, 64, 1024))]
    return content[:start] + piece * rng.choice((2, 10, 200)) + content[start:]


def _other_name(rng: random.Random, content: bytes) -> bytes:
    raise NotImplementedError  # only the name changes


def _members(rng: random.Random, content: bytes) -> bytes:
    """One member is broken, emptied, dropped or doubled; the archive around it is whole."""
    try:
        given = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        return content
    out = io.BytesIO()
    chosen, what = rng.choice(given.namelist() or [""]), rng.choice((_flips, _flips, _cut, _repeated, None, "empty"))
    with given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in dict.fromkeys(given.namelist()):
            body = given.read(name)
            if name == chosen:
                if what is None:
                    continue
                body = b"" if isinstance(what, str) else what(rng, body)
            made.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), body)
    return out.getvalue()


_ANY: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_flips, _flips, _flips, _truncation, _truncation),
    *(_cut, _zeros, _repeated, _other_name),
)
