"""The settings of a DokuWiki source: every problem at once, in words; its ids, its cursors, its older language."""

from __future__ import annotations

import pytest

from connectors.dokuwiki import check, item_at
from connectors.dokuwiki.config import parse_settings
from connectors.dokuwiki.dialects import Kind
from connectors.dokuwiki.feed import Cursor, Log, read_cursor
from connectors.dokuwiki.pages import item_of, parse_item, settled
from connectors.dokuwiki.xmlrpc import Fault, NotXmlRpc, read_answer, write_call

URL = "https://wiki.example/dokuwiki"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (URL, URL),
        (f"{URL}/", URL),
        (f"{URL}/doku.php", URL),
        (f"{URL}/lib/exe/xmlrpc.php", URL),
        (f"{URL}/lib/exe/jsonrpc.php", URL),
        ("https://wiki.example", "https://wiki.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
    ],
)
def test_the_address_of_the_wiki(url: str, base: str) -> None:
    """It is given itself, or by one of its programs."""
    assert parse_settings("w", {"url": url}).base == base


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url is missing"),
        ({"url": "wiki.example"}, "url must be an address"),
        ({"url": "https://user:secret@wiki.example/"}, "no user name or password"),
        ({"url": f"{URL}/doku.php?id=start"}, "url must have no ?"),
        ({"url": "http://wiki.example/"}, "url must begin with https://"),
        ({"url": URL, "namspaces": ["x"]}, 'did you mean "namespaces"'),
        ({"url": URL, "username": "reader"}, "username needs password_file"),
        ({"url": URL, "password_file": "/x"}, "a password needs username"),
        ({"url": URL, "username": "r", "password_file": "/x", "token_file": "/y"}, "exclude each other"),
        ({"url": URL, "token_file": "/x", "permissions": ["public"]}, "public and a login exclude each other"),
        ({"url": URL, "namespaces": "handbook"}, "namespaces must be a list"),
        ({"url": URL, "exclude_namespaces": [""]}, "exclude_namespaces must be a list"),
        ({"url": URL, "files": 1}, "files must be true or false"),
        ({"url": URL, "rate": 0}, "rate must be a number"),
        ({"url": URL, "max_size": "big"}, "max_size must be"),
        ({"url": URL, "permissions": "posix"}, "permissions must be a list"),
    ],
)
def test_problems_are_named(settings: dict[str, object], words: str) -> None:
    """Each says what is wrong, and none repeats a secret."""
    problems = check("w", settings)
    assert any(words in problem for problem in problems), problems
    assert not any("secret" in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "left"),
    [("it:net:cables", ""), ("it:secret:keys", "it:secret"), ("italy:rome", "none of"), ("it", "none of")],
)
def test_namespaces_hold_what_lies_in_them(name: str, left: str) -> None:
    """A namespace holds its own namespaces, and neither what begins alike nor the page of its name."""
    config = parse_settings("w", {"url": URL, "namespaces": ["it:"], "exclude_namespaces": [":it:secret"]})
    assert bool(config.left_out(name)) == bool(left)
    assert left in config.left_out(name)


@pytest.mark.parametrize("name", ["start", "it:network:cables", "k\u00fcche:men\u00fc", "v1.0:a-b_c", "\u65e5\u672c"])
def test_ids_tell_their_names(name: str) -> None:
    """An id is ASCII, and stands for one page or file."""
    for kind in Kind:
        item = item_of(kind, name)
        assert item.isascii()
        assert parse_item(item) == (kind, name)


@pytest.mark.parametrize("item", ["", "pages", "pages/", "start", "other/start", "pages/a:b", "pages/../x", "7"])
def test_what_is_no_id_names_nothing(item: str) -> None:
    """Ids of other sources, and such that a wiki's name cannot have."""
    assert parse_item(item) is None


