"""A scripted DokuWiki, the connector, the engine and a ledger: what a run makes of the wiki in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.base import Fetched, ItemRef
from connectors.dokuwiki.config import parse_settings
from connectors.dokuwiki.source import DokuSource
from connectors.web.pace import Pace
from ingestor.model import blake
from tests.support.doku_wiki import DokuWiki
from tests.support.world import SOURCE, World

TEXT = "====== About {0} ======\nThe page about {0} says that {0} is a thing of its own. It goes on.\n"
NAMES = ("invoices", "refunds", "it:laptops", "it:printers", "it:network:cables", "badges", "ladders", "k\u00fcche")


class Counting(DokuSource):
    """Counts what is read, and waits for nobody."""

    fetched = 0

    def fetch(self, ref: ItemRef) -> Fetched:
        self.fetched += 1
        return super().fetch(ref)


class Bench:
    """A wiki of a few pages and a world that reads it."""

    def __init__(self, base: Path, wiki: DokuWiki, *, patience_s: float = 0.3, **settings: object) -> None:
        self.base = base
        self.patience_s = patience_s
        self.wiki = wiki
        for name in NAMES:
            wiki.put(name, TEXT.format(name))
        (base / "state").mkdir()
        self.world = World(base, base / "state", source=self.make(**settings))

    def make(self, **settings: object) -> Counting:
        config = parse_settings(SOURCE, {"url": self.wiki.url, "permissions": ["group:staff"], **settings})
        web = replace(
            config.web,
            first_pause_s=0.001,
            silence_s=self.patience_s,
            most_s=max(2.0, self.patience_s),
            attempts=2,
            rate=1000.0,
        )
        return Counting(replace(config, web=web), pace=Pace())

    def configure(self, **settings: object) -> None:
        """As after a restart, perhaps with another configuration."""
        self.source.close()
        self.world.close()
        self.world = World(self.base, self.base / "state", source=self.make(**settings))

    @property
    def source(self) -> Counting:
        assert isinstance(self.world.source, Counting)
        return self.world.source

    def later(self) -> None:
        """Past the time for which an answer about the wiki itself is fresh."""
        self.source._asked_at = float("-inf")

    def held(self) -> dict[str, bytes]:
        """Item and content hash of all that the ledger has."""
        return dict(self.world.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))

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
        self.source.close()
        self.world.close()
        self.wiki.close()


@contextmanager
def doku_bench(base: Path, wiki: DokuWiki | None = None, **settings: object) -> Iterator[Bench]:
    made = Bench(base, wiki or DokuWiki(), **settings)
    try:
        yield made
    finally:
        made.close()
