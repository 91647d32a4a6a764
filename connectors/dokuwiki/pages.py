"""Pages and files of a DokuWiki as items.

Their ids are their names beneath ``pages/`` and ``media/``, a namespace for a folder: DokuWiki has no other. What
proves a move is a page's text, which is what its users copy. A file hangs on the page of its namespace, the one that a
link to the namespace leads to.
"""

from __future__ import annotations

import html
import re
from collections.abc import Container
from urllib.parse import parse_qs, quote, unquote, urlsplit

from connectors.base import Grant, ItemId, ItemRef, Version
from connectors.dokuwiki.config import DokuConfig
from connectors.dokuwiki.dialects import Fact, Kind
from connectors.paths import item_id, path_of

_LINK = re.compile(r"<a\b[^>]*>")
_HREF = re.compile(r"\shref=\"[^\"]*\"")
_TAGS = re.compile(r"<div class=\"tags\">(.*?)</div>", re.DOTALL)
_TAG = re.compile(r"<a\b[^>]*\srel=\"tag\"[^>]*>(.*?)</a>", re.DOTALL)
_MARK = re.compile(r"<[^>]*>")
_START = "start"
_SAFE = ":/"


def item_of(kind: Kind, name: str) -> ItemId:
    return item_id(f"{kind}/{name.replace(':', '/')}".encode())


def parse_item(item: str) -> tuple[Kind, str] | None:
    """What an id names; a namespace's name is a page's, too. None of what is no id here."""
    path = path_of(item)
    if path is None:
        return None
    try:
        head, _, rest = path.decode().partition("/")
        return (Kind(head), rest.replace("/", ":")) if rest and ":" not in rest else None
    except ValueError:
        return None


def owners(name: str) -> tuple[str, ...]:
    """The pages that a link to a file's namespace may lead to, in the wiki's order."""
    space = name.rpartition(":")[0]
    return (f"{space}:{_START}", f"{space}:{space.rpartition(':')[2]}", space) if space else ()


class Items:
    """Makes refs of facts. ``grant`` is who may read."""

    def __init__(self, config: DokuConfig, grant: Grant) -> None:
        self._config = config
        self._grant = grant

    def of(self, fact: Fact, pages: Container[str]) -> ItemRef | str:
        """The item, or the sentence why there is none. ``pages`` are those that there are, where that was asked."""
        if reason := self._left_out(fact):
            return reason
        return self._page(fact) if fact.kind is Kind.PAGE else self._file(fact, pages)

    def _left_out(self, fact: Fact) -> str:
        if reason := self._config.left_out(fact.name):
            return reason
        if fact.kind is Kind.FILE and not self._config.files:
            return "Files are not read (files = false)."
        if fact.kind is Kind.FILE and fact.size > self._config.max_size:
            return f'"{fact.name}" has {fact.size:,} bytes; the limit is {self._config.max_size:,} (max_size).'
        return ""

    def _page(self, fact: Fact) -> ItemRef:
        return ItemRef(
            item_id=item_of(fact.kind, fact.name),
            # The ending says how it is read, whatever a name ends with ("node.js").
            name=_called(fact.kind, fact.name),
            version=Version(f"{fact.revision}-{fact.digest[:16]}"),
            size=fact.size,
            modified_at=float(fact.revision),
            file_key=fact.digest,
            move_key="md5",
            url=self._address(fact.kind, fact.name),
            pinned_url=self._address(fact.kind, fact.name, fact.revision),
            media_type="text/html",
            grant=self._grant,
            author=fact.author,
        )

    def _file(self, fact: Fact, pages: Container[str]) -> ItemRef:
        owner = next((page for page in owners(fact.name) if page in pages and not self._config.left_out(page)), None)
        return ItemRef(
            item_id=item_of(fact.kind, fact.name),
            name=_called(fact.kind, fact.name),
            version=Version(f"{fact.revision}-{fact.size}"),
            size=fact.size,
            modified_at=float(fact.revision),
            url=self._address(fact.kind, fact.name),
            pinned_url=self._address(fact.kind, fact.name, fact.revision),
            parent=item_of(Kind.PAGE, owner) if owner is not None else None,
            grant=self._grant,
            author=fact.author,
        )

    def _address(self, kind: Kind, name: str, revision: int | None = None) -> str:
        program, key = ("doku.php", "id") if kind is Kind.PAGE else ("lib/exe/fetch.php", "media")
        pin = f"&rev={revision}" if revision is not None else ""
        return f"{self._config.base}/{program}?{key}={quote(name, safe=_SAFE)}{pin}"


def item_at(base: str, where: str) -> ItemId | None:
    """The item that an address names, in any of the forms that wikis write them in; None outside of ``base``."""
    parts, own = urlsplit(where), urlsplit(base)
    if not own.netloc or parts.netloc.lower() != own.netloc.lower() or not parts.path.startswith(own.path):
        return None
    path, asked = parts.path[len(own.path) :].strip("/"), parse_qs(parts.query)
    for key, kind in (("id", Kind.PAGE), ("media", Kind.FILE)):
        if key in asked:
            return item_of(kind, asked[key][0].strip(":").replace("/", ":"))
    path = path.removeprefix("doku.php").strip("/")
    head, _, rest = path.partition("/")
    kind, name = (Kind.FILE, rest) if head == "_media" else (Kind.PAGE, path)
    name = unquote(name).replace("/", ":").strip(":")
    return item_of(kind, name) if name and not name.endswith(".php") else None


def title_of(name: str) -> str:
    """How a page is called that has no heading: the last part of its name."""
    return name.rpartition(":")[2].replace("_", " ")


def settled(markup: str) -> str:
    """What a page shows without what its links say of other pages: whether these exist changes no word of it."""
    return _LINK.sub(lambda tag: f"<a{href[0]}>" if (href := _HREF.search(tag[0])) else "<a>", markup)


def tags_in(markup: str) -> tuple[str, ...]:
    """What the tag plugin shows of a page's own tags; lists of pages show those of others outside of such a box."""
    shown = (link for box in _TAGS.findall(markup) for link in _TAG.findall(box))
    return tuple(html.unescape(_MARK.sub("", words)) for words in shown)


def _called(kind: Kind, name: str) -> str:
    last = name.rpartition(":")[2]
    return f"{last}.html" if kind is Kind.PAGE else last
