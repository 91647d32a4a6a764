"""A scripted wiki, the connector, the engine and a ledger: what a run makes of the wiki can be asked in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.mediawiki.config import parse_settings
from connectors.mediawiki.source import WikiSource
from connectors.web.pace import Pace
from ingestor.model import Filters, Hit, Reader, blake
from tests.support.media_wiki import MediaWiki
from tests.support.source_bench import WAIT_S, Counting, SourceBench, impatient
from tests.support.world import SOURCE

TEXT = "== About {0} ==\nThe page about {0} says that {0} is a thing of its own. It goes on for another sentence.\n"
NAMES = ("Invoices", "Refunds", "Parcels", "Laptops", "Printers", "Badges", "Ladders", "Kitchens")


class _Source(Counting, WikiSource):
    """Counts what is read, and waits for nobody."""


class Bench(SourceBench):
    """A wiki of a few pages and a world that reads it."""

    def __init__(self, base: Path, wiki: MediaWiki, *, patience_s: float = WAIT_S, **settings: object) -> None:
        self.patience_s = patience_s
        self.wiki = wiki
        for name in NAMES:
            wiki.put(name, TEXT.format(name))
        super().__init__(base, **settings)

    def make(self, **settings: object) -> _Source:
        config = parse_settings(SOURCE, {"url": self.wiki.url, "permissions": ["public"], **settings})
        web = impatient(config.web, self.patience_s)
        # Nothing is fresh for longer than the answer: a run that follows at once is to see what changed.
        return _Source(replace(config, web=web), pace=Pace())

    def wanted(self, **namespaces: tuple[int, ...]) -> dict[str, bytes]:
        return {item: blake(content) for item, content in self.wiki.readable(**namespaces).items()}

    def equal(self) -> None:
        """The ledger holds exactly what the wiki shows."""
        assert self.held() == self.wanted()
        self.world.healthy()

    def document(self, title: str) -> str:
        """The document of a page, by its title now."""
        page = next(page for page in self.wiki.pages.values() if page.title == title)
        return self.world.doc_ids()[str(page.page_id)]

    def hit(self, word: str) -> Hit:
        """The one passage with this word."""
        search = self.world.ledger.search
        (found,) = search.hits(search.keyword(word, 5, Reader(), Filters()), Reader())
        return found

    def tagged(self, word: str) -> tuple[str, ...]:
        return self.hit(word).tags

    def close(self) -> None:
        super().close()
        self.wiki.close()


@contextmanager
def wiki_bench(base: Path, wiki: MediaWiki | None = None, **settings: object) -> Iterator[Bench]:
    made = Bench(base, wiki or MediaWiki(), **settings)
    try:
        yield made
    finally:
        made.close()
