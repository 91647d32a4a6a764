"""Fits texts into what a model reads. Pure; the tokenizer is given as a function.

A model cuts what is longer than it reads, in silence. So a long text is embedded in windows of about
equal length that end at white space, and the windows' vectors are pooled by their lengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_LONGEST_WORD = 90
_UNBROKEN = re.compile(rf"\w{{{_LONGEST_WORD}}}(?=\w)")

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens the model makes of each text, its own marks left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A piece of the text at ``place`` of the list, and its length in tokens."""

    place: int
    text: str
    tokens: int


def readable(text: str) -> str:
    """The text as a tokenizer can take it in whole.

    A word of more than 100 characters is one unknown token to a WordPiece tokenizer, whatever it says
    (scripts without spaces, base64): such runs are broken. Lone surrogates are replaced.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return _UNBROKEN.sub(r"\g<0> ", text)


def windows(texts: Sequence[str], count: CountTokens, limit: int) -> list[Window]:
    """At least one window for each text, none longer than ``limit`` tokens, in order."""
    done: list[tuple[int, Window]] = []
    pending = [(place, 0, text) for place, text in enumerate(texts)]
    while pending:
        lengths = count([text for _, _, text in pending])
        rest: list[tuple[int, int, str]] = []
        for (place, start, text), tokens in zip(pending, lengths, strict=True):
            if tokens <= limit or len(text) < 2:
                done.append((start, Window(place=place, text=text, tokens=tokens)))
            else:
                # One window more than the tokens ask for, since the pieces will not be equal.
                rest += [(place, start + offset, piece) for offset, piece in _pieces(text, tokens // limit + 1)]
        pending = rest
    return [window for _, window in sorted(done, key=lambda entry: (entry[1].place, entry[0]))]


def _pieces(text: str, parts: int) -> list[tuple[int, str]]:
    """Cut into about ``parts`` pieces, at the white space nearest to where equal pieces would end; each with
    where it was cut."""
    parts = min(max(parts, 2), len(text))
    size = len(text) / parts
    reach = max(1, int(size / 4))
    cuts = [0]
    for part in range(1, parts):
        goal = int(size * part)
        cuts.append(max(cuts[-1] + 1, _space_near(text, goal, reach)))
    cuts.append(len(text))
    pieces = [(start, text[start:end].strip()) for start, end in pairwise(cuts)]
    return [(start, piece) for start, piece in pieces if piece]


def _space_near(text: str, goal: int, reach: int) -> int:
    for step in range(reach):
        for place in (goal - step, goal + step):
            if 0 < place < len(text) and text[place].isspace():
                return place
    return goal
