"""Paths and ids: one to one, ASCII, and shown to people without harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.paths import display, file_url, item_id, path_of

NAMES = st.binary(min_size=1, max_size=20).filter(lambda b: b"/" not in b and b"\0" not in b and b not in {b".", b".."})


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_every_path_has_an_ascii_id_of_its_own(names: list[bytes]) -> None:
    """Any bytes a Linux name can hold come back from their id, and the id is ASCII without control codes."""
    path = b"/".join(names)
    item = item_id(path)
    assert item.isascii()
    assert item.isprintable()
    assert not {" ", "#"} & set(item)
    assert path_of(item) == path


@pytest.mark.parametrize(
    ("path", "item"),
    [
        (b"", ""),
        (b"a/b.md", "a/b.md"),
        (b"a b", "a%20b"),
        ("é".encode(), "%C3%A9"),
        ("e\u0301".encode(), "e%CC%81"),
        (b"\xff\xfe", "%FF%FE"),
        (b"a\nb", "a%0Ab"),
        (b"100%", "100%25"),
        (b"a#b?c", "a%23b%3Fc"),
        (b"A", "A"),
    ],
)
def test_ids_are_the_bytes_and_nothing_else(path: bytes, item: str) -> None:
    """NFC and NFD twins, cases, undecodable bytes and newlines stay apart."""
    assert item_id(path) == item
    assert path_of(item) == path


@pytest.mark.parametrize("item", ["../x", "a/../b", "/etc/passwd", "a//b", "a/", ".", "a%2Fb", "%c3%a9", "a%00", "é"])
def test_what_is_no_id_has_no_path(item: str) -> None:
    """Nothing leads out of the root, and no path has two ids."""
    assert path_of(item) is None


@given(st.binary(max_size=40))
def test_display_can_be_printed_everywhere(path: bytes) -> None:
    """What people see encodes as UTF-8 and has no control characters."""
    shown = display(path)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)


def test_a_file_url_is_absolute_and_escaped() -> None:
    """The URL of a path escapes what a URL may not hold."""
    assert file_url(b"/srv/a b/\xff#1.md") == "file:///srv/a%20b/%FF%231.md"