@pytest.mark.parametrize(
    ("where", "item"),
    [
        (f"{URL}/doku.php?id=it:laptops", "pages/it/laptops"),
        (f"{URL}/doku.php/it/laptops", "pages/it/laptops"),
        (f"{URL}/it:laptops#keys", "pages/it/laptops"),
        (f"{URL}/it/k%C3%BCche", "pages/it/k%C3%BCche"),
        (f"{URL}/lib/exe/fetch.php?media=it:plan.pdf", "media/it/plan.pdf"),
        (f"{URL}/_media/it:plan.pdf", "media/it/plan.pdf"),
        (f"{URL}/feed.php", None),
        ("https://elsewhere.example/dokuwiki/it:laptops", None),
        ("/srv/files/x.md", None),
    ],
)
def test_addresses_name_items(where: str, item: str | None) -> None:
    """In every form in which wikis write them."""
    assert item_at({"url": URL}, where) == item


def test_whether_a_linked_page_exists_is_no_part_of_a_page() -> None:
    """The address of a link stays, and its words."""
    there = '<p>See <a href="/doku.php?id=x" class="wikilink1" title="x" data-wiki-id="x">the x</a>.</p>'
    gone = '<p>See <a href="/doku.php?id=x" class="wikilink2" title="x" rel="nofollow">the x</a>.</p>'
    assert settled(there) == settled(gone) == '<p>See <a href="/doku.php?id=x">the x</a>.</p>'
    assert settled('<a id="top" class="x">1)</a><abbr title="a">b</abbr>') == '<a>1)</a><abbr title="a">b</abbr>'


def test_cursors_are_read_as_they_were_written() -> None:
    """And only with the settings that they were made with."""
    cursor = Cursor(
        listed_at=1.5,
        logs={Kind.PAGE: Log(name="a:b", revision=7, seen=frozenset({("a:b", 7)})), Kind.FILE: Log()},
        settings="x",
    )
    assert read_cursor(cursor.write(), "x") == cursor
    for text, settings in ((cursor.write(), "y"), (None, "x"), ("{}", "x"), ("[1,2]", "x"), ('[1,"a",{},"x"]', "x")):
        assert read_cursor(text, settings) is None


def test_calls_are_written_and_answers_read() -> None:
    """Every kind of value that the wiki uses comes through, by a writer and reader that we did not write."""
    import xmlrpc.client

    given = ("it & <b>", 7, True, {"depth": 0, "pattern": "/^a$/"}, ["x", 2])
    assert xmlrpc.client.loads(write_call("wiki.getAttachments", list(given))) == (given, "wiki.getAttachments")
    value = {"a": [1, "x & <y>", True, 1.5, None], "b": xmlrpc.client.Binary(b"\0bytes"), "c": "k\u00fcche"}
    told = read_answer(xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode())
    assert told == {"a": [1, "x & <y>", True, 1.5, None], "b": b"\0bytes", "c": "k\u00fcche"}
    with pytest.raises(Fault, match="no such page"):
        read_answer(xmlrpc.client.dumps(xmlrpc.client.Fault(121, "no such page")).encode())
    with pytest.raises(Fault, match="without a reason"):
        read_answer(xmlrpc.client.dumps(({},), methodresponse=True).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Please log in</body></html>",
        b"<methodResponse><params>",
        b"<methodResponse><params></params></methodResponse>",
        b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        (
            b'<!DOCTYPE a [<!ENTITY x "ha">]><methodResponse><params><param><value>&x;</value></param></params>'
            b"</methodResponse>"
        ),
        b"<methodResponse><params><param>" + b"<value><array><data>" * 40 + b"</data></array></value>" * 40,
    ],
)
def test_what_is_no_answer_is_no_value(content: bytes) -> None:
    """Half an answer, a page, an entity, a tower of arrays."""
    with pytest.raises(NotXmlRpc):
        read_answer(content)


def test_control_characters_of_a_page_break_no_answer() -> None:
    """XML knows no way to write them; the rest of the page is read."""
    body = (
        b"<methodResponse><params><param><value><string>a\x0cb\x00c</string></value></param></params></methodResponse>"
    )
    assert read_answer(body) == "abc"
