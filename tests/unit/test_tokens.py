"""Bearer tokens: made once, known by a digest, gone when revoked."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from ingestor.errors import LedgerError, UnknownId, UserError
from ingestor.tokens import Role, Tokens


def test_a_token_is_found_by_its_text_alone(tmp_path: Path) -> None:
    """With what it reads as and its role; any other text is nobody's."""
    tokens = Tokens(tmp_path)
    text = tokens.add("bot", ["group:staff", "public", "public"], Role.READER)
    found = tokens.find(text)
    assert found is not None
    assert (found.name, found.principals, found.role) == ("bot", ("group:staff", "public"), Role.READER)
    secret = text.rpartition("_")[2]
    for wrong in ("", text[:-1], text + "x", text.upper(), secret, f"ingestor_{found.id}_", found.digest, f"x{text}"):
        assert tokens.find(wrong) is None
    assert tokens.find(f"ingestor_{found.id}_{found.digest}") is None


def test_the_secret_is_kept_nowhere(tmp_path: Path) -> None:
    """The file holds a digest, for its owner only."""
    secret = Tokens(tmp_path).add("bot", None, Role.OPERATOR).split("_", 2)[2]
    for path in tmp_path.iterdir():
        assert secret not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_another_process_does_holds_at_once(tmp_path: Path) -> None:
    """A token made or revoked elsewhere is noticed by the next request."""
    service, command = Tokens(tmp_path), Tokens(tmp_path)
    assert service.all() == ()
    text = command.add("bot", None, Role.READER)
    assert service.find(text) is not None
    assert command.revoke("bot").name == "bot"
    assert service.find(text) is None
    other = command.add("bot", None, Role.READER)
    command.revoke(other.split("_")[1])
    assert service.find(other) is None


def test_a_token_may_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, after so many days."""
    tokens = Tokens(tmp_path)
    text = tokens.add("bot", None, Role.READER, days=1)
    assert tokens.find(text) is not None
    now = time.time()
    monkeypatch.setattr("ingestor.tokens.time.time", lambda: now + 86_401)
    assert tokens.find(text) is None
    assert len(tokens.all()) == 1


def test_names_are_unique_and_known(tmp_path: Path) -> None:
    """Two of one name could not be told apart; what is not there cannot be revoked."""
    with pytest.raises(UnknownId):
        Tokens(tmp_path / "nowhere").revoke("bot")
    tokens = Tokens(tmp_path)
    tokens.add("bot", None, Role.READER)
    with pytest.raises(UserError, match="already a token"):
        tokens.add("bot", None, Role.READER)
    with pytest.raises(UnknownId):
        tokens.revoke("other")
    assert len(tokens.all()) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tokens": [{}]}', '{"tokens": 3}', "\xff"])
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    """And says what to do."""
    (tmp_path / "tokens.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(LedgerError, match="cannot be read"):
        Tokens(tmp_path).find("ingestor_x_y")


def test_two_who_change_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each writes the file whole."""
    threads = [threading.Thread(target=Tokens(tmp_path).add, args=(f"t{n}", None, Role.READER)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in Tokens(tmp_path).all()} == {f"t{n}" for n in range(8)}
    assert sorted(os.listdir(tmp_path)) == ["tokens.json", "tokens.lock"]
