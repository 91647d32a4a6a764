"""What a Confluence says of labels and people, as both editions write it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from connectors.confluence.api import Api, Missing, NotAsked, Refused
from connectors.confluence.facts import Labels, labels_of
from connectors.confluence.people import People, name_of
from connectors.errors import AuthRejected, SourceUnavailable
from connectors.web.client import Hiccup


def rows(*labels: str) -> dict[str, Any]:
    return {"results": [{"prefix": prefix, "name": name} for prefix, name in (one.split(":") for one in labels)]}


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        (rows("global:policy", "global:hr"), ("policy", "hr")),
        (rows(), ()),
        (rows("my:favourite", "team:core", "global:policy"), ("policy",)),
        ({**rows("global:policy"), "_links": {"self": "x"}, "meta": {"hasMore": False}}, ("policy",)),
        ({**rows("global:policy"), "_links": {"next": "x"}}, None),
        ({**rows("global:policy"), "meta": {"hasMore": True}}, None),
        ({"results": [{"name": "policy"}, {"prefix": "global", "name": None}, "policy"]}, ()),
        ({"results": None}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_labels_are_those_of_everybody_and_whole(said: object, labels: Labels) -> None:
    """R7: personal ones are left out; what is not told, or not to its end, is not the same as none."""
    assert labels_of(said) == labels


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"type": "known", "displayName": "Ann", "publicName": "ann"}, "Ann"),
        ({"displayName": "", "publicName": "ann"}, "ann"),
        ({"type": "anonymous", "displayName": "Anonymous"}, ""),
        ({"displayName": 7}, ""),
        (None, ""),
    ],
)
def test_a_person_has_a_name_or_none(person: object, name: str) -> None:
    """Nobody in particular is nobody, whatever the wiki calls them."""
    assert name_of(person) == name


class Asked:
    """An API that answers one question with what it was given, or raises that."""

    def __init__(self, answer: object, *, known: bool = True) -> None:
        self.answer, self.known, self.count = answer, known, 0

    def ask(self, path: str, **params: str) -> dict[str, Any]:
        assert (path, params) == ("/rest/api/user", {"accountId": "7:a"})
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast("dict[str, Any]", self.answer)

    def who(self) -> None:
        if not self.known:
            raise AuthRejected("The wiki does not know us by our login.", place="x", hint="x")


def failure(kind: type[SourceUnavailable]) -> SourceUnavailable:
    return kind("It failed.", place="x", hint="x")


@pytest.mark.parametrize(
    ("answer", "name", "asked"),
    [
        ({"displayName": "Ann"}, "Ann", 1),
        ({}, "", 1),
        (failure(Missing), "", 1),
        (failure(NotAsked), "", 1),
        (failure(Refused), "", 1),
        (failure(Hiccup), "", 2),
    ],
)
def test_a_person_is_asked_for_once_and_stops_nothing(answer: object, name: str, asked: int) -> None:
    """What the wiki does not tell is remembered; only what passes by itself is asked again."""
    api = Asked(answer)
    people = People(cast("Api", api))
    assert [people.name("7:a"), people.name("7:a")] == [name, name]
    assert api.count == asked


def test_a_login_that_ended_is_no_person_without_a_name() -> None:
    """It is an outage."""
    people = People(cast("Api", Asked(failure(Refused), known=False)))
    with pytest.raises(AuthRejected):
        people.name("7:a")
