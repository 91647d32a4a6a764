"""A Confluence in which people work: random changes of every kind, made to what it holds."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.support.confluence_space import Site
from tests.support.confluence_values import READER, Content, Kind, Status

_WORDS = (
    "invoice refund warehouse parcel customer manager contract holiday expense travel laptop password printer "
    "meeting budget supplier delivery warranty return policy badge parking kitchen training safety ladder"
).split()
_LABELS = ("policy", "draft", "it", "hr")
_OTHERS = "group:secretaries"


class ConfluenceChurn:
    """About ``pages`` pages in ``spaces``, the first of which exists. ``kinds`` counts what was done."""

    def __init__(self, site: Site, seed: int, *, pages: int, spaces: tuple[str, ...]) -> None:
        self._site, self._random, self._pages, self._spaces = site, random.Random(seed), pages, spaces
        self._number = 0
        self.kinds: dict[str, int] = {}
        for key in spaces:
            if key not in site.spaces:
                site.add_space(key)
        for _ in range(pages):
            self._create()

    def step(self) -> str:
        """One change; its kind."""
        kinds: dict[str, tuple[int, Callable[[], bool]]] = {
            "create": (3, self._create),
            "write a blog post": (1, self._blog),
            "edit": (8, self._edit),
            "rename": (2, self._rename),
            "move": (3, self._move),
            "move to another space": (1, self._move_away),
            "trash": (2, self._trash),
            "restore": (2, self._restore),
            "archive": (1, self._archive),
            "bring back": (1, self._bring_back),
            "purge": (1, self._purge),
            "restrict": (2, self._restrict),
            "open": (2, self._open),
            "label": (1, self._label),
            "comment": (1, self._comment),
            "upload": (2, self._upload),
            "upload again": (1, self._upload_again),
            "delete a file": (1, self._delete_file),
            "wait": (1, self._wait),
        }
        while True:
            kind = self._random.choices(list(kinds), weights=[weight for weight, _ in kinds.values()])[0]
            if kinds[kind][1]():
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                return kind

    # -- kinds: False when there is nothing to do it with -------------------------------------------

    def _create(self) -> bool:
        if len(self._texts()) > self._pages + 5:
            return False
        space = self._random.choice(self._spaces)
        above = [one.content_id for one in self._texts(Kind.PAGE) if one.space == space]
        parent = self._random.choice(above) if above and self._random.random() < 0.6 else None
        self._site.put(space, self._title(), self._text(), parent=parent)
        return True

    def _blog(self) -> bool:
        if len(self._texts(Kind.BLOG)) > 2:
            return False
        self._site.put(self._random.choice(self._spaces), self._title(), self._text(), kind=Kind.BLOG)
        return True

    def _edit(self) -> bool:
        return self._with(self._texts(), lambda one: self._site.edit(one.content_id, body=self._text()))

    def _rename(self) -> bool:
        return self._with(self._texts(), lambda one: self._site.edit(one.content_id, title=self._title()))

    def _move(self) -> bool:
        one = self._any(self._texts(Kind.PAGE))
        if one is None:
            return False
        goals = [
            each.content_id
            for each in self._texts(Kind.PAGE)
            if each.space == one.space and one.content_id not in {each.content_id, *self._ids_above(each)}
        ]
        self._site.move(one.content_id, self._random.choice([None, *goals]))
        return True

    def _move_away(self) -> bool:
        one = self._any(self._texts(Kind.PAGE))
        others = [key for key in self._spaces if one is not None and key != one.space]
        if one is None or not others:
            return False
        self._site.move(one.content_id, None, space=self._random.choice(others))
        return True

    def _trash(self) -> bool:
        enough = len(self._texts()) > self._pages - 5
        return enough and self._with(self._texts(), lambda one: self._site.trash(one.content_id))

    def _restore(self) -> bool:
        return self._with(
            self._all(Status.TRASHED, Kind.PAGE, Kind.BLOG), lambda one: self._site.restore(one.content_id)
        )

    def _archive(self) -> bool:
        enough = len(self._texts()) > self._pages - 5
        return enough and self._with(self._texts(Kind.PAGE), lambda one: self._site.archive(one.content_id))

    def _bring_back(self) -> bool:
        return self._with(self._all(Status.ARCHIVED, Kind.PAGE), lambda one: self._site.restore(one.content_id))

    def _purge(self) -> bool:
        return self._with(self._all(Status.TRASHED, Kind.PAGE, Kind.BLOG), lambda one: self._site.purge(one.content_id))

    def _restrict(self) -> bool:
        """To others, or to some of whom we are one."""
        readers = self._random.choice([[_OTHERS], [f"user:{READER.key}"], ["group:users", _OTHERS]])
        open_ones = [one for one in self._texts() if not one.readers]
        return self._with(open_ones, lambda one: self._site.restrict(one.content_id, readers))

    def _open(self) -> bool:
        return self._with(
            [one for one in self._texts() if one.readers], lambda one: self._site.restrict(one.content_id)
        )

    def _label(self) -> bool:
        return self._with(self._texts(), lambda one: self._site.label(one.content_id, self._random.choice(_LABELS)))

    def _comment(self) -> bool:
        return self._with(
            self._texts(Kind.PAGE),
            lambda one: self._site.put(one.space, one.title, self._text(), parent=one.content_id, kind=Kind.COMMENT),
        )

    def _upload(self) -> bool:
        if len(self._all(Status.CURRENT, Kind.ATTACHMENT)) > self._pages // 3:
            return False
        self._number += 1
        name = f"Report {self._number}.txt"
        return self._with(self._texts(), lambda one: self._site.upload(one.content_id, name, self._bytes()))

    def _upload_again(self) -> bool:
        files = self._all(Status.CURRENT, Kind.ATTACHMENT)
        return self._with(files, lambda one: self._site.upload(one.parent or 0, one.title, self._bytes()))

    def _delete_file(self) -> bool:
        return self._with(self._all(Status.CURRENT, Kind.ATTACHMENT), lambda one: self._site.trash(one.content_id))

    def _wait(self) -> bool:
        self._site.wait(self._random.choice([30.0, 600.0, 7200.0]))
        return True

    # -- helpers -----------------------------------------------------------------------------------

    def _with(self, contents: list[Content], act: Callable[[Content], object]) -> bool:
        one = self._any(contents)
        if one is not None:
            act(one)
        return one is not None

    def _any(self, contents: list[Content]) -> Content | None:
        return self._random.choice(contents) if contents else None

    def _all(self, status: Status, *kinds: Kind) -> list[Content]:
        return [one for one in self._site.contents.values() if one.status is status and one.kind in kinds]

    def _texts(self, *kinds: Kind) -> list[Content]:
        return self._all(Status.CURRENT, *(kinds or (Kind.PAGE, Kind.BLOG)))

    def _ids_above(self, one: Content) -> list[int]:
        return [up.content_id for up in self._site.above(one)]

    def _title(self) -> str:
        self._number += 1
        return f"Page {self._number} \u00fcber {self._random.choice(_WORDS)}"

    def _sentence(self) -> str:
        self._number += 1
        return " ".join(self._random.choices(_WORDS, k=9)).capitalize() + f" {self._number}."

    def _text(self) -> str:
        return f"<h1>Topic {self._number}</h1><p>{self._sentence()} {self._sentence()}</p><p>{self._sentence()}</p>"

    def _bytes(self) -> bytes:
        return f"{self._sentence()} {self._sentence()}\n".encode()
