"""What can go wrong between us and a source, by who has to act.

::

    ConnectorError
    ├── SourceUnavailable      the whole source cannot be asked now; transient, retried on schedule
    │   ├── AuthRejected       the source refuses our credentials; waits for a person
    │   └── RateLimited        the source asks us to wait ``retry_after`` seconds
    ├── ListingIncomplete      a listing broke off; what it yielded holds, absence proves nothing
    ├── ItemUnreadable         the item exists but cannot be read: never a delete
    └── ItemVanished           the item was gone when we came to read it: not yet a delete

Every error carries the operation, the place and a hint what to do. The messages are whole sentences
for a person; they never hold content or secrets.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of every error that a connector raises on purpose."""

    def __init__(self, message: str, *, place: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place and self.place not in self.message else ""
        return f"{self.message}{where}"


class SourceUnavailable(ConnectorError):
    """The source cannot be asked now. Nothing can be said about any of its items."""


class AuthRejected(SourceUnavailable):
    """The source refuses our credentials. Nothing can be said about any of its items."""


class RateLimited(SourceUnavailable):
    """The source asks us to wait."""

    def __init__(self, message: str, *, retry_after: float, place: str = "", hint: str = "") -> None:
        super().__init__(message, place=place, hint=hint)
        self.retry_after = retry_after


class ListingIncomplete(ConnectorError):
    """A listing broke off. What it yielded so far holds; absence from it proves nothing."""


class ItemUnreadable(ConnectorError):
    """The item exists, or may exist, but cannot be read. Never a delete. ``hides``: because the source does not let us
    any more, so that nobody is shown what was read of it until it does."""

    def __init__(self, message: str, *, place: str = "", hint: str = "", hides: bool = False) -> None:
        super().__init__(message, place=place, hint=hint)
        self.hides = hides


class ItemVanished(ConnectorError):
    """The item was gone when its content was read. Only a later listing may call it deleted."""
