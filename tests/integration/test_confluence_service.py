"""A Confluence while people edit it and the service polls it: at the end the index is the wiki."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.confluence import source as module
from tests.support.confluence_bench import SPACE, hidden, item_of, settings_of
from tests.support.confluence_churn import ConfluenceChurn
from tests.support.confluence_server import Confluence, Flavour
from tests.support.confluence_space import READER, Site
from tests.support.faults_report import campaign_seed, write_report
from tests.support.served import Served

PAGES, STEPS = 40, 60
BODIES = ("storage", "/download")


@contextmanager
def wiki_of(flavour: Flavour, *, pages: int, seed: int) -> Iterator[tuple[Confluence, ConfluenceChurn]]:
    context = "/wiki" if flavour is Flavour.CLOUD else "/confluence"
    wiki = Confluence(flavour=flavour, context=context, site=Site(live=True))
    try:
        wiki.site.add_space(SPACE)
        for number in range(pages):
            wiki.site.put(SPACE, f"Start {number}", f"<h1>Topic</h1><p>What the page {number} says at first.</p>")
        yield wiki, ConfluenceChurn(wiki.site, SPACE, seed)
    finally:
        wiki.close()


@contextmanager
def serving(base: Path, wiki: Confluence, *, schedule: str) -> Iterator[Served]:
    """A service that polls the wiki."""
    given = {**settings_of(wiki, base), "name": "wiki", "kind": "confluence", "schedule": schedule, "rate": 500}
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
    served = Served(base / "state", settings=f"[[source]]\n{rows}\n")
    try:
        served.service.watch()
        yield served
    finally:
        served.close()


def settled(served: Served, wiki: Confluence) -> None:
    """At the end the index is the wiki: the same items with the same passages, and as many of them shown to nobody."""
    time.sleep(module.TRUSTED_S)
    served.sync("wiki")
    served.until_settled("wiki")
    wanted = wiki.site.readable(READER).values()
    assert set(served.documents("wiki")) == {item_of(one) for one in wanted}
    assert served.differs("wiki") == ""
    reply = served.verify()
    assert reply.ok, reply.details


def bodies_read(wiki: Confluence) -> list[str]:
    return [one.path for one in wiki.asked if any(word in f"{one.path}?{one.query}" for word in BODIES)]


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_wiki_that_changes_all_the_time_is_held_true(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are made, edited, moved, trashed, archived, restored, restricted and uploaded to while the service polls; at
    the end it holds the wiki, another listing of everything reads no text, a move embeds nothing, and an edit is found
    within a poll."""
    monkeypatch.setattr(module, "TRUSTED_S", 1.0)
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    with wiki_of(flavour, pages=PAGES, seed=7) as (wiki, churn), serving(tmp_path, wiki, schedule="1s") as served:
        for _ in range(STEPS):
            churn.step()
            time.sleep(0.02)
        settled(served, wiki)
        assert hidden(served.ledger) == churn.hidden()
        time.sleep(module.TRUSTED_S)
        wiki.asked.clear()
        assert served.sync("wiki").counts.bytes_read == 0
        assert bodies_read(wiki) == []

        embedded = served.embedder.embedded
        page = next(one for one in churn.there() if not one.readers and one.parent is None and one.space == SPACE)
        document = served.documents("wiki")[item_of(page)]
        wiki.site.move(page.content_id, None, space="OPS")
        wiki.site.edit(page.content_id, title="Somewhere else")
        time.sleep(module.TRUSTED_S)
        served.sync("wiki")
        assert served.documents("wiki")[item_of(page)] == document
        assert served.embedder.embedded == embedded

        wiki.site.edit(page.content_id, body="<h1>Birds</h1><p>Flamingos are pink and stand on one leg.</p>")
        served.until(lambda: served.search("flamingos", "keyword").hits, "the edit to be found")
        hit = served.search("flamingos", "keyword").hits[0]
        assert hit.title == "Somewhere else"
        assert set(churn.kinds) >= {"create", "edit", "move", "trash", "restore", "restrict", "upload"}


_LONG_PAGES, _LONG_STEPS, _LONG_PROBES, _LONG_SCHEDULE_S = 500, 600, 20, 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_hundred_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with 500 pages, and how long an edit takes to be found."""
    seed, rows = campaign_seed(), list[str]()
    for flavour in Flavour:
        base = tmp_path / flavour
        base.mkdir()
        monkeypatch.setattr(module, "TRUSTED_S", 900.0)
        with (
            wiki_of(flavour, pages=_LONG_PAGES, seed=seed) as (wiki, churn),
            serving(base, wiki, schedule=f"{_LONG_SCHEDULE_S}s") as served,
        ):
            for _ in range(_LONG_STEPS):
                churn.step()
                time.sleep(0.05)
            lags = []
            for number, page in enumerate(churn.there()[:_LONG_PROBES]):
                word = f"zebra{number}zebra"
                wiki.site.edit(page.content_id, body=f"<p>A word of its own: {word}.</p>")
                at = time.monotonic()
                served.until(lambda word=word: served.search(word, "keyword").hits, f"edit {number} to be found")
                lags.append(time.monotonic() - at)
                time.sleep(0.37 * number % 3)  # at another moment of the cycle each time
            monkeypatch.setattr(module, "TRUSTED_S", 1.0)
            settled(served, wiki)
            assert hidden(served.ledger) == churn.hidden()
            time.sleep(module.TRUSTED_S)
            assert served.sync("wiki").counts.bytes_read == 0
        lags.sort()
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(churn.kinds.items()))
        rows += [
            f"{flavour}: {kinds}.",
            f"Edit to found by keyword, {len(lags)} times: p50 {lags[len(lags) // 2]:.1f} s, most {lags[-1]:.1f} s.",
            "",
        ]
    write_report(
        "confluence.md",
        "A scripted Confluence of 500 pages under random edits",
        [
            f"Seed {seed}; a server made of the public documentation, not a real Confluence.",
            f"{_LONG_PAGES} pages and {_LONG_STEPS} changes each, schedule {_LONG_SCHEDULE_S} s, the embedder a stub.",
            "",
            *rows,
            "At the end the ledger, the keyword index and Chroma were the wiki (`verify` found nothing), and what nobody",
            "may see was hidden. A run over the unchanged wiki read 0 bytes.",
        ],
    )
