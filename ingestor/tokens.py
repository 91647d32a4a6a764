"""Bearer tokens of the HTTP API: who may ask from outside of this account, and as whom.

They stand in ``tokens.json`` of the state folder, apart from the ledger: a token is made and revoked without the
writer, its revocation holds for the very next request, and no backup brings a revoked one back. A token is 256 random
bits, so a plain digest of it is enough: there is nothing to guess.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from ingestor.errors import LedgerError, UnknownId, UserError

_FILE = "tokens.json"
_PREFIX = "ingestor"  # what finds leaked secrets in texts goes by such a beginning


class Role(StrEnum):
    """A reader searches and reads. An operator may also see how sources fare and set them to work: he is told names
    of sources and items whoever may read them, and no content."""

    READER = "reader"
    OPERATOR = "operator"


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """``principals`` None reads everything. ``digest`` is all that is known of the secret."""

    id: str
    name: str
    digest: str
    principals: tuple[str, ...] | None
    role: Role
    created_at: float
    expires_at: float | None = None


class Tokens:
    """Those of one state folder, which need not have any. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._seen: tuple[object, Sequence[Token]] = (None, ())

    def all(self) -> Sequence[Token]:
        """Those that are not revoked, expired ones too, oldest first. Raises ``LedgerError``."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return ()
        # The file is never written in place, so another content is another inode or another time.
        mark = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        seen, tokens = self._seen
        if seen != mark:
            tokens = self._read()
            self._seen = (mark, tokens)
        return tokens

    def add(self, name: str, principals: Sequence[str] | None, role: Role, *, days: int | None = None) -> str:
        """The new token, which can be read here and never again. Raises ``UserError``."""
        with self._changing() as tokens:
            if any(token.name == name for token in tokens):
                raise UserError(f"There is already a token named {name!r}.", hint="Revoke it first, or name another.")
            key, secret, now = secrets.token_hex(4), secrets.token_urlsafe(32), time.time()
            tokens.append(
                Token(
                    id=key,
                    name=name,
                    digest=_digest(secret),
                    principals=None if principals is None else tuple(sorted(set(principals))),
                    role=role,
                    created_at=now,
                    expires_at=None if days is None else now + days * 86_400.0,
                )
            )
        return f"{_PREFIX}_{key}_{secret}"

    def revoke(self, which: str) -> Token:
        """By name or id. Raises ``UnknownId``."""
        unknown = UnknownId(f"There is no token {which!r}.", hint="`ingestor token list` shows them.")
        if not self.all():
            raise unknown  # there need not even be a folder
        with self._changing() as tokens:
            found = next((token for token in tokens if which in {token.name, token.id}), None)
            if found is None:
                raise unknown
            tokens.remove(found)
        return found

    def find(self, text: str) -> Token | None:
        """Whose token this is; None where it is nobody's, revoked or expired."""
        prefix, _, rest = text.partition("_")
        key, _, secret = rest.partition("_")
        digest = _digest(secret)
        token = self.live(key) if prefix == _PREFIX else None
        return token if token is not None and hmac.compare_digest(token.digest, digest) else None

    def live(self, key: str) -> Token | None:
        """The token of this id, while it is neither revoked nor expired."""
        token = next((token for token in self.all() if token.id == key), None)
        return token if token is None or token.expires_at is None or time.time() < token.expires_at else None

    # -- the file ------------------------------------------------------------------------------------------

    def _read(self) -> Sequence[Token]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))["tokens"]
            return tuple(
                Token(
                    **{
                        **row,
                        "role": Role(row["role"]),
                        "principals": None if row["principals"] is None else tuple(row["principals"]),
                    }
                )
                for row in rows
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            # Nobody is let in by a file that cannot be read.
            raise LedgerError(
                f"The tokens in {self._path} cannot be read.", hint="Remove the file and make new ones."
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The tokens to change; written whole, and by one process at a time."""
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = list(self.all())
            yield tokens
            fresh = self._path.with_suffix(".new")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"tokens": [asdict(token) for token in tokens]}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        finally:
            os.close(lock)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
