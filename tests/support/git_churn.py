"""A wiki that people edit: random commits of every kind, some of which rewrite what was pushed before."""

from __future__ import annotations

import random
from collections.abc import Callable

from connectors.paths import item_id
from tests.support.git_wiki import Wiki

_FOLDERS = ("", "guide/", "guide/deep/er/", "how%20to/", "r%C3%A9f/")
_ENDINGS = (".md", ".md", ".md", ".rst", ".org", ".txt")
_WORDS = (
    "invoice refund warehouse parcel customer manager contract holiday expense travel laptop password printer "
    "meeting budget supplier delivery warranty return policy badge parking kitchen training safety ladder"
).split()


class Churn:
    """``wiki`` is filled with ``pages`` pages; each ``step`` is one push. The number of pages stays near that, so
    that no push deletes so many that a person would be asked."""

    def __init__(self, wiki: Wiki, seed: int, *, pages: int) -> None:
        self._wiki = wiki
        self._random = random.Random(seed)
        self._pages = pages
        self._number = 0
        self._left: dict[str, bytes] = {}
        self._history: list[tuple[str, dict[str, bytes]]] = []
        self.kinds: dict[str, int] = {}
        self.now: dict[str, bytes] = {}
        self._push(put={self._name(): self._text() for _ in range(pages)})

    def step(self) -> str:
        """One push; its kind."""
        kinds: dict[str, Callable[[], bool]] = {
            "create": self._create,
            "edit": self._edit,
            "move": self._move,
            "move and edit": self._move_and_edit,
            "rename folder": self._rename_folder,
            "delete": self._delete,
            "restore": self._restore,
            "force older": self._force_older,
            "force amended": self._force_amended,
        }
        while True:
            kind = self._random.choices(list(kinds), weights=[3, 8, 3, 2, 1, 2, 2, 1, 1])[0]
            if kinds[kind]():
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                return kind

    # -- kinds of pushes: False when there is nothing to do it with ---------------------------------

    def _create(self) -> bool:
        if len(self.now) > self._pages + 5:
            return False
        self._push(put={self._name(): self._text()})
        return True

    def _edit(self) -> bool:
        chosen = self._random.sample(sorted(self.now), k=self._random.randint(1, 3))
        self._push(put={item: self._edited(self.now[item]) for item in chosen})
        return True

    def _move(self) -> bool:
        self._push(move={self._any(): self._name()})
        return True

    def _move_and_edit(self) -> bool:
        old, new = self._any(), self._name()
        self._push(remove=(old,), put={new: self._edited(self.now[old])})
        return True

    def _rename_folder(self) -> bool:
        folder = self._random.choice([name for name in _FOLDERS if name])
        inside = [item for item in self.now if item.startswith(folder)]
        if not inside:
            return False
        self._number += 1
        there = f"moved{self._number}/"
        self._push(move={item: there + item[len(folder) :] for item in inside})
        return True

    def _delete(self) -> bool:
        if len(self.now) < self._pages - 5:
            return False
        item = self._any()
        self._left[item] = self.now[item]
        self._push(remove=(item,))
        return True

    def _restore(self) -> bool:
        gone = [item for item in self._left if item not in self.now]
        if not gone:
            return False
        item = self._random.choice(sorted(gone))
        self._push(put={item: self._left.pop(item)})
        return True

    def _force_older(self) -> bool:
        if len(self._history) < 4:
            return False
        for _ in range(self._random.randint(1, 2)):
            self._history.pop()
        commit, self.now = self._history[-1][0], dict(self._history[-1][1])
        self._wiki.reset(commit)
        return True

    def _force_amended(self) -> bool:
        if len(self._history) < 3:
            return False
        self._history.pop()
        base, self.now = self._history[-1][0], dict(self._history[-1][1])
        item = self._any()
        self._push(put={item: self._edited(self.now[item])}, onto=base)
        return True

    # -- helpers -----------------------------------------------------------------------------------

    def _push(
        self,
        *,
        put: dict[str, bytes] | None = None,
        remove: tuple[str, ...] = (),
        move: dict[str, str] | None = None,
        onto: str = "",
    ) -> None:
        commit = self._wiki.commit(put=put, remove=remove, move=move, onto=onto)
        for item in remove:
            del self.now[item]
        for old, new in (move or {}).items():
            self.now[new] = self.now.pop(old)
        self.now |= put or {}
        self._history.append((commit, dict(self.now)))

    def _any(self) -> str:
        return self._random.choice(sorted(self.now))

    def _name(self) -> str:
        self._number += 1
        folder, ending = self._random.choice(_FOLDERS), self._random.choice(_ENDINGS)
        return folder + item_id(f"Page {self._number}{ending}".encode())

    def _text(self) -> bytes:
        self._number += 1
        sentences = [" ".join(self._random.choices(_WORDS, k=9)).capitalize() + "." for _ in range(8)]
        return f"Topic {self._number}\n\n{' '.join(sentences[:4])}\n\n{' '.join(sentences[4:])}\n".encode()

    def _edited(self, content: bytes) -> bytes:
        self._number += 1
        return content + f"\nAdded {self._number}: {' '.join(self._random.choices(_WORDS, k=6))}.\n".encode()
