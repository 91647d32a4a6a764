"""Who asks over HTTP, and what that lets him see and do. Every listener and every operation decides by this.

Whoever reaches the Unix socket is the owner of the state folder. On a port a token says who asks; without one, where
that is allowed at all, it is a reader of what is public. What a request says of principals can only narrow this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.tokens import Role, Token, Tokens
from ingestor.web.sessions import Sessions

SCOPE_KEY = "ingestor.caller"
"""Where a listener puts the caller into the ASGI scope. An application that finds none there fails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """``principals`` None reads everything. ``key`` tells callers apart for limits and logs, and is no secret."""

    key: str
    principals: frozenset[str] | None
    role: Role

    def reads_as(self, asked: Sequence[str] | None = None) -> tuple[str, ...] | None:
        """The principals that a request reads with. Nobody gets more by asking for more."""
        if asked is None or self.principals is None:
            own = self.principals if asked is None else frozenset(asked)
            return None if own is None else tuple(sorted(own))
        return tuple(sorted(self.principals & frozenset(asked)))


OWNER = Caller(key="owner", principals=None, role=Role.OPERATOR)
ANYBODY = Caller(key="anybody", principals=frozenset({"public"}), role=Role.READER)


class Refused(Exception):
    """The credentials are no caller's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """``without``: who asks where no token is given; None where one has to be. ``sessions`` are for the status page
    alone: a browser sends its cookie whoever makes it ask, so that nothing else goes by it."""

    tokens: Tokens
    without: Caller | None
    sessions: Sessions | None = None

    def caller(self, authorization: Sequence[str]) -> Caller:
        """Of the values of the header of that name. Raises ``Refused``."""
        if not authorization:
            if self.without is None:
                raise Refused
            return self.without
        scheme, _, text = authorization[0].partition(" ")
        if len(authorization) > 1 or scheme.lower() != "bearer":
            raise Refused
        token = self.tokens.find(text.strip())
        if token is None:
            raise Refused
        return _caller(token)

    def visitor(self, session: str) -> Caller | None:
        """Who looks at the status page, by the value of his cookie; None where he has to log in first."""
        token = self.sessions.token(session) if self.sessions is not None and session else None
        return self.without if token is None else _caller(token)


def _caller(token: Token) -> Caller:
    principals = None if token.principals is None else frozenset(token.principals)
    return Caller(key=token.id, principals=principals, role=token.role)
