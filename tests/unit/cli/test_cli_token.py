"""``ingestor token``: made, listed, revoked."""

from __future__ import annotations

import json

import pytest
from scripted_backend import Invoke


def test_a_token_is_printed_once(invoke: Invoke) -> None:
    """It alone on stdout, for scripts; the list shows what it is for, and no secret."""
    made = invoke("token", "add", "bot", "--as", "group:staff,public", "--role", "operator", "--days", "3")
    token = made.out.strip()
    assert (made.code, token.split("_")[0], len(made.out.splitlines())) == (0, "ingestor", 1)
    for shown in (invoke("token", "list").out, listed := invoke("token", "list", "--json").out):
        assert token.split("_", 2)[2] not in shown
    (one,) = json.loads(listed)["tokens"]
    assert (one["name"], one["role"], one["principals"]) == ("bot", "operator", ["group:staff", "public"])
    assert "in 3 d" in invoke("token", "list").out
    assert invoke("token", "revoke", "bot").code == 0
    assert "There are no tokens" in invoke("token", "list").out
    assert invoke("token", "revoke", "bot").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("bot",),
        ("bot", "--as", "public", "--everything"),
        ("bot", "--as", "ana"),
        (" ", "--everything"),
        ("x" * 65, "--everything"),
    ],
)
def test_a_token_that_is_not_clear_is_refused(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    """Nobody reads everything by leaving something out."""
    assert invoke("token", "add", *arguments).code == 2
    assert "There are no tokens" in invoke("token", "list").out


def test_everything_has_to_be_said(invoke: Invoke) -> None:
    """And is shown."""
    assert invoke("token", "add", "bot", "--everything").code == 0
    assert "everything" in invoke("token", "list").out
