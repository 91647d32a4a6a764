"""Pages and files of a wiki as items: what the API says of a page becomes a ref, or the sentence why there is none.

A page is the item of its page id, which survives renames; its file, where it has one, stands beneath it. The version
of a page names its revision and the text of all that it transcludes, for an edited template changes what it shows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.base import Grant, ItemId, ItemRef, Version
from connectors.errors import SourceUnavailable
from connectors.mediawiki.api import Answer, Api, joined
from connectors.mediawiki.config import WikiConfig
from connectors.mediawiki.files import Files
from connectors.mediawiki.site import FILE, Site

_PROPERTIES = {
    "prop": "info|revisions|templates",
    "inprop": "url",
    "rvprop": "ids|timestamp|sha1|user",
    "tllimit": "max",
}
_IMAGE = {"iiprop": "sha1|size|mime|url|timestamp|user"}
_OF_FILE = "/file"
_ID = re.compile(r"([1-9][0-9]{0,17})(/file)?")


def page_item(page_id: int) -> ItemId:
    """The id of a page's text."""
    return ItemId(str(page_id))


def file_item(page_id: int) -> ItemId:
    """The id of the file that a page describes."""
    return ItemId(f"{page_id}{_OF_FILE}")


def parse_item(item: str) -> tuple[int, bool] | None:
    """The page id, and whether the file is meant; None of what is no id here."""
    match = _ID.fullmatch(item)
    return (int(match[1]), match[2] is not None) if match else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Why a page or file is no item. ``unreadable``: it is one, and cannot be had now."""

    reason: str
    unreadable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page: its text and its file as items. ``transcluded_at`` is when the last of what it transcludes changed;
    ``file_url`` and ``file_sha1`` say where its file is and what it holds."""

    page_id: int
    title: str
    text: ItemRef | Left
    file: ItemRef | Left
    transcluded_at: float = 0.0
    file_url: str = field(default="", repr=False)
    file_sha1: str = ""

    def item(self, *, of_file: bool) -> ItemRef | Left:
        return self.file if of_file else self.text


