"""A scripted Confluence, the connector, the engine and a ledger: what a run makes of the wiki in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.base import WHOLE, Upserted
from connectors.confluence.config import parse_settings
from connectors.confluence.source import ConfluenceSource
from connectors.web.pace import Pace
from ingestor.ledger.ledger import Ledger
from ingestor.model import blake
from tests.support.confluence_server import TOKEN, Confluence, Flavour
from tests.support.confluence_space import READER, Content, Kind, Status
from tests.support.source_bench import WAIT_S, Counting, SourceBench, impatient
from tests.support.world import SOURCE

SPACE = "DOC"
GROUP = "group:users"
TEXT = "<h1>About {0}</h1><p>The page about {0} says that {0} is a thing of its own. It goes on for a sentence.</p>"
NAMES = ("Invoices", "Refunds", "Parcels", "Laptops", "Printers", "Badges", "Ladders", "Kitchens")


def settings_of(wiki: Confluence, base: Path) -> dict[str, object]:
    """How a source asks it as its reader."""
    secret = base / "secret"
    secret.write_text(TOKEN)
    given: dict[str, object] = {
        "url": wiki.url,
        "edition": "cloud" if wiki.cloud else "data-center",
        "permissions": [GROUP],
        "hosts": ["127.0.0.1"],
        "allow_private": True,
    }
    login = {"username": READER.email, "password_file": str(secret)} if wiki.cloud else {"token_file": str(secret)}
    return given | login


def item_of(content: Content) -> str:
    name = f"att{content.content_id}" if content.kind is Kind.ATTACHMENT else str(content.content_id)
    return f"{content.kind}/{name}"


def hidden(ledger: Ledger) -> set[str]:
    """The items that nobody is shown but the owner of the state folder."""
    rows = ledger.sync._db.read(
        "SELECT item.item_id FROM item JOIN binding ON binding.doc = item.doc AND binding.died IS NULL"
        " WHERE NOT EXISTS (SELECT 1 FROM acl_principal WHERE acl_principal.acl = binding.acl AND died IS NULL)"
    )
    return {item for (item,) in rows}


class _Source(Counting, ConfluenceSource):
    """Counts what is read, and waits for nobody."""


class Bench(SourceBench):
    """A wiki of a few pages and a world that reads it."""

    def __init__(self, base: Path, wiki: Confluence, *, patience_s: float = WAIT_S, **settings: object) -> None:
        self.patience_s = patience_s
        self.wiki = wiki
        self.site = wiki.site
        self.site.add_space(SPACE)
        self.ids = {name: self.site.put(SPACE, name, TEXT.format(name)) for name in NAMES}
        super().__init__(base, **settings)

    def make(self, **settings: object) -> _Source:
        config = parse_settings(SOURCE, {**settings_of(self.wiki, self.base), **settings})
        web = impatient(config.web, self.patience_s)
        # Nothing is fresh for longer than the answer: a run that follows at once is to see what changed.
        return _Source(replace(config, web=web), self.base / "cache", pace=Pace())

    def anew(self) -> None:
        """The next run lists everything."""
        self.later()
        with self.world.ledger.sync._db.write() as tx:
            tx.execute("UPDATE source SET cursor = NULL WHERE name = ?", (SOURCE,))

    def items(self) -> set[str]:
        return set(self.world.doc_ids())

    def wanted(self, *kinds: Kind) -> set[str]:
        found = self.site.readable(self.site.users[READER.key], kinds=kinds or (Kind.PAGE, Kind.BLOG, Kind.ATTACHMENT))
        return {item_of(one) for one in found.values() if one.status is Status.CURRENT}

    def equal(self) -> None:
        """The ledger holds exactly what the wiki shows, in the versions that it shows."""
        held, wanted = self.items(), self.wanted()
        assert held == wanted, held ^ wanted
        rows = dict(self.world.ledger.sync._db.read("SELECT item_id, version FROM item"))
        for item in wanted:
            content = self.site.contents[int(item.partition("/")[2].removeprefix("att"))]
            assert str(rows[item]).partition("-")[0] == str(content.last.number), item
        self.world.healthy()

    def hidden(self) -> set[str]:
        """The items that no reader of the source is shown."""
        return hidden(self.world.ledger)

    def stale(self) -> set[str]:
        """The items that the wiki would now give other content of, or under another version."""
        rows = self.world.ledger.sync._db.read("SELECT item_id, content_hash, version FROM item")
        held = {item: (content, version) for item, content, version in rows}
        found = set()
        for change in self.source.list(WHOLE, None):
            if isinstance(change, Upserted):
                fetched = self.source.fetch(change.ref)
                if held.get(change.ref.item_id) != (blake(fetched.content), fetched.ref.version):
                    found.add(change.ref.item_id)
        return found

    def names(self) -> dict[str, str]:
        """Item and display name."""
        rows = self.world.ledger.sync._db.read(
            "SELECT item.item_id, binding.name FROM item JOIN binding ON binding.doc = item.doc AND binding.died IS NULL"
        )
        return dict(rows)

    def document(self, name: str) -> str:
        return self.world.doc_ids()[f"page/{self.ids[name]}"]

    def close(self) -> None:
        super().close()
        self.wiki.close()


@contextmanager
def confluence_bench(
    base: Path, flavour: Flavour, *, patience_s: float = WAIT_S, **settings: object
) -> Iterator[Bench]:
    """``patience_s`` is how long the connector waits for an answer."""
    context = "/wiki" if flavour is Flavour.CLOUD else "/confluence"
    made = Bench(base, Confluence(flavour=flavour, context=context), patience_s=patience_s, **settings)
    try:
        yield made
    finally:
        made.close()
