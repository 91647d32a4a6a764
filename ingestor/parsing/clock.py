"""The clock of a document, from inside its worker: what the parent is told while there is no answer yet.

The parent keeps the clock. It takes each mark so often and no more, so that a document which has taken its worker over
gains nothing by sending them; each also allows so much processor time anew. Outside a worker nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

STRETCH = 500
"""Pages of text that count as one step: dense ones take a second of processor time, on a busy machine twenty."""


class Mark(Enum):
    """No answer yet, but a word to the clock. Never the beginning of an answer, which is an object in JSON."""

    LOADING = b"loading"
    """The libraries of a format begin to load."""
    BEGUN = b"begun"
    """They have: the document's own time begins."""
    PICTURE = b"picture"
    """A page that OCR reads begins."""
    STRETCH = b"stretch"
    """So many pages of text were read."""


@dataclass(slots=True)
class _Process:
    """Whom this process tells, and of how many stretches of a document: set once, as its other limits are."""

    tell: Callable[[Mark], None] = field(default=lambda _: None)
    stretches: int = 0


_process = _Process()


def prepare(tell: Callable[[Mark], None], *, stretches: int) -> None:
    _process.tell, _process.stretches = tell, stretches


@contextmanager
def loading() -> Iterator[None]:
    """Around what the program needs before it can read a document of this kind: that is not the document's time."""
    _process.tell(Mark.LOADING)
    yield
    _process.tell(Mark.BEGUN)


def picture_begins() -> None:
    """A page that OCR reads."""
    _process.tell(Mark.PICTURE)


def page_begins(index: int) -> None:
    """A page of text, from 0. A long document takes longer than a short one, and is none the worse for it; what is
    beyond the last stretch has to do with the time that is left."""
    stretch, rest = divmod(index, STRETCH)
    if rest == 0 and 0 < stretch <= _process.stretches:
        _process.tell(Mark.STRETCH)
