"""What stands above what in a wiki, and who may read there (R7).

A page is read by whom its own restriction lets in, and that of each page above it, and the source's ``permissions``,
which stand for the space. Rows of the ledger know no "and": what is granted is what every one of these names, which is
less than the wiki grants where a user is named by one and their group by another, and never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.base import Grant
from connectors.confluence.api import Missing
from connectors.confluence.dialects import Dialect, Search
from connectors.confluence.facts import ON_PAGES, Fact, Kind, Left, Node, Readers

SOURCE = "source"
"""The place of what no restriction is on."""

_HIGHEST = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where something is: its space, the titles above it from the top down, who may read it, and the text that it is,
    or hangs on."""

    space: str
    path: tuple[str, ...]
    grant: Grant
    text: Fact


class Tree:
    """As of one listing, or one question. Any number of threads: each fact is asked for once, or twice."""

    def __init__(self, dialect: Dialect, search: Search, permissions: Iterable[str]) -> None:
        self._dialect = dialect
        self._search = search
        self._permissions = frozenset(permissions)
        self._texts: dict[str, Fact] = {}
        self._above: dict[str, tuple[str, Node | None] | None] = {}
        self._readers: dict[str, Readers] = {}

    def learn(self, facts: Iterable[Fact], readers: Mapping[str, Readers] | None = None) -> None:
        """What a listing said already."""
        for fact in facts:
            if fact.kind not in ON_PAGES:
                self._texts[fact.content_id] = fact
                self._above[fact.content_id] = (fact.title, fact.above)
        self._readers.update(readers or {})

    def of(self, fact: Fact) -> Place | Left:
        """Where it is."""
        text = self._text(fact)
        if isinstance(text, Left):
            return text
        path: list[str] = []
        narrow: list[tuple[str, frozenset[str]]] = []  # from the bottom up
        step: Node | None = Node(content_id=text.content_id, kind=text.kind.value)
        above = text.above
        while step is not None:
            readers = self._read(step.content_id)
            if readers is not None:
                narrow.append((step.content_id, readers))
            step, found = above, self._up(above)
            if step is not None:
                if found is None or len(path) >= _HIGHEST:
                    # Somebody we cannot ask about stands above it, and may keep readers out.
                    narrow.insert(0, (f"{text.content_id}.above", frozenset()))
                    break
                path.append(found[0])
                above = found[1]
        return Place(space=text.space, path=tuple(reversed(path)), grant=self._grant(narrow), text=text)

    # -- helpers -----------------------------------------------------------------------------------

    def _grant(self, narrow: list[tuple[str, frozenset[str]]]) -> Grant:
        """The place is the lowest restriction: all that stands beneath is granted by one row."""
        principals = self._permissions
        for _, readers in narrow:
            principals &= readers
        return Grant(place=f"page/{narrow[0][0]}" if narrow else SOURCE, principals=principals)

    def _text(self, fact: Fact) -> Fact | Left:
        """The page or blog post that it is, or hangs on."""
        if fact.kind not in ON_PAGES:
            return fact
        if fact.on is None or fact.on.kind not in {Kind.PAGE.value, Kind.BLOG.value}:
            return Left(reason="It hangs on no page.")
        if fact.on.content_id not in self._texts:
            found = self._dialect.fact(Kind(fact.on.kind), fact.on.content_id)
            if not isinstance(found, Fact):
                return Left(reason=f"The page that it hangs on is not read: {found.reason if found else 'it is gone.'}")
            self._texts[fact.on.content_id] = found
        return self._texts[fact.on.content_id]

    def _up(self, node: Node | None) -> tuple[str, Node | None] | None:
        if node is None:
            return None
        if node.content_id not in self._above:
            try:
                self._above[node.content_id] = self._dialect.node(node)
            except Missing:
                self._above[node.content_id] = None
        return self._above[node.content_id]

    def _read(self, content_id: str) -> Readers:
        if content_id not in self._readers:
            self._readers[content_id] = self._search.readers(content_id)
        return self._readers[content_id]
