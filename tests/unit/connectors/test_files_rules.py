"""The rules as tables: what stays out, what stays in, and by which rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.base import WHOLE, ItemId, Upserted
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from connectors.patterns import compile_line, compile_lines, decide, text_of


def source(root: Path, **settings: object) -> FilesSource:
    return FilesSource(FilesConfig(name="rules", path=str(root), **settings))  # type: ignore[arg-type]


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("content", encoding="utf-8")


def listed(which: FilesSource) -> set[str]:
    return {change.ref.item_id for change in which.list(WHOLE, None) if isinstance(change, Upserted)}


@pytest.mark.parametrize(
    ("lines", "path", "is_dir", "verdict"),
    [
        (["*.log"], "a/b.log", False, True),
        (["*.log"], "a/b.logs", False, None),
        (["*.log", "!keep.log"], "a/keep.log", False, False),
        (["!keep.log", "*.log"], "a/keep.log", False, True),
        (["/top"], "top", False, True),
        (["/top"], "a/top", False, None),
        (["a/b"], "a/b", False, True),
        (["a/b"], "x/a/b", False, None),
        (["build/"], "build", True, True),
        (["build/"], "build", False, None),
        (["build/"], "x/build", True, True),
        (["build/**"], "build", True, None),
        (["build/**"], "build/x", False, True),
        (["**/drafts/**"], "drafts/x.md", False, True),
        (["**/drafts/**"], "a/drafts", True, None),
        (["a/**/z"], "a/z", False, True),
        (["a/**/z"], "a/b/c/z", False, True),
        (["[ab].md"], "a.md", False, True),
        (["[!ab].md"], "c.md", False, True),
        (["file?.md"], "file1.md", False, True),
        (["*"], "new\nline", False, True),
        (["*.md"], "x\ny.md", False, True),
        (["*.md"], "x.md\n", False, None),
        (["\\#x"], "#x", False, True),
        (["# comment", "", "  "], "comment", False, None),
        (["caf\u00e9.md"], "cafe\u0301.md", False, None),
    ],
)
def test_lines_mean_what_git_says(lines: list[str], path: str, is_dir: bool, verdict: bool | None) -> None:
    """The last matching line decides; slashes anchor; ``x/**`` speaks of what is in x and not of x."""
    line = decide(compile_lines(lines), text_of(path.encode()), is_dir=is_dir)
    assert (None if line is None else line.excludes) is verdict


@pytest.mark.parametrize("text", ["", "# x", "!", "a[z-a]", "/"])
def test_a_line_without_sense_matches_nothing(text: str) -> None:
    """Comments, blanks and malformed lines are passed over, as git does."""
    assert compile_line(text) is None


def test_hidden_files_are_out_unless_asked_for(tmp_path: Path) -> None:
    """A name with a leading dot hides a file and everything in a folder; ``hidden`` shows both."""
    fill(tmp_path, "a.md", ".b.md", ".git/c.md", "d/.e/f.md")
    assert listed(source(tmp_path)) == {"a.md"}
    assert listed(source(tmp_path, hidden=True)) == {"a.md", ".b.md", ".git/c.md", "d/.e/f.md"}


def test_include_and_exclude(tmp_path: Path) -> None:
    """``include`` chooses files wherever they are, ``exclude`` has the last word."""
    fill(tmp_path, "a.md", "b.txt", "docs/c.md", "docs/drafts/d.md", "drafts/e.md", "docs/f.pdf")
    which = source(tmp_path, include=("**/*.md", "*.pdf", "!f.pdf"), exclude=("**/drafts/**",))
    assert listed(which) == {"a.md", "docs/c.md"}


def test_ignore_files_nest(tmp_path: Path) -> None:
    """The deepest ignore file with an opinion decides; what is in an excluded folder cannot come back."""
    fill(tmp_path, "a.log", "a.md", "sub/b.log", "sub/keep.log", "out/c.md", "sub/only/d.md", "sub/only/e.txt")
    (tmp_path / ".ingestignore").write_text("*.log\nout/\n!out/c.md\n/sub/only/*.txt\n", encoding="utf-8")
    (tmp_path / "sub" / ".ingestignore").write_text("!keep.log\r\n", encoding="utf-8")
    assert listed(source(tmp_path)) == {"a.md", "sub/keep.log", "sub/only/d.md"}
    assert "out/c.md" in listed(source(tmp_path, ignore_files=False))


def test_ignore_files_are_never_content(tmp_path: Path) -> None:
    """An ignore file is no item, also where hidden files are."""
    fill(tmp_path, "a.md")
    (tmp_path / ".ingestignore").write_text("x", encoding="utf-8")
    assert listed(source(tmp_path, hidden=True)) == {"a.md"}


@pytest.mark.parametrize("kind", ["link", "folder", "huge"])
def test_rules_that_cannot_be_read_close_the_folder(tmp_path: Path, kind: str) -> None:
    """Where the ignore file cannot be read nothing is listed and nothing is proven absent."""
    fill(tmp_path, "a.md", "sub/secret.md")
    ignore = tmp_path / "sub" / ".ingestignore"
    if kind == "link":
        ignore.symlink_to(tmp_path / "a.md")
    elif kind == "folder":
        ignore.mkdir()
    else:
        ignore.write_bytes(b"x" * (1024 * 1024 + 1))
    *changes, mark = source(tmp_path).list(WHOLE, None)
    assert {change.ref.item_id for change in changes if isinstance(change, Upserted)} == {"a.md"}
    assert mark.unproven == ("sub",)  # type: ignore[union-attr]


def test_names_that_are_no_text_are_matched_too(tmp_path: Path) -> None:
    """Patterns reach names that are no UTF-8, and names with newlines."""
    for name in (b"\xff.md", b"\xff.log", b"a\nb.log", b"a\nb.md"):
        (tmp_path / os.fsdecode(name)).write_text("x", encoding="utf-8")
    assert listed(source(tmp_path, exclude=("*.log",))) == {"%FF.md", "a%0Ab.md"}


def test_what_is_no_regular_file_is_out(tmp_path: Path) -> None:
    """Pipes and sockets are not items, and asking about them does not hang."""
    fill(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe")
    which = source(tmp_path)
    assert listed(which) == {"a.md"}
    assert "regular" in (which.explain(ItemId("pipe")) or "")


def test_the_size_limit_counts_bytes(tmp_path: Path) -> None:
    """A file at the limit is in, one byte more is out."""
    (tmp_path / "at.md").write_bytes(b"x" * 100)
    (tmp_path / "over.md").write_bytes(b"x" * 101)
    assert listed(source(tmp_path, max_size=100)) == {"at.md"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("a.md", None),
        (".b.md", ["hidden", ".b.md"]),
        (".git/c.md", ["hidden", ".git"]),
        ("drafts/d.md", ["exclude", "**/drafts/**"]),
        ("e.log", ["line 2", "*.log", ".ingestignore"]),
        ("sub/f.tmp", ["line 1", "*.tmp", "sub/.ingestignore"]),
        ("g.txt", ["include"]),
        ("big.md", ["101", "max_size"]),
        ("~%24open.md", ["office"]),
        ("marker.md", ["marker"]),
        ("nothing.md", ["no file"]),
        ("sub", ["folder"]),
        ("../x", ["id"]),
    ],
)
def test_explain_names_the_rule(tmp_path: Path, item: str, words: list[str] | None) -> None:
    """For every reason to be left out there is a sentence that names the rule."""
    fill(tmp_path, "a.md", ".b.md", ".git/c.md", "drafts/d.md", "e.log", "sub/f.tmp", "g.txt", "~$open.md", "marker.md")
    (tmp_path / "big.md").write_bytes(b"x" * 101)
    (tmp_path / ".ingestignore").write_text("# ours\n*.log\n", encoding="utf-8")
    (tmp_path / "sub" / ".ingestignore").write_text("*.tmp\n", encoding="utf-8")
    which = source(
        tmp_path, include=("*.md", "*.log", "*.tmp"), exclude=("**/drafts/**",), max_size=100, marker="marker.md"
    )
    said = which.explain(ItemId(item))
    assert (said is None) == (words is None)
    assert all(word in (said or "") for word in words or [])
    assert (item in listed(which)) == (said is None)
    assert (which.lookup(ItemId(item)) is not None) == (said is None)


class TestLinks:
    """A link to a file inside the root is a file of its own; every other link is left out."""

    def test_a_link_to_a_file_inside_is_an_item(self, tmp_path: Path) -> None:
        """It has its target's content and size, its own id, and a file key that is not its target's."""
        fill(tmp_path, "v2.md")
        (tmp_path / "latest.md").symlink_to("v2.md")
        which = source(tmp_path)
        assert listed(which) == {"v2.md", "latest.md"}
        link, target = which.lookup(ItemId("latest.md")), which.lookup(ItemId("v2.md"))
        assert link is not None
        assert target is not None
        assert link.version == target.version
        assert link.file_key != target.file_key
        assert which.fetch(link).content == b"content"
        assert which.fetch(link).ref == link

    def test_mounted_configuration_is_seen(self, tmp_path: Path) -> None:
        """Files that are links through a hidden folder link, as mounted configuration has it, are items."""
        fill(tmp_path, "..2026/handbook.md")
        (tmp_path / "..data").symlink_to("..2026")
        (tmp_path / "handbook.md").symlink_to("..data/handbook.md")
        which = source(tmp_path)
        assert listed(which) == {"handbook.md"}
        assert which.fetch(which.lookup(ItemId("handbook.md"))).content == b"content"  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            ("../outside.md", "leads out"),
            ("/etc/hostname", "leads out"),
            ("nothing.md", "leads nowhere"),
            ("loop.md", "leads nowhere"),
            ("folder", "folder"),
            ("..", "out"),
            (".", "out"),
            ("drafts/x.md", "exclude"),
        ],
    )
    def test_other_links_are_out(self, tmp_path: Path, target: str, words: str) -> None:
        """Out of the root, to nothing, in a circle, to a folder, to what is excluded: no item, a sentence."""
        root = tmp_path / "root"
        fill(root, "folder/a.md", "drafts/x.md")
        fill(tmp_path, "outside.md")
        (root / "loop.md").symlink_to(target)
        which = source(root, exclude=("drafts",))
        assert listed(which) == {"folder/a.md"}
        assert words in (which.explain(ItemId("loop.md")) or "")

    def test_no_circle_of_folders(self, tmp_path: Path) -> None:
        """A link to a folder above is not entered."""
        fill(tmp_path, "a/b.md")
        (tmp_path / "a" / "up").symlink_to("..")
        assert listed(source(tmp_path)) == {"a/b.md"}
        assert source(tmp_path).lookup(ItemId("a/up/a/b.md")) is None

    def test_a_root_that_is_a_link_is_followed(self, tmp_path: Path) -> None:
        """The configured path itself may be a link."""
        fill(tmp_path, "real/a.md")
        (tmp_path / "name").symlink_to("real")
        assert listed(source(tmp_path / "name")) == {"a.md"}
        assert source(tmp_path / "name").identity() == source(tmp_path / "real").identity()
