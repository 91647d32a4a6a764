"""Whether the loops live. A loop shows it at every safe point, where it asks whether it should stop: there is no other
sign of life that a frozen loop could not give, and none that long but honest work could forget.

A loop that is inside a source waits for somebody else. A share that does not answer holds up its own documents, and to
start the whole service anew would neither wake the share nor help the other sources: such silence is told, and never
counts as frozen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.base import Change, Checkpoint, Fetched, ItemId, ItemRef, Scope

PATIENCE_S = 300.0
"""Above what honest work takes between two safe points: the longest is one call of the index host, 120 s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """A loop that has not been heard of for ``seconds``; ``outside``: it waits for its source."""

    loop: str
    seconds: float
    outside: bool


class Life:
    """The last sign of each loop. Called from all of them; a sign is two assignments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._signs: dict[str, float] = {}
        self._outside: set[str] = set()

    def sign(self, loop: str) -> None:
        """The loop lives, here and now."""
        with self._lock:
            self._signs[loop] = self._clock()

    def asking(self, loop: str, stop: Callable[[], bool]) -> Callable[[], bool]:
        """``stop``, each question of which is a sign."""

        def asked() -> bool:
            self.sign(loop)
            return stop()

        return asked

    def turns(self, loop: str, *, outside: bool) -> None:
        """The loop goes into its source, or comes back from it: a sign in itself."""
        with self._lock:
            self._signs[loop] = self._clock()
            (self._outside.add if outside else self._outside.discard)(loop)

    def ended(self, loop: str) -> None:
        """The loop ended as it should; its silence means nothing any more."""
        with self._lock:
            self._signs.pop(loop, None)
            self._outside.discard(loop)

    def silences(self, patience_s: float) -> list[Silence]:
        """Loops that were not heard of for longer than that, the longest first."""
        now = self._clock()
        with self._lock:
            found = [
                Silence(loop=loop, seconds=now - at, outside=loop in self._outside)
                for loop, at in self._signs.items()
                if now - at > patience_s
            ]
        return sorted(found, key=lambda silence: -silence.seconds)


class Outside:
    """A source, each question to which is marked as time that is not the loop's own."""

    def __init__(self, source: Any, life: Life, loop: str) -> None:
        self._source = source
        self._life = life
        self._loop = loop

    def identity(self) -> str:
        return str(self._marked(self._source.identity))

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        listing = iter(self._source.list(scope, cursor))
        while True:
            change = self._marked(next, listing, None)
            if change is None:
                return
            yield change

    def fetch(self, ref: ItemRef) -> Fetched:
        fetched: Fetched = self._marked(self._source.fetch, ref)
        return fetched

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        found: ItemRef | None = self._marked(self._source.lookup, item_id)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def _marked(self, question: Callable[..., Any], *arguments: Any) -> Any:
        self._life.turns(self._loop, outside=True)
        try:
            return question(*arguments)
        finally:
            self._life.turns(self._loop, outside=False)
