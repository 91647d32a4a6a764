"""What a Confluence says of what it holds, in the words of neither edition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a wiki holds; its value begins the ids of items."""

    PAGE = "page"
    BLOG = "blogpost"
    ATTACHMENT = "attachment"
    COMMENT = "comment"


ON_PAGES = frozenset({Kind.ATTACHMENT, Kind.COMMENT})
"""What hangs on a page or blog post, and is seen by who sees that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    space_id: str
    key: str
    kind: str = "global"
    current: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """What a page stands under, or an attachment hangs on: its id, and its type as the wiki calls it."""

    content_id: str
    kind: str


Labels = tuple[str, ...] | None
"""Those of one thing; None: not told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """``above`` is what a page stands under; None at the top. ``on`` is what an attachment or comment hangs on.
    ``webui`` and ``download`` are addresses under the wiki's own. ``labels`` are those that everybody sees; None where
    this answer does not tell them. ``author`` is the name of who made this version, or ``author_id`` their account, as
    the wiki tells it."""

    kind: Kind
    content_id: str
    title: str
    space: str
    number: int
    modified_at: float
    above: Node | None = None
    on: Node | None = None
    webui: str = ""
    download: str = ""
    size: int | None = None
    media_type: str = ""
    labels: Labels = None
    author: str = ""
    author_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Why something is not read although the wiki has it, or had."""

    reason: str


Readers = frozenset[str] | None
"""The principals of one restriction; None: no restriction."""

NOT_TOLD: Readers = frozenset()
"""R7: what cannot be read or expressed lets nobody in."""


def seconds(stamp: object) -> float:
    """Seconds since the epoch of a time as the API writes it. Raises ``ValueError``, ``TypeError``."""
    if not isinstance(stamp, str):
        raise TypeError("no time")
    return datetime.fromisoformat(stamp).timestamp()


def count(value: object) -> int | None:
    """A number of bytes; None where it is not told."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def readers_of(restriction: object) -> Readers:
    """The principals of a read restriction as either edition writes it; nobody where it is not told whole."""
    if not isinstance(restriction, dict) or not isinstance(restriction.get("restrictions"), dict):
        return NOT_TOLD
    lists = [restriction["restrictions"].get(key) for key in ("user", "group")]
    if not all(isinstance(one, dict) and isinstance(one.get("results"), list) for one in lists):
        return NOT_TOLD
    users, groups = lists
    found = {principal("user", one) for one in users["results"]} | {
        principal("group", one) for one in groups["results"]
    }
    whole = all(_is_whole(one) for one in lists)
    # Whom we cannot name is not let in; who else is named still is. A list that goes on names only more of them.
    named = frozenset(found - {""})
    return None if not found and whole else named


def labels_of(listed: object) -> Labels:
    """The labels as either edition writes them, without those that are a person's own (R7): the wiki shows them to that
    person alone. None where they are not told whole: what is not there would count as taken off."""
    if not isinstance(listed, dict) or not isinstance(listed.get("results"), list) or not _is_whole(listed):
        return None
    shown = (one for one in listed["results"] if isinstance(one, dict) and one.get("prefix") == "global")
    return tuple(one["name"] for one in shown if isinstance(one.get("name"), str))


def principal(kind: str, one: object) -> str:
    """``user:NAME`` or ``group:NAME``; of the Cloud's users, who have no names that are their own, the account id.
    Empty where it cannot be written."""
    if not isinstance(one, dict):
        return ""
    keys = ("accountId", "username", "userKey") if kind == "user" else ("name",)
    name = next((one[key] for key in keys if isinstance(one.get(key), str) and one[key]), "")
    name = name.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"{kind}:{name}" if name and name == name.strip() and "\n" not in name else ""


def _is_whole(listed: Mapping[str, Any]) -> bool:
    links, meta = listed.get("_links"), listed.get("meta")
    return not (isinstance(links, dict) and links.get("next")) and not (isinstance(meta, dict) and meta.get("hasMore"))
