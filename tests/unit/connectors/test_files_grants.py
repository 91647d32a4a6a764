"""Permission bits to principals, as a table and through real folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.base import WHOLE, Grant, Upserted
from connectors.files import grants as module
from connectors.files.config import FilesConfig
from connectors.files.grants import Gate, Grants
from connectors.files.source import FilesSource

ANN, BOB, STAFF, HR = 1001, 1002, 2001, 2002
USERS = {ANN: "ann", BOB: "bob"}
GROUPS = {STAFF: "staff", HR: "hr"}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann is in staff and hr, Bob in staff."""
    monkeypatch.setattr(module, "user_name", lambda uid: USERS.get(uid, str(uid)))
    monkeypatch.setattr(module, "group_name", lambda gid: GROUPS.get(gid, str(gid)))
    memberships = {ANN: frozenset({STAFF, HR}), BOB: frozenset({STAFF})}
    monkeypatch.setattr(module, "groups_of", lambda uid: memberships.get(uid, frozenset()))


def principals(folders: list[tuple[int, int, int]], file: tuple[int, int, int]) -> set[str]:
    grant = Grants("posix").grant("f", frozenset(Gate(*folder) for folder in folders), Gate(*file))
    return set(grant.principals)


ALL = (ANN, STAFF, 0o755)


@pytest.mark.parametrize(
    ("folders", "file", "expected"),
    [
        ([ALL], (ANN, STAFF, 0o644), {"user:ann", "group:staff", "group:local"}),
        ([ALL], (ANN, STAFF, 0o640), {"user:ann", "group:staff"}),
        ([ALL], (ANN, STAFF, 0o600), {"user:ann"}),
        ([ALL], (ANN, STAFF, 0o000), set()),
        ([ALL], (ANN, STAFF, 0o200), set()),
        ([ALL], (ANN, STAFF, 0o040), {"group:staff"}),
        # Write and execute bits of a file give nothing to read.
        ([ALL], (ANN, STAFF, 0o733), {"user:ann"}),
        # A folder closes what its file opens.
        ([(ANN, STAFF, 0o750)], (ANN, STAFF, 0o644), {"user:ann", "group:staff"}),
        ([(ANN, STAFF, 0o700)], (ANN, STAFF, 0o644), {"user:ann"}),
        ([ALL, (ANN, STAFF, 0o700), ALL], (ANN, STAFF, 0o644), {"user:ann"}),
        # To read through a folder takes its read and its execute bit.
        ([(ANN, STAFF, 0o744)], (ANN, STAFF, 0o644), {"user:ann"}),
        ([(ANN, STAFF, 0o711)], (ANN, STAFF, 0o644), {"user:ann"}),
        # The folder's group decides where the file is open to others.
        ([(ANN, HR, 0o750)], (ANN, STAFF, 0o644), {"user:ann", "group:hr"}),
        # Two groups are needed: nobody can be named but the owners who pass everywhere.
        ([(ANN, HR, 0o750)], (ANN, STAFF, 0o640), {"user:ann"}),
        ([(BOB, HR, 0o750)], (ANN, STAFF, 0o640), {"user:ann", "user:bob"}),
        ([(BOB, HR, 0o750)], (ANN, HR, 0o640), {"user:ann", "group:hr"}),
        # Bob owns the folder and reads the file as a member of its group.
        ([(BOB, STAFF, 0o700)], (ANN, STAFF, 0o640), {"user:bob"}),
        # The owner's own bits decide for the owner, whatever the group may.
        ([ALL], (ANN, STAFF, 0o044), {"group:staff", "group:local"}),
        # A group that is shut out is not let in as everyone.
        ([ALL], (ANN, STAFF, 0o604), {"user:ann"}),
        ([(ANN, STAFF, 0o705)], (ANN, HR, 0o644), {"user:ann"}),
        # Accounts and groups without a name appear as numbers.
        ([ALL], (1234, 4321, 0o640), {"user:1234", "group:4321"}),
    ],
)
@pytest.mark.usefixtures("names")
def test_bits_to_principals(
    folders: list[tuple[int, int, int]], file: tuple[int, int, int], expected: set[str]
) -> None:
    """Whoever may read the file through every folder above is granted, and nobody else."""
    assert principals(folders, file) == expected


def test_configured_principals_replace_the_bits() -> None:
    """With a list the bits do not matter, and everything has one place."""
    grants = Grants(("group:staff", "user:ann"))
    expected = Grant(place="source", principals=frozenset({"group:staff", "user:ann"}))
    assert grants.grant("a", frozenset(), Gate(0, 0, 0)) == expected
    assert grants.grant("b", frozenset(), Gate(0, 0, 0o777)) == expected


def seen(root: Path) -> dict[str, Grant]:
    source = FilesSource(FilesConfig(name="grants", path=str(root)))
    return {change.ref.item_id: change.ref.grant for change in source.list(WHOLE, None) if isinstance(change, Upserted)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("", "a", "a/b", "c"):
        (root / folder).mkdir()
        (root / folder).chmod(0o755)
        for name in ("1.md", "2.md", "3.md"):
            (root / folder / name).write_text("x", encoding="utf-8")
            (root / folder / name).chmod(0o644)
    return root


def test_files_under_one_rule_share_a_place(tree: Path) -> None:
    """One folder and one class of files is one place; equal places have equal principals."""
    found = seen(tree)
    assert len({grant.place for grant in found.values()}) == 4
    assert len({(grant.place, grant.principals) for grant in found.values()}) == 4


def test_chmod_of_a_folder_changes_no_place(tree: Path) -> None:
    """A folder's bits change the principals of the places in and below it, and nothing else."""
    before = seen(tree)
    (tree / "a").chmod(0o700)
    after = seen(tree)
    assert {item: grant.place for item, grant in after.items()} == {item: grant.place for item, grant in before.items()}
    assert {item for item in after if after[item] != before[item]} == {item for item in after if item.startswith("a/")}
    assert "group:local" not in after["a/b/1.md"].principals
    assert "group:local" in before["a/b/1.md"].principals


def test_chmod_of_a_file_changes_its_grant_alone(tree: Path) -> None:
    """A file's bits move that one file to another place."""
    before = seen(tree)
    (tree / "a" / "1.md").chmod(0o600)
    after = seen(tree)
    assert {item for item in after if after[item] != before[item]} == {"a/1.md"}


def test_a_link_needs_both_ways(tree: Path) -> None:
    """Through a link reads who may pass the link's folders, the target's folders and the target."""
    (tree / "c" / "link.md").symlink_to("../a/1.md")
    assert "group:local" in seen(tree)["c/link.md"].principals
    (tree / "a").chmod(0o700)
    assert "group:local" not in seen(tree)["c/link.md"].principals


def test_fetch_and_lookup_say_the_same(tree: Path) -> None:
    """Listing, lookup and fetch give one grant."""
    (tree / "a").chmod(0o750)
    source = FilesSource(FilesConfig(name="grants", path=str(tree)))
    for change in source.list(WHOLE, None):
        if isinstance(change, Upserted):
            assert source.lookup(change.ref.item_id) == change.ref
            assert source.fetch(change.ref).ref.grant == change.ref.grant


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_owner_and_group_are_the_files_own(tree: Path) -> None:
    """Names come from the system's accounts; a number without one stands for itself."""
    os.chown(tree / "1.md", 54321, 54322)
    (tree / "1.md").chmod(0o640)
    assert seen(tree)["1.md"].principals == {"user:54321", "group:54322"}