class Pages:
    """Asks a wiki for pages. ``grant`` is who may read them."""

    def __init__(self, api: Api, config: WikiConfig, site: Site, grant: Grant, files: Files) -> None:
        self._api = api
        self._files = files
        self._config = config
        self._site = site
        self._grant = grant
        self._templates: dict[str, tuple[str, float]] = {}  # title -> digest of its text and when it changed, as of now

    def all(self) -> Iterator[Page]:
        """Every page of the namespaces that are read, without redirects."""
        for space in self._site.namespaces:
            properties = {**_PROPERTIES, **_IMAGE, "prop": _PROPERTIES["prop"] + "|imageinfo"}
            found = self._api.pages(
                generator="allpages",
                gapnamespace=str(space),
                gapfilterredir="nonredirects",
                gaplimit="max",
                **(properties if space == FILE else _PROPERTIES),
            )
            yield from self._made(list(found))

    def of(self, page_ids: Iterable[int]) -> dict[int, Page | None]:
        """These pages as they are now; None of one only where the wiki says that there is no such page."""
        wanted = sorted(set(page_ids))
        found: dict[int, Page | None] = {}
        for start in range(0, len(wanted), self._site.batch):
            part = wanted[start : start + self._site.batch]
            answers = list(
                self._api.pages(
                    pageids=joined(part), **{**_PROPERTIES, **_IMAGE, "prop": _PROPERTIES["prop"] + "|imageinfo"}
                )
            )
            missing = {one.get("pageid") for one in answers if one.get("missing") is True}
            there = {page.page_id: page for page in self._made([one for one in answers if "title" in one])}
            for page_id in part:
                if page_id not in there and page_id not in missing:
                    raise self._strange()
                found[page_id] = there.get(page_id)
        return found

    def transcluding(self, titles: Mapping[str, float]) -> dict[int, float]:
        """The pages that show something of these ones, and when that changed last."""
        wanted, found = sorted(titles), dict[int, float]()
        for start in range(0, len(wanted), self._site.batch):
            pages = self._api.pages(
                titles=joined(wanted[start : start + self._site.batch]),
                prop="transcludedin",
                tiprop="pageid",
                tishow="!redirect",
                tilimit="max",
                tinamespace=joined(list(self._site.namespaces)),
            )
            for page in pages:
                for one in page.get("transcludedin", []):
                    page_id = int(one["pageid"])
                    found[page_id] = max(found.get(page_id, 0.0), titles.get(page["title"], 0.0))
        return found

    # -- from the API's words ----------------------------------------------------------------------

    def _made(self, answers: Sequence[Answer]) -> Iterator[Page]:
        try:
            self._learn_templates({one["title"] for page in answers for one in page.get("templates", [])})
            yield from [self._page(answer) for answer in answers]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise self._strange() from error

    def _strange(self) -> SourceUnavailable:
        return SourceUnavailable(
            "The wiki's answer about its pages is not whole.",
            place=self._config.api,
            hint="Nothing was deleted. The next run asks again.",
        )

    def _learn_templates(self, titles: set[str]) -> None:
        wanted = sorted(titles - self._templates.keys())
        for start in range(0, len(wanted), self._site.batch):
            part = wanted[start : start + self._site.batch]
            for page in self._api.pages(titles=joined(part), prop="revisions", rvprop="sha1|timestamp"):
                last = page.get("revisions", [{}])[0]
                known = (str(last.get("sha1", "hidden")), seconds(last["timestamp"])) if last else ("", 0.0)
                self._templates[page["title"]] = known
            for title in part:
                self._templates.setdefault(title, ("", 0.0))  # a title that cannot be one

    def _page(self, answer: Answer) -> Page:
        page_id, title = int(answer["pageid"]), str(answer["title"])
        templates = sorted(one["title"] for one in answer.get("templates", []))
        revision = answer.get("revisions", [{}])[0]
        image = self._image(answer)
        left = self._left_out(answer, revision)
        return Page(
            page_id=page_id,
            title=title,
            text=left or self._text(answer, revision, templates),
            file=self._file_left_out(answer, image) or self._file(answer, image),
            transcluded_at=max((self._templates[one][1] for one in templates), default=0.0),
            file_url=str(image.get("url", "")),
            file_sha1=str(image.get("sha1", "")),
        )

    def _left_out(self, answer: Answer, revision: Answer) -> Left | None:
        title = answer["title"]
        if (outside := self._outside(answer)) is not None:
            return outside
        if answer.get("redirect"):
            return Left(reason=f'"{title}" is a redirect; the page that it leads to is read instead.')
        if not answer["length"]:
            return Left(reason=f'"{title}" is empty.')
        if "revid" not in revision:
            raise KeyError("revid")
        return None

    def _outside(self, answer: Answer) -> Left | None:
        space = int(answer["ns"])
        if space in self._site.namespaces:
            return None
        return Left(reason=f'"{answer["title"]}" is in namespace {space}, which is not read (namespaces, talk).')

    def _text(self, answer: Answer, revision: Answer, templates: list[str]) -> ItemRef:
        revid = int(revision["revid"])
        facts = [f"{revid}", str(revision.get("sha1", ""))[:16]]
        if templates:
            used = repr([(title, self._templates[title][0]) for title in templates])
            facts.append(hashlib.blake2b(used.encode(), digest_size=8).hexdigest())
        return ItemRef(
            item_id=page_item(int(answer["pageid"])),
            # The ending says how it is read, whatever a title ends with ("Node.js").
            name=f"{answer['title']}.html",
            version=Version("-".join(facts)),
            modified_at=seconds(revision["timestamp"]),
            url=_address(answer.get("fullurl")),
            pinned_url=self._site.pinned(revid),
            media_type="text/html",
            grant=self._grant,
            author=_user(revision),
        )

    def _image(self, answer: Answer) -> Answer:
        """What is said of its file; empty where it has none here."""
        if int(answer["ns"]) != FILE or answer.get("imagerepository") != "local":
            return {}
        image = (answer.get("imageinfo") or [{}])[0]
        return image if "sha1" in image and "filemissing" not in image else {}

    def _file_left_out(self, answer: Answer, image: Answer) -> Left | None:
        title = answer["title"]
        if (outside := self._outside(answer)) is not None:
            return outside
        if not self._config.files:
            return Left(reason="Files are not read (files = false).")
        if not image:
            return Left(reason=f'"{title}" has no file in this wiki.')
        if int(image["size"]) > self._config.max_size:
            most = self._config.max_size
            return Left(reason=f'The file of "{title}" has {image["size"]:,} bytes; the limit is {most:,} (max_size).')
        if refused := self._files.refused(str(image["url"])):
            return Left(reason=f'The file of "{title}" is not fetched. {refused}', unreadable=True)
        return None

    def _file(self, answer: Answer, image: Answer) -> ItemRef:
        page_id, title = int(answer["pageid"]), str(answer["title"])
        return ItemRef(
            item_id=file_item(page_id),
            name=title.partition(":")[2] or title,
            version=Version(f"{image['sha1']}"),
            size=int(image["size"]),
            modified_at=seconds(image["timestamp"]),
            # It opens at its pages, which the page that describes it does not.
            url=_address(image["url"]),
            media_type=str(image.get("mime", "")) or None,
            parent=page_item(page_id),
            grant=self._grant,
            author=_user(image),
        )


# -- helpers ---------------------------------------------------------------------------------------


def seconds(stamp: str) -> float:
    """Seconds since the epoch of a time as the API writes it. Raises ``ValueError``."""
    return datetime.fromisoformat(stamp).timestamp()


def revision_of(version: str) -> str:
    """The revision that a page's version names."""
    return version.partition("-")[0]


def _user(said: Answer) -> str | None:
    """Who is named there; nobody where the name is suppressed."""
    return str(said["user"]) if said.get("user") else None


def _address(value: object) -> str:
    """Only what a browser may open."""
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""


def items(page_id: int, page: Page | None) -> Mapping[ItemId, ItemRef | Left | None]:
    """Both items of a page id; None where the wiki has no such page."""
    if page is None:
        return {page_item(page_id): None, file_item(page_id): None}
    return {page_item(page_id): page.text, file_item(page_id): page.file}
