"""Who asks a wiki: a user with a password, a token, or nobody in particular."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.secrets import NO_SECRET, Secret, read_secret, secret
from connectors.settings import text

KEYS = (
    *("username", "password_file", "password_env", "password_credential"),
    *("token_file", "token_env", "token_credential"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """At most one of both: ``username`` with ``password``, or ``token``."""

    username: str = ""
    password: Secret = NO_SECRET
    token: Secret = NO_SECRET

    def __bool__(self) -> bool:
        """Whether what is read may be more than everybody sees."""
        return bool(self.username or self.token)

    def headers(self) -> Mapping[str, str]:
        """Those that prove who we are with each request. Raises ``AuthRejected``."""
        return {"Authorization": f"Bearer {read_secret(self.token, 'token')}"} if self.token else {}

    def basic(self) -> Mapping[str, str]:
        """The same where a user proves with each request who they are. Raises ``AuthRejected``."""
        if not self.username:
            return self.headers()
        proof = f"{self.username}:{read_secret(self.password, 'password')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(proof).decode()}"}


NOBODY = Login()


def parse_login(settings: Mapping[str, object], problems: list[str], *, example: str) -> Login:
    """What ``KEYS`` say; ``example`` names how a user is called there."""
    login = Login(
        username=text("username", settings, problems),
        password=secret("password", settings, problems),
        token=secret("token", settings, problems),
    )
    if login.username and not login.password:
        problems.append("username needs password_file, the file that holds its password")
    if login.password and not login.username:
        problems.append(f"a password needs username: {example}")
    if login.token and (login.username or login.password):
        problems.append("a token and a password exclude each other; keep one")
    return login


def no_public_login(permissions: Sequence[str], login: Login, problems: list[str]) -> None:
    """R7: which of the pages that an account reads everybody may read as well, nobody can ask in one question."""
    if login and "public" in permissions:
        problems.append(
            "public and a login exclude each other, because a login may see more than everybody: name a group, or read"
            " without a login"
        )
