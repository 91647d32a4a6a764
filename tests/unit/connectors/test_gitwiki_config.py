"""The settings of a git source: what is taken, what is refused and why, and what never stands in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from connectors.gitwiki.config import Transport, parse_settings
from connectors.secrets import Secret
from connectors.settings import SettingsError

SSH: dict[str, Any] = {"ssh_key_file": "/k", "known_hosts_file": "/h"}


@pytest.mark.parametrize(
    ("given", "url", "transport"),
    [
        ("https://github.com/o/r.wiki.git", "https://github.com/o/r.wiki.git", Transport.HTTPS),
        ("http://127.0.0.1:3000/o/r.git", "http://127.0.0.1:3000/o/r.git", Transport.HTTP),
        ("file:///srv/git/w.git", "file:///srv/git/w.git", Transport.FILE),
        ("/srv/git/a b.git", None, None),
        ("/srv/git/w.git", "file:///srv/git/w.git", Transport.FILE),
        ("ssh://git@host:2222/o/r.git", "ssh://git@host:2222/o/r.git", Transport.SSH),
        ("git@github.com:o/r.wiki.git", "ssh://git@github.com/o/r.wiki.git", Transport.SSH),
    ],
)
def test_addresses(given: str, url: str | None, transport: Transport | None) -> None:
    """https, ssh in both its forms, and folders of this machine are taken; http of this machine only."""
    settings = {"url": given, **(SSH if transport is Transport.SSH else {})}
    if url is None:
        assert registry.check("gitwiki", "w", settings)
        return
    config = parse_settings("w", settings)
    assert (config.url, config.transport) == (url, transport)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["url is missing"]),
        ({"url": "https://me:secret@host/x.git"}, ["token_file"]),
        ({"url": "https://token@host/x.git"}, ["token_file"]),
        ({"url": "http://wiki.example/x.git"}, ["https://"]),
        ({"url": "git://host/x.git"}, ["https://", "ssh://"]),
        ({"url": "ext::sh -c id"}, ["url"]),
        ({"url": "ssh://-oProxyCommand=id/x.git", **SSH}, ["host"]),
        ({"url": "https://host/x.git?token=1"}, ["?"]),
        ({"url": "ssh://git@host/x.git", "ssh_key_file": "/k"}, ["known_hosts_file"]),
        ({"url": "ssh://git@host/x.git", "known_hosts_file": "/h"}, ["ssh_key_file"]),
        ({"url": "https://h/x.git", **SSH}, ["ssh only"]),
        ({"url": "/x.git", "token_file": "/t"}, ["https"]),
        ({"url": "https://h/x.git", "token_file": "/t", "token_env": "T"}, ["token_file", "token_env"]),
        ({"url": "https://h/x.git", "token_env": "ghp_not-a-name"}, ["name of a variable"]),
        ({"url": "https://h/x.git", "token_credential": "/etc/t"}, ["not a path"]),
        ({"url": "https://h/x.git", "branch": "--upload-pack=id"}, ["branch"]),
        ({"url": "https://h/x.git", "folder": "../up"}, ["folder"]),
        ({"url": "https://h/x.git", "username": "a:b"}, ["username"]),
        ({"url": "https://h/x.git", "web": "bitbucket"}, ["github", "gitlab", "gitea"]),
        ({"url": "https://h/x.git", "link": "https://h/{titel}"}, ["{titel}", "page"]),
        ({"url": "https://h/x.git", "link": "https://h/page"}, ["{path}"]),
        ({"url": "/x.git", "web": "github"}, ["link"]),
        ({"url": "https://h/x.git", "permissions": "posix"}, ["permissions"]),
        ({"url": "https://h/x.git", "include": ["["]}, ["include"]),
        ({"url": "https://h/x.git", "max_repository": "much"}, ["max_repository"]),
        ({"url": "https://h/x.git", "folders": ["x"]}, ['"folder"']),
    ],
)
def test_what_is_refused(settings: dict[str, Any], words: list[str]) -> None:
    """A problem names its key and what would be right, and repeats no secret."""
    problems = registry.check("gitwiki", "w", settings)
    assert problems
    assert any(all(word in problem for word in words) for problem in problems), problems
    assert not any("secret" in problem or "ghp_" in problem for problem in problems)
    with pytest.raises(SettingsError):
        parse_settings("w", settings)


def test_nobody_reads_what_nobody_was_granted() -> None:
    """Without permissions the owner of the state folder alone reads it: a host's own rules are not known here."""
    assert parse_settings("w", {"url": "/x.git"}).permissions == ()


def test_secrets_are_named_only() -> None:
    """A secret is a file, a variable or a credential of systemd."""
    url = "https://h/x.git"
    assert parse_settings("w", {"url": url, "token_env": "WIKI"}).token == Secret(env="WIKI")
    assert parse_settings("w", {"url": url, "token_credential": "wiki"}).token == Secret(credential="wiki")
    assert parse_settings("w", {"url": url, "token_file": "/t"}).token == Secret(file="/t")


def test_an_address_leads_to_its_item() -> None:
    """The repository's address with a file behind it names that file; other addresses name nothing."""
    settings = {"url": "https://github.com/o/r.wiki.git"}
    assert registry.item_at("gitwiki", settings, "https://github.com/o/r.wiki.git/a/B%20c.md") == "a/B%20c.md"
    assert registry.item_at("gitwiki", settings, "https://github.com/o/r.wiki.git") is None
    assert registry.item_at("gitwiki", settings, "/etc/passwd") is None
    assert registry.place("gitwiki", settings) == settings["url"]


def test_checking_imports_no_machinery() -> None:
    """A check of the settings loads nothing that runs git."""
    script = (
        "import sys; from connectors import registry; registry.check('gitwiki', 'a', {'url': '/x'});"
        "print([m for m in sys.modules if m.startswith('ingestor') or m.endswith(('gitwiki.git', 'gitwiki.source'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_making_asks_nobody(tmp_path: Path) -> None:
    """A source can be made while its server is away, and leaves nothing behind when it is not used."""
    source = registry.make("gitwiki", "w", {"url": "https://nowhere.invalid/x.git"}, tmp_path / "cache")
    assert source.name == "w"
    source.close()
    assert not (tmp_path / "cache").exists()
