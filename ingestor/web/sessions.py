"""Logins of the status page: what a browser holds instead of a token, and what makes a form its own.

A session lives in memory and leads to a token by its id, so it ends with the token, after half a day, or with the
service. Its value is random and no token: who finds one in a browser has a page for some hours, and nothing elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from ingestor.tokens import Token, Tokens

LIFE_S = 12 * 3_600.0

_MOST = 1_000  # the oldest ends first; each took a valid token


@dataclass(kw_only=True, slots=True)
class _Session:
    """Not frozen: a notice waits for the next page and is shown once."""

    token_id: str
    until: float
    notice: str = ""


class Sessions:
    """Those of one service. Threads may share it."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, token: str) -> str | None:
        """The value of a new session of whose token this is; None where it is nobody's. Raises ``LedgerError``."""
        found = self._tokens.find(token)
        if found is None:
            return None
        value = fresh_value()
        with self._lock:
            self._open[_digest(value)] = _Session(token_id=found.id, until=time.time() + LIFE_S)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return value

    def end(self, value: str) -> None:
        with self._lock:
            self._open.pop(_digest(value), None)

    def token(self, value: str) -> Token | None:
        """Whose session this is, as the token is now. Raises ``LedgerError``."""
        with self._lock:
            session = self._open.get(_digest(value))
        if session is None:
            return None
        token = self._tokens.live(session.token_id) if time.time() < session.until else None
        if token is None:
            self.end(value)
        return token

    def mark(self, value: str) -> str:
        """What each form of the browser that holds ``value`` carries; nobody else can tell it (CSRF)."""
        return hmac.new(self._key, value.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def is_marked(self, value: str, mark: str) -> bool:
        return hmac.compare_digest(self.mark(value).encode(), mark.encode("utf-8", "surrogatepass"))

    def tell(self, value: str, notice: str) -> None:
        """Say this at the top of the next page."""
        with self._lock:
            if (session := self._open.get(_digest(value))) is not None:
                session.notice = notice

    def told(self, value: str) -> str:
        """What is to be said now, once."""
        with self._lock:
            session = self._open.get(_digest(value))
            if session is None:
                return ""
            notice, session.notice = session.notice, ""
            return notice


def fresh_value() -> str:
    return secrets.token_urlsafe(32)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
