"""The settings of a MediaWiki source: every problem at once, in words."""

from __future__ import annotations

import pytest

from connectors.mediawiki import check
from connectors.mediawiki.config import parse_settings
from connectors.mediawiki.feed import Cursor, read_cursor
from connectors.mediawiki.pages import parse_item

URL = "https://wiki.example/w/api.php"


@pytest.mark.parametrize(
    ("url", "api"),
    [
        (URL, URL),
        ("https://wiki.example/w/index.php", URL),
        ("https://wiki.example/w/", URL),
        ("https://wiki.example/w", URL),
        ("https://wiki.example", "https://wiki.example/api.php"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api.php"),
    ],
)
def test_the_address_of_the_api(url: str, api: str) -> None:
    """It is given itself, or by the folder that it is in."""
    assert parse_settings("w", {"url": url}).api == api


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url is missing"),
        ({"url": "wiki.example"}, "url must be an address"),
        ({"url": "ftp://wiki.example"}, "url must be an address"),
        ({"url": "https://a b/"}, "url must be an address"),
        ({"url": "https://user:secret@wiki.example/"}, "no user name or password"),
        ({"url": f"{URL}?x=y"}, "url must have no ?"),
        ({"url": "http://wiki.example/"}, "url must begin with https://"),
        ({"url": URL, "usernme": "x"}, 'did you mean "username"'),
        ({"url": URL, "username": "Reader@bot"}, "username needs password_file"),
        ({"url": URL, "password_file": "/x"}, "a password needs username"),
        ({"url": URL, "username": "R", "password_file": "/x", "token_file": "/y"}, "exclude each other"),
        ({"url": URL, "username": "R", "password_file": "/x", "password_env": "Y"}, "exclude each other"),
        ({"url": URL, "token_env": "not a name"}, "must be the name of a variable"),
        ({"url": URL, "namespaces": "Help"}, "namespaces must be a list"),
        ({"url": URL, "exclude_namespaces": [True]}, "exclude_namespaces must be a list"),
        ({"url": URL, "namespaces": [-1]}, "namespaces must be a list"),
        ({"url": URL, "talk": "yes"}, "talk must be true or false"),
        ({"url": URL, "hosts": ["https://files.example"]}, "hosts must be a list of names"),
        ({"url": URL, "rate": 0}, "rate must be a number"),
        ({"url": URL, "maxlag": -1}, "maxlag must be a number"),
        ({"url": URL, "max_size": "big"}, "max_size must be"),
        ({"url": URL, "permissions": "posix"}, "permissions must be a list"),
    ],
)
def test_problems_are_named(settings: dict[str, object], words: str) -> None:
    """Each says what is wrong, and none repeats a secret."""
    problems = check("w", settings)
    assert any(words in problem for problem in problems), problems
    assert "secret" not in "".join(problems)


def test_http_may_be_allowed() -> None:
    """By the word of whoever knows the way there."""
    assert check("w", {"url": "http://wiki.example/w", "allow_http": True}) == []


def test_all_problems_come_at_once() -> None:
    """A person mends them in one go."""
    assert len(check("w", {"talk": 1, "rate": "fast", "x": 1, "username": "R"})) == 5


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("12", (12, False)),
        ("12/file", (12, True)),
        ("012", None),
        ("0", None),
        ("12/File", None),
        ("12/file/x", None),
        ("", None),
        ("Home", None),
        ("-1", None),
        ("1" * 40, None),
        ("\u0661", None),
    ],
)
def test_ids_are_numbers_of_pages(item: str, expected: tuple[int, bool] | None) -> None:
    """Nothing else is asked of a wiki."""
    assert parse_item(item) == expected


def test_a_cursor_is_read_as_it_was_written() -> None:
    """With other settings, or of another form, it says nothing."""
    cursor = Cursor(at=5.0, row=3, row_at=4.0, row_page=2, rows=frozenset({1, 3}), logs=frozenset({9}), settings="s")
    assert read_cursor(cursor.write(), "s") == cursor
    for text in (None, "", "7", "null", "[]", '{"a":1}', '[9,1,1,1,1,[],[],"s"]', cursor.write()[:-3]):
        assert read_cursor(text, "s") is None
    assert read_cursor(cursor.write(), "other") is None
