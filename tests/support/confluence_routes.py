"""How a scripted Confluence is asked and answers: routes with their pages of documentation, refusals, results in parts."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode
from zoneinfo import ZoneInfo

from tests.support.confluence_space import Site
from tests.support.confluence_values import Content, Kind, User
from tests.support.web_server import Answer, Asked

if TYPE_CHECKING:
    from tests.support.confluence_server import Confluence

NO_PAGE = "no page of documentation was found"


class Refused(Exception):
    """``status`` is what the documentation names for it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def not_found(what: str) -> Refused:
    """Also for what the account may not see: the answers do not differ."""
    return Refused(404, f"No content found with id: {what}")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request with who asks it; ``path`` is without the context."""

    wiki: Confluence
    asked: Asked
    path: str
    user: User | None
    fields: Mapping[str, Sequence[str]]

    @property
    def site(self) -> Site:
        return self.wiki.site

    @property
    def who(self) -> User:
        if self.user is None:
            raise Refused(403, "This is for users who are logged in")
        return self.user

    def one(self, name: str, otherwise: str = "") -> str:
        return self.fields[name][-1] if self.fields.get(name) else otherwise

    def many(self, name: str) -> list[str]:
        """Of a parameter that may be repeated, or hold a list with commas."""
        return [part for value in self.fields.get(name, ()) for part in value.split(",") if part]

    def number(self, name: str, otherwise: int, *, least: int = 0, most: int | None = None) -> int:
        try:
            found = int(self.one(name, str(otherwise)))
        except ValueError:
            raise Refused(400, f"{name} must be a number") from None
        if found < least or (most is not None and found > most):
            raise Refused(400, f"{name} is out of range")
        return found

    def json(self) -> Any:
        try:
            return json.loads(self.asked.body)
        except ValueError:
            raise Refused(400, "The body is no JSON") from None

    def content(self, wanted: str, *kinds: Kind) -> Content:
        """What is there and may be seen, whatever its state."""
        digits = wanted.removeprefix("att")
        found = self.site.contents.get(int(digits)) if digits.isdigit() else None
        if found is None or (kinds and found.kind not in kinds) or not self.site.may_read(self.user, found):
            raise not_found(wanted)
        return found

    def seen(self, contents: Sequence[Content]) -> list[Content]:
        return [one for one in contents if self.site.may_read(self.user, one)]


@dataclass(frozen=True, kw_only=True)
class Route:
    """``page`` documents it; {} in ``path`` stands for one part of an address."""

    method: str
    path: str
    answer: Callable[..., Answer]
    page: str

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        if method != self.method:
            return None
        found = re.fullmatch(self.path.replace("{}", "([^/]+)"), path.rstrip("/"))
        return None if found is None else tuple(unquote(part) for part in found.groups())


def sent(said: object, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    return Answer(
        status=status, body=json.dumps(said).encode(), headers=(("Content-Type", "application/json"), *headers)
    )


def nothing() -> Answer:
    return Answer(status=204)


def name_of(content: Content) -> str:
    """Its id as the API writes it."""
    return f"att{content.content_id}" if content.kind is Kind.ATTACHMENT else str(content.content_id)


def moment(at: float, zone: str = "UTC") -> str:
    """With milliseconds; in the cloud in UTC, in a data center in the zone of the server."""
    found = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields_of(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name.removesuffix("[]"), []).append(value)
    return found


# -- results in parts ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Part:
    """``next`` is the query of what follows; empty at the end."""

    rows: Sequence[Any]
    next: str = ""
    start: int = 0
    limit: int = 0
    cursor: str = ""


def by_offset(question: Question, rows: Sequence[Any], *, limit: int, most: int) -> Part:
    """``start`` and ``limit``: what is deleted meanwhile moves everything behind it one forward."""
    limit = min(question.number("limit", limit), most, question.wiki.part or most)
    start = question.number("start", 0)
    found = rows[start : start + limit]
    following = ""
    if start + limit < len(rows) and limit:
        following = _query(question, {"limit": str(limit), "start": str(start + limit)}, without=("cursor",))
    return Part(rows=found, next=following, start=start, limit=limit)


def by_cursor(
    question: Question,
    rows: Sequence[Any],
    *,
    key: Callable[[Any], Any],
    limit: int,
    most: int = 250,
    falls: bool = False,
) -> Part:
    """An opaque cursor that remembers after which row to go on; ``rows`` are in the order of ``key``, which no two
    share, falling or rising. What comes or goes meanwhile moves nothing else."""
    limit = min(question.number("limit", limit, least=1, most=most), question.wiki.part or most)
    start = 0
    if cursor := question.one("cursor"):
        last = _opened(question, cursor)  # its row may be gone by now
        start = sum(key(row) >= last if falls else key(row) <= last for row in rows)
    found = rows[start : start + limit]
    following = ""
    if start + limit < len(rows):
        following = _query(question, {"limit": str(limit), "cursor": _closed(question, key(found[-1]))})
    return Part(rows=found, next=following, start=start, limit=limit)


def by_search_cursor(question: Question, rows: Sequence[Any], *, limit: int, most: int) -> Part:
    """The cursor of a search: opaque, and no more than a place in its results, which may move."""
    limit = min(question.number("limit", limit), most, question.wiki.part or most)
    cursor = question.one("cursor")
    start = int(_opened(question, cursor)) if cursor else question.number("start", 0)
    following = ""
    if start + limit < len(rows) and limit:
        following = _query(
            question, {"limit": str(limit), "cursor": _closed(question, start + limit)}, without=("start",)
        )
    return Part(rows=rows[start : start + limit], next=following, start=start, limit=limit)


def _query(question: Question, changed: Mapping[str, str], *, without: Sequence[str] = ()) -> str:
    kept = [
        (name, value)
        for name, values in question.fields.items()
        for value in values
        if name not in changed and name not in without
    ]
    return urlencode([*kept, *changed.items()])


def _closed(question: Question, place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps([question.wiki.cursors, place]).encode()).decode()


def _opened(question: Question, cursor: str) -> Any:
    try:
        age, place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error):
        raise Refused(400, "The provided cursor is invalid") from None
    if age != question.wiki.cursors:
        raise Refused(400, "The provided cursor is expired")
    return place


# -- files that are sent ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Upload:
    name: str
    data: bytes
    media_type: str
    fields: Mapping[str, str] = field(default_factory=dict)


def uploaded(asked: Asked) -> Upload:
    """The file of a form with several parts, in the field ``file``."""
    kind = {key.lower(): value for key, value in asked.headers.items()}.get("content-type", "")
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.startswith("multipart/form-data") or boundary is None:
        raise Refused(400, "A form with a file is expected")
    found, values = None, {}
    for part in asked.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        words = head.decode()
        name = re.search(r'name="([^"]*)"', words)
        filename = re.search(r'filename="([^"]*)"', words)
        media_type = re.search(r"(?i)content-type: *([^\r\n]+)", words)
        if filename is not None:
            kind = media_type[1] if media_type else "application/octet-stream"
            found = (filename[1], data.removesuffix(b"\r\n"), kind)
        elif name is not None:
            values[name[1]] = data.removesuffix(b"\r\n").decode()
    if found is None:
        raise Refused(400, "At least one attachment file part was expected")
    return Upload(name=found[0], data=found[1], media_type=found[2], fields=values)
