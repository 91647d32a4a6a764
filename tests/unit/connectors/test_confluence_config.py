"""The settings of a Confluence source: every problem at once, in words; its ids, its cursors, who may read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from connectors.base import Grant
from connectors.confluence import check, item_at
from connectors.confluence.config import Edition, parse_settings
from connectors.confluence.dialects import Search
from connectors.confluence.facts import Fact, Kind, Node, readers_of
from connectors.confluence.feed import OVERLAP_S, WEST_S, Cursor, ahead, measured, question, read_cursor
from connectors.confluence.includes import Includes, Shown, Used, stamp, used_by
from connectors.confluence.items import item_of, parse_item, ref_of
from connectors.confluence.tree import Place

CLOUD = "https://company.atlassian.net/wiki"
CENTER = "https://confluence.example/conf"


@pytest.mark.parametrize(
    ("url", "base", "edition"),
    [
        (CLOUD, CLOUD, Edition.CLOUD),
        ("https://company.atlassian.net", CLOUD, Edition.CLOUD),
        ("https://company.atlassian.net/wiki/spaces/HR/pages/12/Title", CLOUD, Edition.CLOUD),
        (
            "https://api.atlassian.com/ex/confluence/1-2-3",
            "https://api.atlassian.com/ex/confluence/1-2-3/wiki",
            Edition.CLOUD,
        ),
        (CENTER, CENTER, Edition.DATA_CENTER),
        (f"{CENTER}/display/HR/Title", CENTER, Edition.DATA_CENTER),
        (f"{CENTER}/rest/api/content", CENTER, Edition.DATA_CENTER),
        ("http://127.0.0.1:8090/", "http://127.0.0.1:8090", Edition.DATA_CENTER),
    ],
)
def test_the_address_of_the_wiki(url: str, base: str, edition: Edition) -> None:
    """It is given itself, or by a page; hosts of Atlassian's are the Cloud."""
    config = parse_settings("w", {"url": url})
    assert (config.base, config.edition) == (base, edition)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "url is missing"),
        ({"url": "https://user:secret@wiki.example/"}, "no user name or password"),
        ({"url": f"{CENTER}/pages/viewpage.action?pageId=1"}, "url must have no ?"),
        ({"url": "http://wiki.example/"}, "url must begin with https://"),
        ({"url": CLOUD, "space": ["x"]}, 'did you mean "spaces"'),
        ({"url": CLOUD, "spaces": "HR"}, "spaces must be a list of the keys"),
        ({"url": CLOUD, "exclude_spaces": ['H"R']}, "exclude_spaces must be a list"),
        ({"url": CLOUD, "edition": "server"}, "edition must be"),
        ({"url": CLOUD, "username": "a@b.example"}, "username needs password_file"),
        ({"url": CLOUD, "token_file": "/x"}, "an API token of the Cloud is a password"),
        ({"url": CENTER, "token_file": "/x", "permissions": ["public"]}, "public and a login exclude each other"),
        ({"url": CENTER, "comments": "yes"}, "comments must be true or false"),
        ({"url": CENTER, "rate": 0}, "rate must be a number"),
        ({"url": CENTER, "hosts": ["https://x/"]}, "hosts must be a list"),
    ],
)
def test_problems_are_named(settings: dict[str, object], words: str) -> None:
    """Each says what is wrong, and none repeats a secret."""
    problems = check("w", settings)
    assert any(words in problem for problem in problems), problems
    assert not any("secret" in problem for problem in problems)


@pytest.mark.parametrize(
    ("spaces", "left", "space", "words"),
    [
        ([], [], "HR", ""),
        ([], [], "~anna", "of a person"),
        (["~anna"], [], "~anna", ""),
        (["HR"], [], "IT", "none of those"),
        (["HR", "IT"], ["IT"], "IT", "exclude_spaces"),
    ],
)
def test_spaces_are_chosen(spaces: list[str], left: list[str], space: str, words: str) -> None:
    """Those that are named, or all but those of persons; with the reason of what is left out."""
    reason = parse_settings("w", {"url": CLOUD, "spaces": spaces, "exclude_spaces": left}).left_out(space)
    assert words in reason
    assert bool(words) == bool(reason)


