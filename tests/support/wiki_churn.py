"""A wiki that people edit: random changes of every kind, made through the wiki's own API."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

_WORDS = (
    "invoice refund warehouse parcel customer manager contract holiday expense travel laptop password printer "
    "meeting budget supplier delivery warranty return policy badge parking kitchen training safety ladder"
).split()
_PREFIXES = ("", "", "", "Guide/", "Help:", "Project:", "Talk:")
_TEMPLATES = ("Hours", "Contact", "Warning")


class Hands(Protocol):
    """What may be done to a wiki."""

    def fill(self, pages: Mapping[str, str]) -> None: ...
    def edit(self, title: str, text: str) -> int: ...
    def move(self, old: str, new: str, *, redirect: bool = True) -> None: ...
    def delete(self, title: str) -> None: ...
    def restore(self, title: str) -> None: ...
    def protect(self, title: str) -> None: ...
    def upload(self, name: str, content: bytes, text: str = "") -> None: ...


class WikiChurn:
    """``pages`` pages at first and about so many at any time. ``kinds`` counts what was done."""

    def __init__(self, wiki: Hands, seed: int, *, pages: int) -> None:
        self._wiki = wiki
        self._random = random.Random(seed)
        self._pages = pages
        self._number = 0
        self._files: list[str] = []
        self._gone: list[str] = []
        self.kinds: dict[str, int] = {}
        self.titles = [self._title() for _ in range(pages)]
        templates = {f"Template:{name}": self._sentence() for name in _TEMPLATES}
        wiki.fill({**templates, **{title: self._text() for title in self.titles}})

    def step(self) -> str:
        """One change; its kind."""
        kinds: dict[str, Callable[[], bool]] = {
            "create": self._create,
            "edit": self._edit,
            "move": self._move,
            "move without a redirect": self._move_away,
            "delete": self._delete,
            "restore": self._restore,
            "protect": self._protect,
            "upload": self._upload,
            "upload again": self._upload_again,
            "delete a file": self._delete_file,
            "edit a template": self._edit_template,
            "make a redirect": self._redirect,
        }
        while True:
            kind = self._random.choices(list(kinds), weights=[3, 8, 3, 1, 2, 2, 1, 2, 1, 1, 1, 1])[0]
            if kinds[kind]():
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                return kind

    # -- kinds: False when there is nothing to do it with -------------------------------------------

    def _create(self) -> bool:
        if len(self.titles) > self._pages + 5:
            return False
        title = self._title()
        self._wiki.edit(title, self._text())
        self.titles.append(title)
        return True

    def _edit(self) -> bool:
        self._wiki.edit(self._any(), self._text())
        return True

    def _move(self, *, redirect: bool = True) -> bool:
        old, new = self._any(), self._title()
        self._wiki.move(old, new, redirect=redirect)
        self.titles[self.titles.index(old)] = new
        return True

    def _move_away(self) -> bool:
        return self._move(redirect=False)

    def _delete(self) -> bool:
        if len(self.titles) < self._pages - 5:
            return False
        title = self._any()
        self._wiki.delete(title)
        self.titles.remove(title)
        self._gone.append(title)
        return True

    def _restore(self) -> bool:
        if not self._gone:
            return False
        title = self._gone.pop(self._random.randrange(len(self._gone)))
        self._wiki.restore(title)
        self.titles.append(title)
        return True

    def _protect(self) -> bool:
        self._wiki.protect(self._any())
        return True

    def _upload(self) -> bool:
        if len(self._files) > self._pages // 6:
            return False
        self._number += 1
        name = f"Report {self._number}.txt"
        self._wiki.upload(name, self._bytes(), self._sentence() if self._random.random() < 0.5 else "")
        self._files.append(name)
        return True

    def _upload_again(self) -> bool:
        if not self._files:
            return False
        self._wiki.upload(self._random.choice(self._files), self._bytes())
        return True

    def _delete_file(self) -> bool:
        if len(self._files) < 3:
            return False
        name = self._files.pop(self._random.randrange(len(self._files)))
        self._wiki.delete(f"File:{name}")
        return True

    def _edit_template(self) -> bool:
        self._wiki.edit(f"Template:{self._random.choice(_TEMPLATES)}", self._sentence())
        return True

    def _redirect(self) -> bool:
        if len(self.titles) < self._pages - 5:
            return False
        title = self._any()
        self.titles.remove(title)
        self._wiki.edit(title, f"#REDIRECT [[{self._any()}]]")
        return True

    # -- helpers -----------------------------------------------------------------------------------

    def _any(self) -> str:
        return self._random.choice(self.titles)

    def _title(self) -> str:
        self._number += 1
        return f"{self._random.choice(_PREFIXES)}Page {self._number} \u00fcber {self._random.choice(_WORDS)}"

    def _sentence(self) -> str:
        self._number += 1
        return " ".join(self._random.choices(_WORDS, k=9)).capitalize() + f" {self._number}."

    def _text(self) -> str:
        template = f"\n\n{{{{{self._random.choice(_TEMPLATES)}}}}}" if self._random.random() < 0.4 else ""
        return f"== Topic {self._number} ==\n{self._sentence()} {self._sentence()}\n\n{self._sentence()}{template}"

    def _bytes(self) -> bytes:
        return f"{self._sentence()} {self._sentence()}\n".encode()
