"""Tags and authors as they are kept: tidy, so that two ways to write one are one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import normalize

# Names, not texts; and no document is about more than these.
_LONGEST = 200
_MOST = 200
_JOINERS = "\u200c\u200d"  # which scripts need


def tidy(tags: Iterable[str]) -> tuple[str, ...]:
    """Each once, as it is written first, in the order of ``fold``. What is empty or too long for a name is left out."""
    kept: dict[str, str] = {}
    for written in tags:
        tag = one_line(written)
        if tag and len(tag) <= _LONGEST and len(kept) < _MOST:
            kept.setdefault(fold(tag), tag)
    return tuple(kept[folded] for folded in sorted(kept))


def fold(tag: str) -> str:
    """What is equal for two tags that a person takes for one: without case, in one form of Unicode."""
    return normalize("NFC", normalize("NFC", one_line(tag)).casefold())


def tidy_author(author: str | None) -> str:
    """Empty where nobody is named."""
    return one_line(author or "")[:_LONGEST]


def one_line(text: str) -> str:
    """Without line ends, control characters and half characters, which no database takes; gaps are one space."""
    return " ".join("".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in text).split())
