"""What a scripted Confluence is made of: spaces, contents with their versions, users."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    PAGE = "page"
    BLOG = "blogpost"
    COMMENT = "comment"
    ATTACHMENT = "attachment"


class Status(StrEnum):
    CURRENT = "current"
    ARCHIVED = "archived"
    TRASHED = "trashed"
    DRAFT = "draft"


class NotAllowed(Exception):
    """Confluence refuses it: a title that is taken, an attachment without a page."""


@dataclass(frozen=True, kw_only=True)
class User:
    """``key`` is the account id in the cloud, the user key in a data center."""

    key: str
    name: str
    email: str = ""
    groups: frozenset[str] = frozenset({"users"})
    time_zone: str = "Europe/Berlin"

    @property
    def principals(self) -> frozenset[str]:
        return frozenset({f"user:{self.key}", *(f"group:{one}" for one in self.groups)})


@dataclass(frozen=True, kw_only=True)
class Space:
    """``readers`` are principals; nobody named: everybody with an account."""

    space_id: int
    key: str
    name: str
    kind: str = "global"
    status: str = "current"
    readers: frozenset[str] = frozenset()
    homepage: int | None = None


@dataclass(frozen=True, kw_only=True)
class Version:
    number: int
    at: float
    author: str
    title: str
    body: str = ""
    message: str = ""
    data: bytes | None = None
    media_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Content:
    """``parent`` is the page above a page, and what an attachment or a comment hangs on. ``readers`` and ``editors``
    are the principals of its own restrictions; nobody named: what stands above decides."""

    content_id: int
    kind: Kind
    space: str
    parent: int | None = None
    status: Status = Status.CURRENT
    versions: tuple[Version, ...]
    labels: tuple[str, ...] = ()
    readers: frozenset[str] = frozenset()
    editors: frozenset[str] = frozenset()
    inline: bool = False

    @property
    def last(self) -> Version:
        return self.versions[-1]

    @property
    def title(self) -> str:
        return self.last.title

    @property
    def body(self) -> str:
        return self.last.body

    @property
    def modified(self) -> float:
        return self.last.at


READER = User(key="acc-reader", name="Reader", email="reader@example.com")
WRITER = User(key="acc-writer", name="Writer", email="writer@example.com", time_zone="UTC")
