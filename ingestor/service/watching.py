"""Watchers under supervision: one a source, replaced when it no longer hears its source (R6)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from connectors.base import Hint, Source, Watcher
from connectors.errors import SourceUnavailable
from ingestor import log

SUPERVISE_S = 2.0
_RETRY_MOST_S = 60.0

_log = log.get()


class Watch:
    """Keeps one source watched. ``scan`` is called after each arming: what happened before is in the scan,
    what happens after is hinted, and nothing falls between."""

    def __init__(self, source: Source, *, hint: Callable[[Hint], None], scan: Callable[[], None]) -> None:
        self._source = source
        self._hint = hint
        self._scan = scan
        self._watcher: Watcher | None = None
        self._wait_s = 0.0
        self._lock = threading.Lock()
        self._closed = False

    def arm(self) -> bool:
        """Start watching; True when armed or when there is nothing to watch."""
        with self._lock:
            if self._closed:
                return True
            watcher = self._source.watcher()
            if watcher is None:
                return True  # no events worth having here: the schedule does it alone
            try:
                watcher.start(self._hint)
            except SourceUnavailable as error:
                watcher.stop()
                self._wait_s = min(_RETRY_MOST_S, max(SUPERVISE_S, self._wait_s * 2))
                _log.warning("watch_not_armed", source=self._source.name, error=str(error))
                return False
            self._watcher, self._wait_s = watcher, 0.0
        return True

    def supervise(self, since_last_s: float) -> None:
        """Called every few seconds: replace a watcher that died, arm one that could not be armed."""
        if self._watcher is not None and self._watcher.alive():
            return
        if self._watcher is not None:
            _log.warning("watch_lost", source=self._source.name)
            self._drop()
        elif self._wait_s > 0:
            self._wait_s -= since_last_s
            if self._wait_s > 0:
                return
        else:
            return  # nothing to watch
        if self.arm():
            self._scan()

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._drop()

    def _drop(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
