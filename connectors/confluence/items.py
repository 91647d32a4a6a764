"""Pages, blog posts, attachments and comments as items. Their ids are those of the wiki, which survive every move."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from connectors.base import ItemId, ItemRef, Version
from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.facts import ON_PAGES, Fact, Kind, Left
from connectors.confluence.tree import Place

_ID = re.compile(rf"({'|'.join(Kind)})/((?:att)?[1-9][0-9]{{0,18}})")
_PAGE_PATH = re.compile(r"/spaces/[^/]+/(pages|blog)/(?:edit-v2/)?(?:\d{4}/\d{2}/\d{2}/)?([1-9][0-9]*)(?:/|$)")
_SLASH = "\u2215"


def item_of(kind: Kind, content_id: str) -> ItemId:
    return ItemId(f"{kind}/{content_id}")


def parse_item(item: str) -> tuple[Kind, str] | None:
    """What an id names; None of what is no id here."""
    match = _ID.fullmatch(item)
    return (Kind(match[1]), match[2]) if match else None


def left_out(config: ConfluenceConfig, kind: Kind, space: str) -> str:
    """Why nothing of this kind is read there, as a sentence; empty when it is."""
    if kind is Kind.ATTACHMENT and not config.attachments:
        return "Attachments are not read (attachments = false)."
    if kind is Kind.COMMENT and not config.comments:
        return "Comments are not read (comments = false)."
    return config.left_out(space)


def ref_of(config: ConfluenceConfig, fact: Fact, place: Place, *, shows: str = "") -> ItemRef | Left:
    """The item, or why there is none. ``shows`` says which other pages a text shows."""
    if reason := left_out(config, fact.kind, place.space):
        return Left(reason=reason)
    if fact.size is not None and fact.size > config.max_size:
        limit = f"the limit is {config.max_size:,} (max_size)"
        return Left(reason=f'"{fact.title}" has {fact.size:,} bytes; {limit}.')
    url = f"{config.base}{fact.webui}" if fact.webui.startswith("/") else ""
    attached = fact.kind is Kind.ATTACHMENT
    return ItemRef(
        item_id=item_of(fact.kind, fact.content_id),
        name=fact.title if attached else _called(fact, place),
        version=Version(f"{fact.number}-{shows}" if shows else f"{fact.number}"),
        size=fact.size if attached else None,
        modified_at=fact.modified_at,
        url=url,
        pinned_url=_pinned(config, fact, url),
        media_type=(fact.media_type or None) if attached else "text/html",
        parent=item_of(place.text.kind, place.text.content_id) if fact.kind in ON_PAGES else None,
        grant=place.grant,
        tags=fact.labels,
        author=fact.author or None,
    )


def item_at(base: str, where: str) -> ItemId | None:
    """The page that an address names by its number, in either edition's form; None outside of ``base``."""
    parts, own = urlsplit(where), urlsplit(base)
    if not own.netloc or parts.netloc.lower() != own.netloc.lower() or not parts.path.startswith(own.path):
        return None
    number = parse_qs(parts.query).get("pageId", [""])[0]
    if number.isascii() and number.isdigit():
        return item_of(Kind.PAGE, number)
    match = _PAGE_PATH.search(parts.path)
    return item_of(Kind.PAGE if match[1] == "pages" else Kind.BLOG, match[2]) if match else None


# -- helpers ---------------------------------------------------------------------------------------


def _called(fact: Fact, place: Place) -> str:
    """The space and the titles on the way. The ending says how it is read, whatever a title ends with ("Node.js")."""
    own = f"{fact.title} ({fact.content_id})" if fact.kind is Kind.COMMENT else fact.title
    return "/".join(one.replace("/", _SLASH) for one in (place.space, *place.path, own)) + ".html"


def _pinned(config: ConfluenceConfig, fact: Fact, url: str) -> str:
    if fact.kind is Kind.ATTACHMENT:
        return f"{config.base}{fact.download}" if fact.download.startswith("/") else ""
    if not url or fact.kind is Kind.COMMENT:
        return ""
    return f"{url}{'&' if '?' in url else '?'}pageVersion={fact.number}"
