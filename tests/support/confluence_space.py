"""What a Confluence holds and what people do to it: spaces, pages, blog posts, comments, attachments, and who may read.

It has a clock of its own. As in the real one only a new version moves when a thing was last changed: a move, a label, a
restriction, the trash and the way back from it leave no trace there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.support.confluence_values import READER, WRITER, Content, Kind, NotAllowed, Space, Status, User, Version

BEGAN = 1_700_000_000.0


@dataclass
class Site:
    """``tick`` is how many seconds each change takes; ``live``: the clock is that of this machine."""

    tick: float = 7.0
    live: bool = False
    spaces: dict[str, Space] = field(default_factory=dict)
    contents: dict[int, Content] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=lambda: {READER.key: READER, WRITER.key: WRITER})
    clock: float = BEGAN
    count: int = 65536
    steps: int = 0
    """How many things were changed so far."""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._pages: dict[tuple[str, Kind, str], int] = {}
        self._below: dict[int, dict[int, None]] = {}

    # -- time --------------------------------------------------------------------------------------

    def now(self) -> float:
        return time.time() if self.live else self.clock

    def _tick(self) -> float:
        self.clock = max(time.time(), self.clock + 0.001) if self.live else self.clock + self.tick
        return self.clock

    def wait(self, seconds: float) -> None:
        """Nothing happens for so long."""
        self.clock += seconds

    # -- what people do ----------------------------------------------------------------------------

    def add_space(self, key: str, name: str = "", *, readers: Iterable[str] = (), kind: str = "global") -> Space:
        with self.lock:
            if key in self.spaces:
                raise NotAllowed(f"A space with key {key} exists already")
            made = Space(space_id=self._next(), key=key, name=name or key, readers=frozenset(readers), kind=kind)
            self.spaces[key] = made
            return made

    def change_space(self, key: str, *, status: str | None = None, readers: Iterable[str] | None = None) -> None:
        with self.lock:
            before = self.spaces[key]
            self.steps += 1
            self.spaces[key] = replace(
                before,
                status=before.status if status is None else status,
                readers=before.readers if readers is None else frozenset(readers),
            )

    def remove_space(self, key: str) -> None:
        """With all that it holds."""
        with self.lock:
            del self.spaces[key]
            for content_id in [one.content_id for one in self.contents.values() if one.space == key]:
                self._forget(content_id)

    def put(
        self,
        space: str,
        title: str,
        body: str = "",
        *,
        parent: int | None = None,
        kind: Kind = Kind.PAGE,
        status: Status = Status.CURRENT,
        author: str = WRITER.key,
        inline: bool = False,
    ) -> int:
        """A new page, blog post or comment."""
        with self.lock:
            if kind in {Kind.PAGE, Kind.BLOG}:
                self._check_title(space, kind, title)
            if parent is not None:
                self._check_parent(parent, space)
            first = Version(number=1, at=self._tick(), author=author, title=title, body=body)
            content = Content(
                content_id=self._next(),
                kind=kind,
                space=space,
                parent=parent,
                status=status,
                versions=(first,),
                inline=inline,
            )
            self._store(content)
            return content.content_id

    def edit(
        self,
        content_id: int,
        *,
        title: str | None = None,
        body: str | None = None,
        author: str = WRITER.key,
        message: str = "",
    ) -> None:
        """A new version; a rename is one too."""
        with self.lock:
            before = self.contents[content_id]
            title = before.title if title is None else title
            if title != before.title and before.kind in {Kind.PAGE, Kind.BLOG}:
                self._check_title(before.space, before.kind, title)
            following = replace(
                before.last,
                number=before.last.number + 1,
                at=self._tick(),
                author=author,
                title=title,
                body=before.body if body is None else body,
                message=message,
            )
            self._store(replace(before, versions=(*before.versions, following)))

    def move(self, content_id: int, parent: int | None, *, space: str | None = None) -> None:
        """Below another page, or to the top; what hangs on it and stands below it comes along to another space."""
        with self.lock:
            before = self.contents[content_id]
            goal = space or (self.contents[parent].space if parent is not None else before.space)
            if parent is not None:
                self._check_parent(parent, goal)
                if content_id in {parent, *(one.content_id for one in self.above(self.contents[parent]))}:
                    raise NotAllowed("A page cannot be moved below itself")
            if goal != before.space:
                family = [before, *self._descendants(content_id)]
                for one in family:
                    if one.kind in {Kind.PAGE, Kind.BLOG}:
                        self._check_title(goal, one.kind, one.title)
                for one in family:
                    self._store(replace(one, space=goal))
            self._store(replace(self.contents[content_id], parent=parent))

    def trash(self, content_id: int) -> None:
        """Pages below it move up, as they do when only the page itself is deleted."""
        with self.lock:
            before = self.contents[content_id]
            for child in self.children(content_id, Kind.PAGE):
                self._store(replace(child, parent=before.parent))
            self._store(replace(before, status=Status.TRASHED))

    def restore(self, content_id: int, *, author: str | None = None) -> None:
        """Out of the trash or the archive; to the top where the page above is gone. ``author``: by the API, which makes
        a version of it."""
        with self.lock:
            before = self.contents[content_id]
            if before.kind in {Kind.PAGE, Kind.BLOG} and before.status is Status.TRASHED:
                self._check_title(before.space, before.kind, before.title)
            above = self.contents.get(before.parent) if before.parent is not None else None
            lost = before.kind is Kind.PAGE and (above is None or above.status is not Status.CURRENT)
            self._store(replace(before, status=Status.CURRENT, parent=None if lost else before.parent))
            if author is not None:
                self.edit(content_id, author=author)

    def archive(self, content_id: int) -> None:
        with self.lock:
            self._store(replace(self.contents[content_id], status=Status.ARCHIVED))

    def purge(self, content_id: int) -> None:
        """For good, with what hangs on it."""
        with self.lock:
            before = self.contents[content_id]
            for child in list(self.children(content_id)):
                if child.kind is Kind.PAGE:
                    self._store(replace(child, parent=before.parent))
                else:
                    self.purge(child.content_id)
            self._forget(content_id)

    def restrict(self, content_id: int, readers: Iterable[str] = (), *, editors: Iterable[str] | None = None) -> None:
        """Principals; none lifts the restriction."""
        with self.lock:
            before = self.contents[content_id]
            kept = before.editors if editors is None else frozenset(editors)
            self._store(replace(before, readers=frozenset(readers), editors=kept))

    def label(self, content_id: int, *labels: str) -> None:
        with self.lock:
            before = self.contents[content_id]
            self._store(replace(before, labels=tuple(dict.fromkeys((*before.labels, *labels)))))

    def unlabel(self, content_id: int, label: str) -> None:
        with self.lock:
            before = self.contents[content_id]
            self._store(replace(before, labels=tuple(one for one in before.labels if one != label)))

    def upload(
        self, parent: int, name: str, data: bytes, *, media_type: str = "text/plain", author: str = WRITER.key
    ) -> int:
        """A file on a page; one of that name gets a new version."""
        with self.lock:
            owner = self.contents[parent]
            known = next((one for one in self.children(parent, Kind.ATTACHMENT) if one.title == name), None)
            number = known.last.number + 1 if known else 1
            version = Version(
                number=number, at=self._tick(), author=author, title=name, data=data, media_type=media_type
            )
            content_id = known.content_id if known else self._next()
            self._store(
                replace(known, versions=(*known.versions, version), status=Status.CURRENT)
                if known
                else Content(
                    content_id=content_id, kind=Kind.ATTACHMENT, space=owner.space, parent=parent, versions=(version,)
                )
            )
            return content_id

    # -- what is asked of it -----------------------------------------------------------------------

    def find(self, space: str, title: str, kind: Kind = Kind.PAGE) -> Content | None:
        """What is current or archived under that title."""
        content_id = self._pages.get((space, kind, title))
        return None if content_id is None else self.contents[content_id]

    def children(self, content_id: int, kind: Kind | None = None) -> Iterator[Content]:
        for one in list(self._below.get(content_id, ())):
            child = self.contents[one]
            if kind is None or child.kind is kind:
                yield child

    def above(self, content: Content) -> list[Content]:
        """What stands above it, the nearest last."""
        found: list[Content] = []
        step = content.parent
        while step is not None and (parent := self.contents.get(step)) is not None:
            found.append(parent)
            step = parent.parent
        return found[::-1]

    def may_read(self, user: User | None, content: Content) -> bool:
        """The space must let him, and every restriction on the way down to it; what hangs on something that is not
        there is not there either."""
        if user is None or not self.may_enter(user, content.space):
            return False
        above = self.above(content)
        if content.kind in {Kind.COMMENT, Kind.ATTACHMENT} and any(
            one.status in {Status.TRASHED, Status.DRAFT} for one in above[-1:]
        ):
            return False
        return all(not one.readers or one.readers & user.principals for one in (*above, content))

    def may_enter(self, user: User | None, space: str) -> bool:
        readers = self.spaces[space].readers
        return user is not None and (not readers or bool(readers & user.principals))

    def readable(
        self,
        user: User = READER,
        *,
        spaces: Iterable[str] | None = None,
        kinds: Iterable[Kind] = (Kind.PAGE, Kind.BLOG, Kind.ATTACHMENT),
        statuses: Iterable[Status] = (Status.CURRENT,),
    ) -> dict[int, Content]:
        """The truth: what an index that asks as this user should hold."""
        with self.lock:
            wanted, where, states = set(kinds), None if spaces is None else set(spaces), set(statuses)
            return {
                one.content_id: one
                for one in self.contents.values()
                if one.kind in wanted
                and one.status in states
                and (where is None or one.space in where)
                and self.spaces[one.space].status == "current"
                and self.may_read(user, one)
                and (one.kind is not Kind.ATTACHMENT or self.contents[one.parent or 0].status in states)
            }

    def allowed(self, content: Content) -> list[frozenset[str]]:
        """The sets of principals of which a reader must be in every one."""
        rows = (self.spaces[content.space].readers, *(one.readers for one in self.above(content)), content.readers)
        return [one for one in rows if one]

    # -- helpers -----------------------------------------------------------------------------------

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _descendants(self, content_id: int) -> Iterator[Content]:
        for child in self.children(content_id):
            yield child
            yield from self._descendants(child.content_id)

    def _check_title(self, space: str, kind: Kind, title: str) -> None:
        if (space, kind, title) in self._pages:
            raise NotAllowed(f"A page with this title already exists: {title}")

    def _check_parent(self, parent: int, space: str) -> None:
        above = self.contents.get(parent)
        if above is None or above.status is not Status.CURRENT or above.space != space:
            raise NotAllowed(f"There is no page {parent} in {space} to stand below")

    def _store(self, content: Content) -> None:
        before = self.contents.get(content.content_id)
        if before is not None:
            self._drop_names(before)
        self.steps += 1
        self.contents[content.content_id] = content
        if content.kind in {Kind.PAGE, Kind.BLOG} and content.status in {Status.CURRENT, Status.ARCHIVED}:
            self._pages[content.space, content.kind, content.title] = content.content_id
        if content.parent is not None:
            self._below.setdefault(content.parent, {})[content.content_id] = None

    def _drop_names(self, content: Content) -> None:
        if self._pages.get((content.space, content.kind, content.title)) == content.content_id:
            del self._pages[content.space, content.kind, content.title]
        if content.parent is not None:
            self._below.get(content.parent, {}).pop(content.content_id, None)

    def _forget(self, content_id: int) -> None:
        self.steps += 1
        self._drop_names(self.contents.pop(content_id))
