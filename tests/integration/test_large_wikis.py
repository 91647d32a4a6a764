"""What a wiki of ten thousand pages costs while nothing changes in it: requests, counted by the scripted wikis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from connectors.base import WHOLE, Checkpoint, Source, Upserted
from tests.support.confluence_bench import SPACE, confluence_bench
from tests.support.confluence_server import Flavour
from tests.support.doku_bench import doku_bench
from tests.support.doku_wiki import DokuWiki
from tests.support.media_wiki import MediaWiki, Page
from tests.support.web_server import Asked
from tests.support.wiki_bench import wiki_bench
from tests.support.world import World

PAGES = 10_000
MOST = 3
CYCLES = 3
PATIENCE_S = 60.0  # a scripted wiki makes an answer about all of them in a second or two, on a busy machine in many


@dataclass(frozen=True, kw_only=True)
class Large:
    """``later`` passes the time for which an answer about the wiki itself is fresh."""

    source: Source
    world: World
    asked: list[Asked] = field(repr=False)
    later: Callable[[], None]


@contextmanager
def media_wiki(base: Path) -> Iterator[Large]:
    wiki = MediaWiki(part=500)
    for number in range(PAGES):  # as ``put`` does, which looks for others of that title among all
        title, text = f"Page {number:05}", f"What page {number} says."
        page = Page(page_id=wiki._next(), title=title, revid=wiki._next(), text=text, at=wiki._tick())
        wiki.pages[page.page_id] = page
        wiki._change("new", page.page_id, title, revid=page.revid)
    with wiki_bench(base, wiki, patience_s=PATIENCE_S) as bench:
        wiki.clock += 600  # it has been quiet: the first look back finds nothing that is young
        yield Large(
            source=bench.source,
            world=bench.world,
            asked=wiki.server.asked,
            later=bench.later,
        )


@contextmanager
def doku_wiki(base: Path) -> Iterator[Large]:
    wiki = DokuWiki()
    for number in range(PAGES):
        wiki.put(f"page {number:05}", f"What page {number} says.")
    with doku_bench(base, wiki, patience_s=PATIENCE_S) as bench:
        yield Large(source=bench.source, world=bench.world, asked=wiki.server.asked, later=bench.later)


@contextmanager
def confluence(base: Path, flavour: Flavour) -> Iterator[Large]:
    with confluence_bench(base, flavour, patience_s=PATIENCE_S) as bench:
        for number in range(PAGES):
            bench.site.put(SPACE, f"Page {number:05}", f"<p>What page {number} says.</p>")
        bench.site.wait(7200)  # it has been quiet: the first look back finds nothing that is young
        yield Large(source=bench.source, world=bench.world, asked=bench.wiki.asked, later=bench.later)


WIKIS: dict[str, Callable[[Path], AbstractContextManager[Large]]] = {
    "mediawiki": media_wiki,
    "dokuwiki": doku_wiki,
    "confluence cloud": partial(confluence, flavour=Flavour.CLOUD),
    "confluence data center": partial(confluence, flavour=Flavour.DATA_CENTER),
}
every_wiki = pytest.mark.parametrize("wiki", WIKIS)


@every_wiki
def test_an_unchanged_wiki_of_ten_thousand_pages_costs_three_requests(wiki: str, tmp_path: Path) -> None:
    """Listed whole once; then a cycle is at most three requests, and tells of no page."""
    with WIKIS[wiki](tmp_path) as large:
        large.source.identity()
        whole = list(large.source.list(WHOLE, None))
        assert len({row.ref.item_id for row in whole if isinstance(row, Upserted)}) >= PAGES
        cursor = last(whole)
        for _ in range(CYCLES):
            large.later()
            large.asked.clear()
            large.source.identity()
            rows = list(large.source.list(WHOLE, cursor))
            assert [row for row in rows if not isinstance(row, Checkpoint)] == []
            cursor = last(rows)
            assert 1 <= len(large.asked) <= MOST


@pytest.mark.long
@pytest.mark.timeout(900)
@every_wiki
def test_the_same_with_all_of_it_in_the_ledger(wiki: str, tmp_path: Path) -> None:
    """Every page read, parsed and cut; a cycle after that is at most three requests and reads nothing."""
    with WIKIS[wiki](tmp_path) as large:
        assert large.world.sync().counts.added >= PAGES
        for _ in range(CYCLES):
            large.later()
            large.asked.clear()
            assert large.world.sync().counts.bytes_read == 0
            assert 1 <= len(large.asked) <= MOST


def last(rows: list[object]) -> str:
    """The cursor that a run would keep."""
    found = rows[-1]
    assert isinstance(found, Checkpoint)
    assert found.cursor is not None
    return found.cursor
