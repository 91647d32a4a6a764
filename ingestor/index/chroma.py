"""One generation of the vector index in Chroma, behind the ``VectorIndex`` port.

The host is started at the first call and again after it failed; what a failure means is decided by the
probe (``ingestor.index.probe``), not here. Calls come from any thread and are made one at a time; a
question overtakes the writes that wait, so that a search never stands behind a backfill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ingestor.errors import IndexFailure, IndexUnavailable
from ingestor.index.host import Host
from ingestor.index.place import Limits, Place
from ingestor.model import ChunkId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_ROWS = 5_000  # of the port; Chroma takes 5,461
_WRITE_ROWS = 250  # about 0.2 s of work: what a question may have to wait for
_READ_ROWS = 1_000


class ChromaIndex:
    """``before_open`` runs each time before the store is opened, ``on_failure`` after each failed call."""

    def __init__(
        self,
        place: Place,
        *,
        limits: Limits | None = None,
        before_open: Callable[[], None] = lambda: None,
        on_failure: Callable[[IndexFailure], None] = lambda _: None,
    ) -> None:
        self.place = place
        self._limits = limits or Limits()
        self._before_open = before_open
        self._on_failure = on_failure
        self._turns = _Turns()
        self._host: Host | None = None
        self._closed = False

    @property
    def host_pid(self) -> int | None:
        """The host's process id while it runs."""
        host = self._host
        return host.pid if host is not None else None

    @property
    def is_open(self) -> bool:
        """Whether the store is open now."""
        return self._host is not None

    def open(self) -> None:
        """Start the host and open the store, unless it is open."""
        with self._turns.turn(urgent=False):
            self._reported(self._opened)

    def upsert(
        self,
        ids: Sequence[ChunkId],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, str | int]],
        scope: str = "",
    ) -> None:
        _check_rows(ids)
        for part in _parts(len(ids), _WRITE_ROWS):
            rows = (list(ids[part]), vectors[part], list(texts[part]), [dict(values) for values in metadata[part]])
            self._ask("upsert", (*rows, scope), self._limits.write_s)

    def delete(self, ids: Sequence[ChunkId] | None, scope: str = "") -> None:
        if ids is None:
            if not scope:
                raise ValueError("The collection without a name stays.")
            self._ask("delete", (None, scope), self._limits.write_s)
            return
        _check_rows(ids)
        for part in _parts(len(ids), _READ_ROWS):
            self._ask("delete", (list(ids[part]), scope), self._limits.write_s)

    def get(
        self, ids: Sequence[ChunkId], scope: str = ""
    ) -> Mapping[ChunkId, tuple[NDArray[np.float32], str, Mapping[str, str | int]]]:
        _check_rows(ids)
        found: dict[ChunkId, tuple[NDArray[np.float32], str, Mapping[str, str | int]]] = {}
        for part in _parts(len(ids), _READ_ROWS):
            for chunk_id, vector, text, metadata in self._ask("get", (list(ids[part]), scope), self._limits.read_s):
                found[ChunkId(chunk_id)] = (vector, text, metadata)
        return found

    def page(self, offset: int, limit: int, scope: str = "") -> Sequence[ChunkId]:
        return [ChunkId(chunk_id) for chunk_id in self._ask("page", (offset, limit, scope), self._limits.read_s)]

    def count(self, scope: str = "") -> int:
        return int(self._ask("count", (scope,), self._limits.read_s))

    def scopes(self) -> Collection[str]:
        return list(self._ask("scopes", (), self._limits.read_s))

    def query(self, vector: NDArray[np.float32], n: int, scopes: Collection[str] = ()) -> Mapping[ChunkId, float]:
        if n < 1:
            return {}
        answer = self._ask("query", (vector, min(n, MOST_ROWS), list(scopes)), self._limits.read_s, urgent=True)
        return {ChunkId(chunk_id): 1.0 - distance for chunk_id, distance in answer.items()}

    def publish(self, public: str, scopes: Collection[str]) -> None:
        """Give the collection on its server the name ``public``, and that of each scope its own, with the scope's name
        behind it; they are made where they are not there. Another of ours that has one gets its own back."""
        self._ask("publish", (public, list(scopes)), self._limits.write_s)

    def drop(self) -> None:
        """Remove the generation's collections from its server, and close."""
        self._ask("drop", (), self._limits.write_s)
        self.close()

    def close(self) -> None:
        """Close the store cleanly and end the host; safe to call twice."""
        self.close_clean()

    def close_clean(self) -> bool:
        """Close; true when the store was open and nothing went wrong, so that its files are at rest."""
        self._closed = True
        if not self._turns.take(urgent=True, timeout=self._limits.close_s):
            # A call hangs in the host. Its thread gets `IndexWrecked` or `IndexUnavailable` now.
            if (host := self._host) is not None:
                host.interrupt()
            return False
        try:
            host, self._host = self._host, None
            return host.stop() if host is not None else False
        finally:
            self._turns.give()

    def _ask(self, operation: str, args: tuple[Any, ...], timeout: float, *, urgent: bool = False) -> Any:
        with self._turns.turn(urgent=urgent):
            return self._reported(lambda: self._opened().call(operation, args, timeout))

    def _opened(self) -> Host:
        if self._closed:
            raise IndexUnavailable(f"The vector index is closed ({self.place}).")
        if self._host is None:
            self._before_open()
            host = Host(self.place, self._limits)
            host.start()
            self._host = host
        return self._host

    def _reported(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except IndexFailure as error:
            # Whatever failed, the next call starts from an opening: nothing half-known is kept.
            host, self._host = self._host, None
            if host is not None:
                host.stop()
            self._on_failure(error)
            raise


class _Turns:
    """One caller at a time; the urgent ones first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._urgent = 0

    @contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        self.take(urgent=urgent, timeout=None)
        try:
            yield
        finally:
            self.give()

    def take(self, *, urgent: bool, timeout: float | None) -> bool:
        with self._changed:
            self._urgent += urgent
            try:
                free = self._changed.wait_for(lambda: not self._busy and (urgent or not self._urgent), timeout)
            finally:
                self._urgent -= urgent
            if free:
                self._busy = True
            else:
                self._changed.notify_all()
            return free

    def give(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()


def _check_rows(ids: Sequence[ChunkId]) -> None:
    if len(ids) > MOST_ROWS:
        raise ValueError(f"{len(ids)} rows in one call; the index takes {MOST_ROWS}.")


def _parts(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))
