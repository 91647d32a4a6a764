"""Where a person reads a page, and what changed between two commits: both pure."""

from __future__ import annotations

import pytest

from connectors.gitwiki.config import parse_settings
from connectors.gitwiki.differences import Differences, differences, records

COMMIT = "c" * 40
SSH = {"ssh_key_file": "/k", "known_hosts_file": "/h"}


@pytest.mark.parametrize(
    ("settings", "path", "url"),
    [
        ({"url": "https://github.com/o/r.wiki.git"}, b"guide/How-To.md", "https://github.com/o/r/wiki/How-To"),
        ({"url": "https://github.com/o/r.wiki.git"}, b"img/a b.png", "https://github.com/o/r/wiki/img/a%20b.png"),
        ({"url": "git@github.com:o/r.wiki.git", **SSH}, b"Home.md", "https://github.com/o/r/wiki/Home"),
        ({"url": "https://github.com/o/r.git"}, b"docs/a.md", "https://github.com/o/r/blob/main/docs/a.md"),
        ({"url": "https://gitlab.example/g/s/p.wiki.git"}, b"a/Page.md", "https://gitlab.example/g/s/p/-/wikis/a/Page"),
        ({"url": "https://gitlab.com/g/p"}, b"a.rst", "https://gitlab.com/g/p/-/blob/main/a.rst"),
        ({"url": "https://codeberg.org/o/r.wiki.git"}, b"Page.md", "https://codeberg.org/o/r/wiki/Page"),
        ({"url": "https://gitea.example:3000/o/r.git"}, b"a.md", "https://gitea.example:3000/o/r/src/branch/main/a.md"),
        (
            {"url": "https://code.example/o/r.wiki.git", "web": "gitea"},
            b"Page.md",
            "https://code.example/o/r/wiki/Page",
        ),
        ({"url": "https://code.example/o/r.git"}, b"a.md", ""),
        ({"url": "https://github.com/o/r.git", "web": "none"}, b"a.md", ""),
        (
            {"url": "/srv/w.git", "link": "https://w.example/{page}?v={commit}"},
            b"a/b.md",
            f"https://w.example/a/b?v={COMMIT}",
        ),
        (
            {"url": "/srv/w.git", "link": "https://w.example/{branch}/{name}"},
            b"a/\xc3\xa9.org",
            "https://w.example/main/%C3%A9",
        ),
    ],
)
def test_the_address_of_a_page(settings: dict[str, str], path: bytes, url: str) -> None:
    """Wikis show pages by name, repositories files by path on the branch; what has no front end has no address."""
    assert parse_settings("w", settings).links.url(path, branch="main", commit=COMMIT) == url


@pytest.mark.parametrize(
    ("settings", "path", "url"),
    [
        ({"url": "https://github.com/o/r.wiki.git"}, b"a/Home.md", f"https://github.com/o/r/wiki/Home/{COMMIT}"),
        ({"url": "https://github.com/o/r.wiki.git"}, b"a/plan.pdf", ""),
        ({"url": "https://github.com/o/r.git"}, b"a/plan.pdf", f"https://github.com/o/r/blob/{COMMIT}/a/plan.pdf"),
        (
            {"url": "https://gitlab.com/o/r.wiki.git"},
            b"a/Home.md",
            f"https://gitlab.com/o/r/-/wikis/a/Home?version_id={COMMIT}",
        ),
        ({"url": "https://gitlab.com/o/r.git"}, b"a.md", f"https://gitlab.com/o/r/-/blob/{COMMIT}/a.md"),
        ({"url": "https://codeberg.org/o/r.wiki.git"}, b"Home.md", ""),
        ({"url": "https://codeberg.org/o/r.git"}, b"a.md", f"https://codeberg.org/o/r/src/commit/{COMMIT}/a.md"),
        ({"url": "file:///srv/r.git"}, b"a.md", ""),
        ({"url": "file:///srv/r.git", "link": "https://w.example/{path}"}, b"a.md", ""),
        (
            {"url": "file:///srv/r.git", "link": "https://w.example/{commit}/{path}"},
            b"a.md",
            f"https://w.example/{COMMIT}/a.md",
        ),
    ],
)
def test_the_address_of_a_page_as_it_was(settings: dict[str, str], path: bytes, url: str) -> None:
    """Where the front end can show a file as it is in one commit, the link that is pinned leads there."""
    assert parse_settings("w", settings).links.pinned_url(path, branch="main", commit=COMMIT) == url


def raw(*lines: tuple[str, str, str, bytes, bytes]) -> list[bytes]:
    """(status, old oid, new oid, path, new path) as git prints them."""
    fields = list[bytes]()
    for status, old, new, path, there in lines:
        modes = "000000 100644" if status == "A" else "100644 000000" if status == "D" else "100644 100644"
        fields += [f":{modes} {old} {new} {status}".encode(), path, *([there] if there else [])]
    return fields


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("A", "0", "x", b"a", b"")], Differences(touched=(b"a",))),
        ([("M", "x", "y", b"a", b"")], Differences(touched=(b"a",))),
        ([("T", "x", "y", b"a", b"")], Differences(touched=(b"a",))),
        ([("D", "x", "0", b"a", b"")], Differences(gone=(b"a",))),
        ([("R100", "x", "x", b"a", b"big")], Differences(moved=((b"a", b"big"),))),
        ([("R060", "x", "y", b"a", b"big")], Differences(moved=((b"a", b"big"),))),
        ([("R100", "x", "x", b"a", b"tiny")], Differences(touched=(b"tiny",), gone=(b"a",))),
        ([("C100", "x", "x", b"a", b"big")], Differences(touched=(b"big",))),
        (
            [("R100", "x", "x", b"a", b"big"), ("D", "x", "0", b"b", b"")],
            Differences(touched=(b"big",), gone=(b"a", b"b")),
        ),
        (
            [("R100", "x", "x", b"a", b"big"), ("A", "0", "x", b"big2", b"")],
            Differences(touched=(b"big", b"big2"), gone=(b"a",)),
        ),
        ([("M", "x", "y", b":100644 a\n", b"")], Differences(touched=(b":100644 a\n",))),
    ],
)
def test_r11_differences(lines: list[tuple[str, str, str, bytes, bytes]], expected: Differences) -> None:
    """A rename counts as a move where nothing else could be meant and the content is more than a stub; a copy is new."""
    assert differences(records(raw(*lines)), {b"big": 100, b"big2": 100, b"tiny": 31}) == expected
