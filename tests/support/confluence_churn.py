"""A Confluence that people edit: random changes of every kind. The wiki's own clock goes on with each."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.support.confluence_bench import GROUP, item_of
from tests.support.confluence_space import READER, Content, Kind, Site, Status

_WORDS = (
    "invoice refund warehouse parcel customer manager contract holiday expense travel laptop password printer "
    "meeting budget supplier delivery warranty return policy badge parking kitchen training safety ladder"
).split()
_INCLUDE = (
    '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="{0}"/>'
    "</ac:link></ac:parameter></ac:structured-macro>"
)
OTHER = "OPS"
_NOBODY_ELSE = f"user:{READER.key}"
"""Whom the account that reads is, and nobody who searches."""


class ConfluenceChurn:
    """``kinds`` counts what was done. Changes its own space and one more."""

    def __init__(self, site: Site, space: str, seed: int) -> None:
        self._site = site
        self._space = space
        self._random = random.Random(seed)
        self._number = 0
        self._most = len(site.contents) + 8
        self._least = max(1, len(site.contents) - 3)
        self.kinds: dict[str, int] = {}
        site.add_space(OTHER)
        for _ in range(3):
            site.put(OTHER, self._title(), self._text())

    def step(self) -> str:
        """One change; its kind."""
        kinds: dict[str, Callable[[], bool]] = {
            "create": self._create,
            "edit": self._edit,
            "rename": self._rename,
            "move": self._move,
            "move to another space": self._move_away,
            "trash": self._trash,
            "archive": self._archive,
            "restore": self._restore,
            "restrict": self._restrict,
            "lift a restriction": self._lift,
            "upload": self._upload,
            "delete a file": self._delete_file,
            "write a post": self._post,
        }
        while True:
            kind = self._random.choices(list(kinds), weights=[3, 8, 2, 3, 1, 2, 1, 2, 2, 2, 3, 1, 1])[0]
            if kinds[kind]():
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                return kind

    def hidden(self) -> set[str]:
        """What the account may read and nobody who searches may."""
        return {
            item_of(one)
            for one in self._site.readable(READER).values()
            if not all(GROUP in rows for rows in self._site.allowed(one))
        }

    def there(self) -> list[Content]:
        """The pages that there are."""
        return [one for one in self._site.contents.values() if one.kind is Kind.PAGE and one.status is Status.CURRENT]

    # -- kinds: False when there is nothing to do it with -------------------------------------------

    def _create(self) -> bool:
        if len(self.there()) > self._most:
            return False
        above = self._any() if self._random.random() < 0.5 else None
        space = self._space if above is None else above.space
        self._site.put(space, self._title(), self._text(), parent=above.content_id if above else None)
        return True

    def _edit(self) -> bool:
        self._site.edit(self._any().content_id, body=self._text())
        return True

    def _rename(self) -> bool:
        self._site.edit(self._any().content_id, title=self._title())
        return True

    def _move(self) -> bool:
        page, goal = self._any(), self._any()
        if goal.space != page.space or page in (goal, *self._site.above(goal)):
            return False
        self._site.move(page.content_id, goal.content_id)
        return True

    def _move_away(self) -> bool:
        page = self._any()
        self._site.move(page.content_id, None, space=OTHER if page.space == self._space else self._space)
        return True

    def _trash(self) -> bool:
        if len(self.there()) < self._least:
            return False
        self._site.trash(self._any().content_id)
        return True

    def _archive(self) -> bool:
        page = self._any()
        if len(self.there()) < self._least or [*self._site.children(page.content_id)]:
            return False
        self._site.archive(page.content_id)
        return True

    def _restore(self) -> bool:
        gone = [one for one in self._site.contents.values() if one.status is not Status.CURRENT]
        gone = [one for one in gone if one.kind is Kind.PAGE]
        if not gone:
            return False
        self._site.restore(self._random.choice(gone).content_id)
        return True

    def _restrict(self) -> bool:
        readers = {_NOBODY_ELSE, GROUP} if self._random.random() < 0.3 else {_NOBODY_ELSE}
        self._site.restrict(self._any().content_id, readers)
        return True

    def _lift(self) -> bool:
        shut = [one for one in self.there() if one.readers]
        if not shut:
            return False
        self._site.restrict(self._random.choice(shut).content_id)
        return True

    def _upload(self) -> bool:
        name = f"plan {self._random.randrange(3)}.txt"
        self._site.upload(self._any().content_id, name, f"{self._sentence()} {self._sentence()}\n".encode())
        return True

    def _delete_file(self) -> bool:
        files = [one for one in self._site.readable(READER).values() if one.kind is Kind.ATTACHMENT]
        if not files:
            return False
        self._site.trash(self._random.choice(files).content_id)
        return True

    def _post(self) -> bool:
        self._site.put(self._space, self._title(), self._text(), kind=Kind.BLOG)
        return True

    # -- helpers -----------------------------------------------------------------------------------

    def _any(self) -> Content:
        return self._random.choice(self.there())

    def _title(self) -> str:
        self._number += 1
        return f"Page {self._number} \u00fcber {self._random.choice(_WORDS)}"

    def _sentence(self) -> str:
        self._number += 1
        return " ".join(self._random.choices(_WORDS, k=9)).capitalize() + f" {self._number}."

    def _text(self) -> str:
        shown = _INCLUDE.format(self._any().title) if self._number > 3 and self._random.random() < 0.3 else ""
        return f"<h1>Topic {self._number}</h1><p>{self._sentence()} {self._sentence()}</p>{shown}"
