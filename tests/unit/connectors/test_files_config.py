"""Settings are checked whole, and the registry makes sources of them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors import registry
from connectors.base import Source
from connectors.files.config import FilesConfig, parse_settings
from connectors.settings import SettingsError


def test_a_path_is_enough() -> None:
    """Everything but the path has a default."""
    assert parse_settings("docs", {"path": "/srv/docs/"}) == FilesConfig(name="docs", path="/srv/docs")
    assert parse_settings("all", {"path": "/"}).path == "/"


def test_every_key_is_understood() -> None:
    """Each key of the configuration arrives where it belongs."""
    settings = {
        "path": "/srv/docs",
        "include": ["*.md"],
        "exclude": ["**/drafts/**"],
        "hidden": True,
        "max_size": "20 MB",
        "permissions": ["group:staff", "user:ann", "public"],
        "ignore_files": False,
        "marker": "ours.txt",
    }
    assert parse_settings("docs", settings) == FilesConfig(
        name="docs",
        path="/srv/docs",
        include=("*.md",),
        exclude=("**/drafts/**",),
        hidden=True,
        max_size=20_000_000,
        permissions=("group:staff", "user:ann", "public"),
        ignore_files=False,
        marker="ours.txt",
    )


@pytest.mark.parametrize(
    ("value", "size"),
    [(1, 1), ("10", 10), ("10B", 10), ("1.5 kB", 1500), ("2KiB", 2048), ("3 MiB", 3 * 1024**2), ("1G", 10**9)],
)
def test_sizes(value: object, size: int) -> None:
    """Thousands by their letter, powers of 1,024 with an i."""
    assert parse_settings("docs", {"path": "/x", "max_size": value}).max_size == size


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["path is missing"]),
        ({"path": "relative"}, ["absolute"]),
        ({"path": 3}, ["path must"]),
        ({"path": "/x", "includes": []}, ["includes", 'did you mean "include"']),
        ({"path": "/x", "include": "*.md"}, ["include must be a list"]),
        ({"path": "/x", "include": []}, ["include is empty"]),
        ({"path": "/x", "exclude": ["# note"]}, ["exclude", "# note"]),
        ({"path": "/x", "hidden": "yes"}, ["hidden"]),
        ({"path": "/x", "max_size": "much"}, ["max_size", "much"]),
        ({"path": "/x", "max_size": True}, ["max_size"]),
        ({"path": "/x", "max_size": 0}, ["max_size"]),
        ({"path": "/x", "permissions": "staff"}, ["permissions"]),
        ({"path": "/x", "permissions": ["staff"]}, ["'staff' is not"]),
        ({"path": "/x", "permissions": ["user:a,group:b"]}, ["permissions"]),
        ({"path": "/x", "ignore_files": 1}, ["ignore_files"]),
        ({"path": "/x", "marker": "../x"}, ["marker"]),
    ],
)
def test_each_problem_has_its_words(settings: dict[str, object], words: list[str]) -> None:
    """A problem names its key and what would be right; the registry gives the same list."""
    with pytest.raises(SettingsError) as caught:
        parse_settings("docs", settings)
    assert len(caught.value.problems) == 1
    assert all(word in caught.value.problems[0] for word in words)
    assert registry.check("files", "docs", settings) == list(caught.value.problems)


def test_all_problems_come_at_once() -> None:
    """Nobody corrects one error to meet the next."""
    settings = {"hidden": 1, "max_size": -1, "permissions": 5, "exclude": [1], "colour": "red"}
    assert len(registry.check("files", "docs", settings)) == 6


def test_the_registry_makes_a_source(tmp_path: Path) -> None:
    """A kind and its settings make a source; a folder that is not there is no error yet."""
    source = registry.make("files", "docs", {"path": str(tmp_path / "later")}, tmp_path / "cache")
    assert isinstance(source, Source)
    assert source.name == "docs"
    assert registry.place("files", {"path": "/srv/\udcff"}) == "/srv/\ufffd"
    with pytest.raises(ValueError, match="path"):
        registry.make("files", "docs", {}, tmp_path / "cache")


def test_a_path_leads_to_its_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path inside a source has an id there, whether it is written absolute, relative or through a link
    to the source; one outside has none."""
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "latest.md").symlink_to("sub/v2.md")
    (tmp_path / "name").symlink_to("docs")
    settings = {"path": str(tmp_path / "docs")}
    monkeypatch.chdir(tmp_path)
    for where, item in [
        (str(tmp_path / "docs" / "sub" / "a b.md"), "sub/a%20b.md"),
        ("docs/sub/../latest.md", "latest.md"),
        ("name/sub/x.md", "sub/x.md"),
        ("docs/not/yet.md", "not/yet.md"),
        ("docs", None),
        ("docs2/x.md", None),
        ("/etc/passwd", None),
    ]:
        assert registry.item_at("files", settings, where) == item
    assert registry.item_at("files", {"path": "/"}, "/etc/passwd") == "etc/passwd"


def test_an_unknown_kind_is_named() -> None:
    """What is no kind is a problem with a guess."""
    assert 'did you mean "files"' in registry.check("file", "docs", {})[0]
    with pytest.raises(registry.UnknownKind):
        registry.make("smoke", "docs", {}, Path("/nowhere"))


def test_third_parties_bring_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point adds a kind without replacing a built-in one; a broken one is only its own problem."""
    brought = (
        EntryPoint("files", "nowhere", registry.GROUP),
        EntryPoint("broken", "nowhere_to_be_found", registry.GROUP),
        EntryPoint("copy", "connectors.files", registry.GROUP),
    )
    monkeypatch.setattr(
        registry, "entry_points", lambda group, name=None: [e for e in brought if name in {None, e.name}]
    )
    assert registry.kinds() == ("files", "gitwiki", "mediawiki", "dokuwiki", "confluence", "broken", "copy")
    assert registry.make("copy", "docs", {"path": "/x"}, Path("/nowhere")).name == "docs"
    assert registry.check("files", "docs", {"path": "/x"}) == []
    assert "cannot be loaded" in registry.check("broken", "docs", {})[0]


def test_checking_imports_nothing_heavy() -> None:
    """Neither the list of kinds nor a check loads the watcher's library or the scanner."""
    script = (
        "import sys; from connectors import registry; registry.kinds(); registry.check('files', 'a', {'path': '/x'});"
        "print([m for m in sys.modules if m.split('.')[0] in {'watchdog', 'ingestor'} or m.endswith('files.scan')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