@pytest.mark.parametrize(
    ("where", "item"),
    [
        (f"{CLOUD}/spaces/HR/pages/12/Some+Title", "page/12"),
        (f"{CLOUD}/spaces/HR/pages/edit-v2/12", "page/12"),
        (f"{CLOUD}/spaces/HR/blog/2024/01/31/34/News", "blogpost/34"),
        (f"{CLOUD}/pages/viewpage.action?pageId=12&pageVersion=3", "page/12"),
        (f"{CLOUD}/spaces/HR/overview", None),
        ("https://elsewhere.example/wiki/spaces/HR/pages/12", None),
        ("page/12", None),
    ],
)
def test_an_address_names_a_page(where: str, item: str | None) -> None:
    """By its number; a title tells none."""
    assert item_at({"url": CLOUD}, where) == item


@pytest.mark.parametrize("item", ["page/12", "blogpost/3", "attachment/att12", "attachment/12", "comment/5"])
def test_ids_tell_what_they_name(item: str) -> None:
    """An id is the wiki's own, after the kind of thing that it is."""
    parsed = parse_item(item)
    assert parsed is not None
    assert item_of(*parsed) == item


@pytest.mark.parametrize("item", ["12", "page", "page/", "page/0", "page/x", "page/12/file", "space/12", "page/att1/2"])
def test_what_is_no_id_names_nothing(item: str) -> None:
    """So that nobody is asked for it."""
    assert parse_item(item) is None


def restriction(users: object, groups: object) -> dict[str, object]:
    return {"operation": "read", "restrictions": {"user": users, "group": groups}}


NONE = {"results": [], "size": 0}


@pytest.mark.parametrize(
    ("said", "readers"),
    [
        (restriction(NONE, NONE), None),
        (restriction({"results": [{"type": "known", "username": "anna"}]}, NONE), {"user:anna"}),
        (restriction({"results": [{"accountId": "557058:ab-c"}]}, NONE), {"user:557058%3Aab-c"}),
        (restriction(NONE, {"results": [{"type": "group", "name": "h r"}, {"name": "it"}]}), {"group:h r", "group:it"}),
        (restriction(NONE, {"results": [{"id": "1"}]}), set()),
        (restriction({"results": [{"displayName": "Anna"}]}, {"results": [{"name": "it"}]}), {"group:it"}),
        (restriction(NONE, {"results": [], "_links": {"next": "/more"}}), set()),
        (restriction(NONE, None), set()),
        ({"operation": "read"}, set()),
        ({}, set()),
        (None, set()),
        ([], set()),
    ],
)
def test_r7_who_a_restriction_lets_in(said: object, readers: set[str] | None) -> None:
    """None is no restriction, and said by two empty lists alone; what is not told, or cannot be named, lets nobody in."""
    assert readers_of(said) == (None if readers is None else frozenset(readers))


AT = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("UTC", 0),
        ("Pacific/Kiritimati", 14),
        ("America/St_Johns", -3.5),
        ("Etc/GMT+12", -12),
        ("", None),
        ("Nowhere/Atlantis", None),
        ("../../etc/passwd", None),
    ],
)
def test_zones_that_are_told(zone: str, hours: float | None) -> None:
    """Where one is not told, or not known, it has to be measured."""
    assert ahead(zone, AT) == (None if hours is None else hours * 3600)


class Index:
    """Answers searches in a zone of its own; nothing where the page is not in it yet."""

    def __init__(self, hours: float, *there: Fact) -> None:
        self.hours, self.there, self.asked = hours, there, 0

    def found(self, cql: str) -> list[Fact]:
        self.asked += 1
        begins = datetime.fromisoformat(cql.partition('"')[2].rstrip('"') + "+00:00").timestamp() - self.hours * 3600
        return [one for one in self.there if one.modified_at >= begins]


@pytest.mark.parametrize("hours", [-12, -9.5, -3.5, 0, 1, 5.75, 12.75, 14])
def test_a_zone_is_measured_by_a_page(hours: float) -> None:
    """Exactly, by a few searches for a page whose time is known; too far in the west where that is not found, or was
    edited meanwhile: then a search begins too early, and never too late."""
    page = fact("1", "Title")
    index = Index(hours, page)
    assert measured(cast("Search", index), page) == hours * 3600
    assert index.asked <= 8
    assert measured(cast("Search", Index(hours)), page) == WEST_S
    assert measured(cast("Search", Index(hours, replace(page, number=2, modified_at=AT + 90000))), page) == WEST_S


def test_the_search_names_kinds_and_spaces() -> None:
    """With the overlap; what would end a text in it is escaped."""
    cql = question(AT + OVERLAP_S, kinds=[Kind.PAGE, Kind.BLOG], spaces=["HR", 'a"b'], ahead_s=0)
    assert cql == 'lastmodified >= "2023-11-14 22:13" and type in (page, blogpost) and space in ("HR", "a\\"b")'


