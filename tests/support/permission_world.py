"""A source whose documents, places and grants change at random, and what each reader may be told of it.

Every text, title, path, tag and author holds a word that stands nowhere else (``zq7x``), so a leak is a word in an
answer. Each step changes one thing and is followed by a run: what the readers may see is then known without asking the program.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Grant
from connectors.memory import MemorySource
from tests.support.world import SOURCE, World

WORD = re.compile(r"zq\d+x")

READERS: dict[str, tuple[str, ...]] = {
    "ana": ("user:ana", "group:staff", "public"),
    "ben": ("group:board",),
    "eve": ("user:eve",),
}
_PRINCIPALS = ("public", "group:staff", "group:board", "user:ana")
_FOLDERS = ("hr", "it", "hr/old")
COMMON = "Harbour"


def words(text: str) -> set[str]:
    return set(WORD.findall(text))


@dataclass
class Item:
    """``text`` holds the words of its present content, ``path`` that of its name, ``author`` that of who wrote it, ``tags``
    one of its own, and some of them ``COMMON`` as well."""

    path: str
    text: str
    place: str
    author: str = ""
    tags: tuple[str, ...] = ()

    def names(self) -> set[str]:
        """The words of what is told of it beside its text."""
        return words(" ".join((self.path, self.author, *self.tags)))


@dataclass(frozen=True)
class Moment:
    """After a run: the id of each document that a reader could see then, with the words of its texts and those of its
    names, and whether it was tagged ``COMMON``."""

    at: float
    shown: Mapping[str, Sequence[tuple[str, set[str], set[str], bool]]]


@dataclass
class PermissionWorld:
    """``seed`` decides everything. ``ever`` is all that each reader could see at some time, ``moments`` the times after
    each run, ``answers`` the ids of what readers were told."""

    folder: Path
    seed: int
    world: World = field(init=False)
    items: list[Item] = field(default_factory=list)
    ever: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in READERS})
    told: list[str] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random, self._times = random.Random(self.seed), random.Random(self.seed)
        self.source = MemorySource(SOURCE)
        state = self.folder / f"state-{self.seed}"
        state.mkdir(parents=True)
        self.world = World(self.folder, state, source=self.source)
        self._count = self.seed * 1_000
        self.grants = {f"place{n}": self._grant() for n in range(3)}
        for _ in range(4):
            self._add()
        self._run()

    def step(self) -> None:
        """One change, and a run over it."""
        choices = [self._add, self._edit, self._copy, self._move, self._permit, self._permit, self._place, self._tag]
        if len(self.items) > 3:  # more at once than the guard lets through is another matter
            choices.append(self._remove)
        change = self.random.choice(choices)
        self.told.append(change.__name__)
        change()
        self._run()

    def may_see(self, reader: str) -> set[str]:
        """The words of what this reader may see now."""
        return set().union(*(words(item.text) | item.names() for item in self._shown(reader)), set())

    def texts(self, reader: str, tag: str | None = None) -> set[str]:
        """Those of them that stand in texts, of what has this tag."""
        shown = (item for item in self._shown(reader) if tag is None or tag in item.tags)
        return set().union(*(words(item.text) for item in shown), set())

    def some_tags(self) -> list[str]:
        """Tags that somebody could ask for, others with each call."""
        own = [item.tags[0] for item in self.items]
        return [COMMON, *self._times.sample(own, min(2, len(own)))]

    def moment(self) -> Moment:
        """One of the times, another with each call."""
        return self._times.choice(self.moments)

    def past(self, reader: str, moment: Moment, *, tagged: bool = False) -> tuple[set[str], set[str]]:
        """The words of what this reader may see of then: what he could see, of the documents that he may see now, and of
        those that were tagged ``COMMON``. Those of texts, and all. Which document is which says the program: what comes
        back soon after it left is the same one (R11)."""
        now = self.visible_documents(reader)
        still = [
            (texts, names)
            for document, texts, names, common in moment.shown[reader]
            if document in now and (common or not tagged)
        ]
        texts = set[str]().union(*(texts for texts, _ in still))
        return texts, texts.union(*(names for _, names in still))

    def hidden_texts(self) -> set[str]:
        """The words of every text, whoever may see it."""
        return set().union(*(words(item.text) for item in self.items), set())

    def documents(self) -> list[str]:
        """The ids of all documents that there ever were."""
        return [key for (key,) in self.world.ledger.sync._db.read("SELECT doc_id FROM document ORDER BY id")]

    def chunks(self) -> list[str]:
        return [key for (key,) in self.world.ledger.sync._db.read("SELECT chunk_id FROM chunk ORDER BY id")]

    def visible_documents(self, reader: str) -> set[str]:
        paths = {item.path for item in self._shown(reader)}
        return {key for path, key in self.world.doc_ids().items() if path in paths}

    # -- changes -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.world.sync()
        self.world.drain()
        for reader in READERS:
            self.ever[reader] |= self.may_see(reader)
        ids = self.world.doc_ids()
        shown = {
            reader: [
                (ids[item.path], words(item.text), item.names(), COMMON in item.tags) for item in self._shown(reader)
            ]
            for reader in READERS
        }
        self.moments.append(Moment(at=time.time(), shown=shown))

    def _shown(self, reader: str) -> list[Item]:
        own = set(READERS[reader])
        return [item for item in self.items if own & self.grants[item.place]]

    def _word(self) -> str:
        self._count += 1
        return f"zq{self._count}x"

    def _path(self) -> str:
        return f"{self.random.choice(_FOLDERS)}/{self._word()}.md"

    def _grant(self) -> frozenset[str]:
        return frozenset(name for name in _PRINCIPALS if self.random.random() < 0.4)

    def _text(self) -> str:
        return f"# Notes {self._word()}\n\nA common sentence about {self._word()} and its uses in the harbour.\n"

    def _put(self, item: Item) -> None:
        grant = Grant(place=item.place, principals=self.grants[item.place])
        item.author = self._word()
        self.source.put(item.path, item.text, grant=grant, author=item.author)

    def _label(self, item: Item) -> None:
        item.tags = (f"about {self._word()}", *([COMMON] if self.random.random() < 0.5 else []))
        self.source.tag(item.path, *item.tags)

    def _add(self) -> None:
        item = Item(path=self._path(), text=self._text(), place=self.random.choice(list(self.grants)))
        self.items.append(item)
        self._put(item)
        self._label(item)

    def _copy(self) -> None:
        other = self.random.choice(self.items)
        item = Item(path=self._path(), text=other.text, place=self.random.choice(list(self.grants)))
        self.items.append(item)
        self._put(item)
        self._label(item)

    def _edit(self) -> None:
        item = self.random.choice(self.items)
        item.text = f"{item.text}\n## More\n\nAnother common sentence with {self._word()} of the harbour.\n"
        if self.random.random() < 0.5:
            item.text = self._text()
        self._put(item)

    def _tag(self) -> None:
        self._label(self.random.choice(self.items))

    def _move(self) -> None:
        item = self.random.choice(self.items)
        there = self._path()
        self.source.move(item.path, there)
        item.path = there
        if self.random.random() < 0.5:
            item.place = self.random.choice(list(self.grants))
            self.source.permit(there, Grant(place=item.place, principals=self.grants[item.place]))

    def _permit(self) -> None:
        place = self.random.choice(list(self.grants))
        self.grants[place] = self._grant()
        for item in self.items:
            if item.place == place:
                self.source.permit(item.path, Grant(place=place, principals=self.grants[place]))

    def _place(self) -> None:
        item = self.random.choice(self.items)
        item.place = self.random.choice(list(self.grants))
        self.source.permit(item.path, Grant(place=item.place, principals=self.grants[item.place]))

    def _remove(self) -> None:
        item = self.random.choice(self.items)
        self.items.remove(item)
        self.source.remove(item.path)
