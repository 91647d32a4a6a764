"""Calls from outside that say "look now": whose are believed, and how often they are heeded.

A call is a hint (R6). What it leads to is the look that the schedule would have begun, so that one too many, or an old
one that is sent again, costs a question to the source, and one that never came a wait for the schedule.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping

from connectors.errors import AuthRejected
from connectors.secrets import Secret, read_secret
from ingestor import log

LEAST_S = 2.0
"""Between two looks at a source that calls lead to. Calls that come meanwhile are one look after it."""

SECRET = "webhook_secret"  # noqa: S105  # the name of the setting

_log = log.get()


class Hooks:
    """Those of one service. ``call`` may come from any thread, ``catch_up`` is for the supervision."""

    def __init__(
        self,
        *,
        secrets_of: Callable[[], Mapping[str, Secret]],
        look: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``secrets_of``: where those of the sources stand now. ``look`` asks for a run that nobody waits for; False
        where nobody looks after the source just now."""
        self._secrets_of = secrets_of
        self._look = look
        self._clock = clock
        self._nobodys = secrets.token_hex(32)
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}  # when the next look may be, by source
        self._due: set[str] = set()

    def call(self, source: str, proven: Callable[[str], bool], /) -> bool:
        """Look at the source soon where ``proven`` finds that the call knows this secret. False where it does not, and
        where there is no such source or it has none: who calls is not told which."""
        secret, why = self._secret(source)
        known = proven(secret or self._nobodys)  # asked in any case: the time that it takes tells little
        if not secret or not known:
            _log.warning("hook_refused", source=source if secret else "", reason=why or "it does not prove its secret")
            return False
        self._heed(source)
        return True

    def catch_up(self) -> None:
        """The looks that calls asked for too soon after another one."""
        with self._lock:
            now = self._clock()
            due = [source for source in self._due if now >= self._next[source]]
            self._due.difference_update(due)
            self._next.update(dict.fromkeys(due, now + LEAST_S))
        for source in due:
            self._begin(source)

    def _heed(self, source: str) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next.get(source, now):
                self._due.add(source)
                return
            self._next[source] = now + LEAST_S
        self._begin(source)

    def _begin(self, source: str) -> None:
        # A source that is paused is let alone; when it is resumed it is looked at anyway.
        if self._look(source):
            _log.info("hook_taken", source=source)

    def _secret(self, source: str) -> tuple[str, str]:
        """The secret of a source, or why there is none."""
        place = self._secrets_of().get(source)
        if place is None:
            return "", "no source of that name has a webhook_secret"
        try:
            return read_secret(place, SECRET), ""
        except AuthRejected as error:
            return "", str(error)
