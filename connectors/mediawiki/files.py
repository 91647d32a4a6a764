"""The files of a wiki: whether they may be had, and their bytes.

They do not come through the API: a private wiki hands them out by a script that knows no bot passwords, a large one by
another host.
"""

from __future__ import annotations

import hashlib
import threading
import time

from connectors.mediawiki.api import Api
from connectors.mediawiki.config import WikiConfig
from connectors.web.client import TooLarge

_BELIEVED_S = 3600.0


class Files:
    """Any number of threads."""

    def __init__(self, api: Api, config: WikiConfig) -> None:
        self._api = api
        self._config = config
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._shut = ""

    def refused(self, url: str) -> str:
        """Why a file at this address would not be had, as a sentence; empty when it would."""
        if reason := self._api.web.may_ask(url):
            return reason
        # A bot password is good for the API; whether for files as well is found out with the first of them.
        if "@" not in self._config.login.username or not self._config.login.password:
            return ""
        with self._lock:
            if time.monotonic() - self._tried_at >= _BELIEVED_S:
                self._shut = self._try(url)
                self._tried_at = time.monotonic()
            return self._shut

    def read(self, url: str, sha1: str) -> bytes | int:
        """The file's bytes, or the status that stands for it; 0 where something else came. Raises ``TooLarge``."""
        reply = self._api.web.get(url, most=self._config.max_size)
        if reply.status != 200:
            return reply.status
        return reply.content if hashlib.sha1(reply.content, usedforsecurity=False).hexdigest() == sha1 else 0

    def _try(self, url: str) -> str:
        try:
            status = self._api.web.get(url, most=1).status
        except TooLarge:
            return ""
        if status in {401, 403}:
            return (
                "This wiki gives files to nobody who logs in with a bot password: log in with an account or a token, or"
                " set files = false."
            )
        return ""
