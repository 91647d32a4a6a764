"""What proves that a webhook's call comes from who knows the secret, form by form."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from starlette.datastructures import Headers

from ingestor.web.hooks import is_hook, proves

SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
"""The example of GitHub's documentation ("Validating webhook deliveries"), and the signature that it gives for it."""
PUBLISHED = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SHA1 = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()


def headers(*given: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("utf-8")) for name, value in given])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Hub-Signature-256", f"sha256={PUBLISHED}"),  # GitHub, Gitea, Forgejo
        ("X-Hub-Signature", f"sha256={PUBLISHED}"),  # Confluence Data Center
        ("X-Hub-Signature", f"SHA256={PUBLISHED.upper()}"),
        ("X-Gitea-Signature", PUBLISHED),
        ("X-Forgejo-Signature", PUBLISHED),
        ("X-Gitlab-Token", SECRET),
        ("Authorization", f"Bearer {SECRET}"),
        ("Authorization", f"bearer {SECRET}"),
    ],
)
def test_each_system_proves_it_in_its_own_form(name: str, value: str) -> None:
    """By the header that its documentation names."""
    assert proves(SECRET, headers((name, value)), BODY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Hub-Signature-256", PUBLISHED),
        ("X-Hub-Signature-256", f"sha1={PUBLISHED}"),
        ("X-Hub-Signature-256", f"sha512={PUBLISHED}"),
        ("X-Hub-Signature-256", "sha256="),
        ("X-Hub-Signature-256", f"sha256={PUBLISHED[:-1]}"),
        ("X-Hub-Signature-256", f"sha256={PUBLISHED}0"),
        ("X-Hub-Signature-256", f"sha256={'0' * 64}"),
        ("X-Hub-Signature-256", f"sha256={hashlib.sha256(BODY).hexdigest()}"),
        ("X-Hub-Signature-256", "sha256=\u00fc"),
        ("X-Hub-Signature", f"sha1={SHA1}"),
        ("X-Gitea-Signature", f"sha256={PUBLISHED}"),
        ("X-Gitea-Signature", SECRET),
        ("X-Gitlab-Token", PUBLISHED),
        ("X-Gitlab-Token", ""),
        ("X-Gitlab-Token", SECRET.lower()),
        ("X-Gitlab-Token", f"{SECRET} "),
        ("Authorization", SECRET),
        ("Authorization", "Bearer "),
        ("Authorization", f"Basic {SECRET}"),
        ("Authorization", f"Secret {SECRET}"),
        ("X-Secret", SECRET),
    ],
)
def test_nothing_else_does(name: str, value: str) -> None:
    """Neither a signature of another kind or length nor the right one in the wrong place."""
    assert not proves(SECRET, headers((name, value)), BODY)


def test_a_signature_is_of_one_body_under_one_secret() -> None:
    """With another body, another secret or no header at all it proves nothing."""
    right = headers(("X-Hub-Signature-256", f"sha256={PUBLISHED}"))
    assert not proves(SECRET, right, BODY + b" ")
    assert not proves(SECRET, right, b"")
    assert not proves("another secret", right, BODY)
    assert not proves(SECRET, headers(), BODY)


def test_one_proof_is_enough() -> None:
    """GitHub signs each call with SHA-1 besides, which counts for nothing and hinders nothing."""
    both = [("X-Hub-Signature", f"sha1={SHA1}"), ("X-Hub-Signature-256", f"sha256={PUBLISHED}")]
    assert proves(SECRET, headers(*both), BODY)
    assert proves(SECRET, headers(*reversed(both)), BODY)


def test_a_secret_need_not_be_ascii() -> None:
    """It is compared as its bytes in UTF-8."""
    secret = "gr\u00fc\u00dfe \u20ac"
    digest = hmac.new(secret.encode(), BODY, "sha256").hexdigest()
    assert proves(secret, headers(("X-Hub-Signature-256", f"sha256={digest}")), BODY)
    assert proves(secret, headers(("X-Gitlab-Token", secret)), BODY)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/hooks/wiki", True),
        ("/v1/hooks/", True),
        ("/v1/hooks", False),
        ("/v1/sources", False),
        ("/V1/hooks/wiki", False),
        ("//v1/hooks/wiki", False),
        ("/", False),
    ],
)
def test_only_their_own_paths_take_no_token(path: str, expected: bool) -> None:
    """Everything beside them is asked for by a token as ever."""
    assert is_hook(path) is expected