def test_a_cursor_is_read_as_it_was_written() -> None:
    """With the settings that it was made with; of anything else there is none, and everything is listed."""
    cursor = Cursor(at=AT, listed_at=AT + 1, settings="abc", ahead_s=3600.0, seen={"12": 3, "att4": 1})
    assert read_cursor(cursor.write(), "abc") == cursor
    for other in (None, "", "null", "[]", "[1,2]", cursor.write()[:-3], cursor.write().replace("[1,", "[0,", 1)):
        assert read_cursor(other, "abc") is None
    assert read_cursor(cursor.write(), "other settings") is None


def fact(number: str, title: str, *, version: int = 1) -> Fact:
    return Fact(kind=Kind.PAGE, content_id=number, title=title, space="HR", number=version, modified_at=AT)


def test_what_a_text_shows_is_followed_to_its_end() -> None:
    """Each page once, whatever includes what; one that others may not see is named, and not shown (R7)."""
    pages = {"A": fact("1", "A"), "B": fact("2", "B", version=5), "C": fact("3", "C"), "S": fact("4", "S")}
    named = {"1": ["B", "S"], "2": ["C", "A"], "3": ["B", "Gone"], "4": ["C"]}
    places = {"S": "page/4"}

    def used(place: str) -> tuple[Used, ...]:
        return used_by(
            Shown(fact=pages["A"], place=place),
            names_of=lambda one: [("", title) for title in named[one.content_id]],
            resolve=lambda name: (
                Shown(fact=pages[name[1]], place=places.get(name[1], "source")) if name[1] in pages else None
            ),
        )

    shown = {one.name[1]: (one.content_id, one.number) for one in used("source")}
    assert shown == {"B": ("2", 5), "C": ("3", 1), "S": ("", 0), "Gone": ("", 0)}
    assert {one.name[1]: one.content_id for one in used("page/4")}["S"] == "4"
    assert stamp(used("source")) != stamp(used("page/4"))
    assert stamp(()) == ""


def test_includes_are_remembered_in_a_file(tmp_path: Path) -> None:
    """And forgotten with it, or with a text that names none any more; a line cut short is none, and costs no other."""
    folder = tmp_path / "cache"
    known = Includes(folder)
    known.learn("1", [("HR", "B")], [Used(name=("HR", "B"), content_id="2", number=5), Used(name=("HR", "C"))])
    again = Includes(folder)
    assert again.names("1") == (("HR", "B"),)
    assert again.showing([fact("2", "Renamed")]) == {"1"}
    assert again.showing([fact("9", "C")]) == {"1"}
    assert again.showing([fact("9", "D")]) == frozenset()
    again.learn("1", [])
    assert Includes(folder).names("1") == ()
    known.learn("5", [("HR", "E F")])
    file = folder / "includes.jsonl"
    file.write_bytes(file.read_bytes()[:-4])
    torn = Includes(folder)
    assert torn.names("5") == ()
    torn.learn("6", [("HR", "G")])
    assert Includes(folder).names("6") == (("HR", "G"),)


def test_the_file_of_includes_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Lines that no longer count go at the next start."""
    known = Includes(tmp_path)
    for number in range(1_100):
        known.learn("1", [("HR", f"B {number}")])
    again = Includes(tmp_path)
    assert again.names("1") == (("HR", "B 1099"),)
    assert len((tmp_path / "includes.jsonl").read_bytes().split(b"\n")) < 5
    assert Includes(tmp_path).names("1") == again.names("1")


def test_a_page_is_called_by_its_path() -> None:
    """Space and titles, without a slash in any; the version that was read has an address of its own."""
    config = parse_settings("w", {"url": CLOUD})
    page = Fact(
        kind=Kind.PAGE,
        content_id="12",
        title="CI/CD",
        space="IT",
        number=3,
        modified_at=AT,
        above=Node(content_id="1", kind="folder"),
        webui="/spaces/IT/pages/12/CI+CD",
    )
    place = Place(space="IT", path=("Top", "Build"), grant=Grant(place="source"), text=page)
    ref = ref_of(config, page, place, shows="abc")
    assert not isinstance(ref, str)
    assert ref.name == "IT/Top/Build/CI\u2215CD.html"
    assert ref.version == "3-abc"
    assert ref.pinned_url == f"{CLOUD}/spaces/IT/pages/12/CI+CD?pageVersion=3"
