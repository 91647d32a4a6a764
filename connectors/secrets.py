"""Where secrets stand and how they are read: settings name them and never hold them.

A secret is named by one of three keys: ``WHAT_file`` (a file), ``WHAT_env`` (a variable of the environment),
``WHAT_credential`` (a credential of systemd). It is read each time that it is used, so that a new one needs no restart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import AuthRejected
from connectors.settings import text

_MOST = 64 * 1024
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """Where a secret stands; at most one of the three."""

    file: str = ""
    env: str = ""
    credential: str = ""

    def __bool__(self) -> bool:
        return bool(self.file or self.env or self.credential)


NO_SECRET = Secret()


def secret(
    what: str,
    settings: Mapping[str, object],
    problems: list[str],
    *,
    kinds: tuple[str, ...] = ("file", "env", "credential"),
) -> Secret:
    """The secret that the keys of ``what`` name; what is wrong with them goes to ``problems``."""
    given = {kind: text(f"{what}_{kind}", settings, problems) for kind in kinds}
    keys = [f"{what}_{kind}" for kind, value in given.items() if value]
    if len(keys) > 1:
        problems.append(f"{' and '.join(keys)} exclude each other; keep one")
    if given.get("env") and not _NAME.fullmatch(given["env"]):
        problems.append(f"{what}_env must be the name of a variable, not its value")
        return NO_SECRET
    if "/" in given["credential"] or given["credential"].startswith("."):
        problems.append(f"{what}_credential must be the name of a credential of systemd, not a path")
    return Secret(**given)


def secret_path(secret: Secret, what: str) -> Path:
    """The file that holds it. Raises ``AuthRejected``."""
    if secret.file:
        return Path(secret.file)
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise AuthRejected(
            f"There are no credentials of systemd here, so {what}_credential names nothing.",
            hint=f"Start the service by systemd with LoadCredential={secret.credential}:FILE, or use {what}_file.",
        )
    return Path(folder) / secret.credential


def values_of(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Every secret that settings name and that can be read now: what must not stand in an answer."""
    found = []
    for key, value in settings.items():
        what, _, kind = key.rpartition("_")
        if not what or kind not in {"file", "env", "credential"} or not isinstance(value, str) or not value:
            continue
        try:
            found.append(read_secret(Secret(**{kind: value}), what))
        except AuthRejected:
            continue  # none, or no secret of one line: nobody has it either
    return tuple(found)


def read_secret(secret: Secret, what: str) -> str:
    """Its value, without the line's end. Raises ``AuthRejected``; no message says what it is."""
    if secret.env:
        value = os.environ.get(secret.env, "")
        where = f"The variable {secret.env}"
    else:
        path = secret_path(secret, what)
        where = f"The file {path}"
        try:
            with path.open("rb") as file:
                value = file.read(_MOST).decode("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise AuthRejected(
                f"{where} cannot be read: {why}.", hint="Give this service's account read access to it."
            ) from error
    if not value.strip() or "\n" in value or "\0" in value:
        raise AuthRejected(f"{where} does not hold a {what} in one line.", hint="Write it there, and nothing else.")
    return value
