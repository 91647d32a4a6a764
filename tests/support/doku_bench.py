"""A scripted DokuWiki, the connector, the engine and a ledger: what a run makes of the wiki in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.dokuwiki.config import parse_settings
from connectors.dokuwiki.source import DokuSource
from connectors.web.pace import Pace
from ingestor.model import blake
from tests.support.doku_wiki import DokuWiki
from tests.support.source_bench import WAIT_S, Counting, SourceBench, impatient
from tests.support.world import SOURCE

TEXT = "====== About {0} ======\nThe page about {0} says that {0} is a thing of its own. It goes on.\n"
NAMES = ("invoices", "refunds", "it:laptops", "it:printers", "it:network:cables", "badges", "ladders", "k\u00fcche")


class _Source(Counting, DokuSource):
    """Counts what is read, and waits for nobody."""


class Bench(SourceBench):
    """A wiki of a few pages and a world that reads it."""

    def __init__(self, base: Path, wiki: DokuWiki, *, patience_s: float = WAIT_S, **settings: object) -> None:
        self.patience_s = patience_s
        self.wiki = wiki
        for name in NAMES:
            wiki.put(name, TEXT.format(name))
        super().__init__(base, **settings)

    def make(self, **settings: object) -> _Source:
        config = parse_settings(SOURCE, {"url": self.wiki.url, "permissions": ["group:staff"], **settings})
        web = impatient(config.web, self.patience_s)
        return _Source(replace(config, web=web), pace=Pace())

    def wanted(self, *, files: bool = True) -> dict[str, bytes]:
        return {item: blake(content) for item, content in self.wiki.readable(files=files).items()}

    def equal(self) -> None:
        """The ledger holds exactly what the wiki shows."""
        held, wanted = self.held(), self.wanted()
        assert held == wanted, {item for item, _ in held.items() ^ wanted.items()}
        self.world.healthy()

    def document(self, name: str) -> str:
        return self.world.doc_ids()[f"pages/{name}"]

    def close(self) -> None:
        super().close()
        self.wiki.close()


@contextmanager
def doku_bench(base: Path, wiki: DokuWiki | None = None, **settings: object) -> Iterator[Bench]:
    made = Bench(base, wiki or DokuWiki(), **settings)
    try:
        yield made
    finally:
        made.close()
