"""Webhooks: calls from outside that say "look now", and how they prove that they come from the source's own system.

What a call says besides is not read: whoever makes it can cause a look and nothing else (R6).
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers

PREFIX = "/v1/hooks/"

_SIGNED = (
    ("x-hub-signature-256", "sha256="),  # GitHub, Gitea, Forgejo
    ("x-hub-signature", "sha256="),  # Confluence Data Center; that of GitHub is of SHA-1 and proves nothing
    ("x-gitea-signature", ""),
    ("x-forgejo-signature", ""),
)
"""Headers that hold the HMAC-SHA256 of the body under the secret, in hexadecimal, and what stands before it."""

_SENT = (("x-gitlab-token", ""), ("authorization", "bearer "))
"""Headers that hold the secret itself."""


def is_hook(path: str) -> bool:
    """Whether it is a webhook's, which proves by itself who calls and takes no token."""
    return path.startswith(PREFIX)


def proves(secret: str, headers: Headers, body: bytes) -> bool:
    """Whether who made the call knows the secret. One proof is enough, whatever else it brings."""
    key = secret.encode("utf-8", "surrogateescape")
    digest = hmac.new(key, body, "sha256").hexdigest().encode("ascii")
    found = [hmac.compare_digest(value.lower(), digest) for value in _values(headers, _SIGNED)]
    found += [hmac.compare_digest(value, key) for value in _values(headers, _SENT)]
    return any(found)


def _values(headers: Headers, forms: tuple[tuple[str, str], ...]) -> list[bytes]:
    """What these headers hold behind their beginnings, as the bytes that were sent."""
    return [
        value[len(begins) :].encode("latin-1")
        for name, begins in forms
        for value in headers.getlist(name)
        if value[: len(begins)].lower() == begins
    ]
