"""The DokuWiki of Debian's packages while people edit it: at the end the index is the wiki."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.base import WHOLE, Upserted
from connectors.dokuwiki.source import DokuSource
from ingestor import wire
from ingestor.model import blake
from tests.support.faults_report import campaign_seed, write_report
from tests.support.real_doku_wiki import ADMIN, HERE, PASSWORD, USER, WHY_NOT, RealDokuWiki
from tests.support.served import Served
from tests.support.wiki_churn import WikiChurn

pytestmark = [pytest.mark.skipif(not HERE, reason=WHY_NOT), pytest.mark.slow]

PAGES, STEPS = 60, 60


@contextmanager
def serving(tmp_path: Path, wiki: RealDokuWiki, *, schedule: str) -> Iterator[Served]:
    """A service that polls the wiki with an account's login."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    settings = f'[[source]]\nname = "wiki"\nkind = "dokuwiki"\nurl = "{wiki.url}"\nschedule = "{schedule}"\n'
    settings += (
        f'username = "{USER}"\npassword_file = "{tmp_path}/password"\npermissions = ["group:staff"]\nrate = 500\n'
    )
    served = Served(tmp_path / "state", settings=settings)
    try:
        served.service.watch()
        yield served
    finally:
        served.close()


def settled(served: Served, wiki: RealDokuWiki) -> None:
    """At the end the index is the wiki: the same items, each with what the wiki shows now."""
    served.sync("wiki")
    served.until_settled("wiki")
    rows = dict(served.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))
    assert rows.keys() == wiki.shown().keys()
    source = served.source("wiki")
    refs = {change.ref.item_id: change.ref for change in source.list(WHOLE, None) if isinstance(change, Upserted)}
    assert rows == {item: blake(source.fetch(ref).content) for item, ref in refs.items()}
    reply = served.verify()
    assert reply.ok, reply.details


def as_staff(served: Served, query: str) -> list[str]:
    """What those find who may read the wiki."""
    asked = wire.SearchRequest(query=query, mode="keyword", principals=("group:staff",))
    return [hit.uri for hit in served.operations.search(asked).hits]


def test_a_wiki_that_changes_all_the_time_is_held_true(tmp_path: Path) -> None:
    """Pages are made, edited, renamed, deleted, restored, protected and uploaded to while the service polls; at the end
    it holds the wiki, another run reads nothing, a rename embeds nothing, an edit is found within a poll, and what our
    account may not read any more is found by nobody."""
    wiki = RealDokuWiki(tmp_path / "wiki")
    try:
        churn = WikiChurn(wiki, 7, pages=PAGES)
        with serving(tmp_path, wiki, schedule="1s") as served:
            for _ in range(STEPS):
                churn.step()
            settled(served, wiki)
            time.sleep(2.0)  # what was uploaded a moment ago may change once more without a trace (R9)
            served.sync("wiki")
            assert served.sync("wiki").counts.bytes_read == 0

            wiki.edit("handbook:birds", "====== Birds ======\nAll of them.\n\n===== Pink =====\nFlamingos are pink.")
            served.until(lambda: served.search("flamingos", "keyword").hits, "the edit to be found")
            (hit,) = served.search("flamingos", "keyword").hits
            assert hit.title == "Birds"
            assert hit.url == f"{wiki.url}/doku.php?id=handbook:birds#pink"
            assert re.fullmatch(rf"{re.escape(wiki.url)}/doku\.php\?id=handbook:birds&rev=\d+#pink", hit.pinned_url)
            assert (hit.tags, hit.author) == ((), ADMIN)  # its plugin for tags is in no package
            served.until_settled("wiki")

            embedded, document = served.embedder.embedded, served.documents("wiki")["pages/handbook/birds"]
            wiki.move("handbook:birds", "zoo:animals:birds", redirect=False)
            served.until(lambda: "pages/zoo/animals/birds" in served.documents("wiki"), "the rename to be seen")
            served.until_settled("wiki")
            assert served.documents("wiki")["pages/zoo/animals/birds"] == document
            assert served.embedder.embedded == embedded

            assert as_staff(served, "flamingos")
            wiki.shut("zoo:animals:birds")
            source = served.source("wiki")
            assert isinstance(source, DokuSource)
            source._closed = True  # as after an hour: what changed of permissions is in no feed
            served.sync("wiki")
            assert not as_staff(served, "flamingos")
            assert served.documents("wiki")["pages/zoo/animals/birds"] == document
    finally:
        wiki.close()


_LONG_PAGES, _LONG_STEPS, _LONG_PROBES, _LONG_SCHEDULE_S = 500, 600, 20, 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_hundred_pages(tmp_path: Path) -> None:
    """The same with 500 pages, and how long an edit takes to be found."""
    seed = campaign_seed()
    wiki = RealDokuWiki(tmp_path / "wiki")
    try:
        churn = WikiChurn(wiki, seed, pages=_LONG_PAGES)
        with serving(tmp_path, wiki, schedule=f"{_LONG_SCHEDULE_S}s") as served:
            began = time.monotonic()
            for _ in range(_LONG_STEPS):
                churn.step()
            edited = time.monotonic() - began
            settled(served, wiki)
            time.sleep(2.0)
            served.sync("wiki")
            report = served.sync("wiki")
            assert report.counts.bytes_read == 0
            lags = []
            for number in range(_LONG_PROBES):
                word = f"zebra{number}zebra"
                wiki.edit(churn.titles[number], f"===== Topic =====\nA word of its own: {word}.")
                at = time.monotonic()
                served.until(lambda word=word: served.search(word, "keyword").hits, f"the edit {number} to be found")
                lags.append(time.monotonic() - at)
                time.sleep(0.37 * number % 3)  # at another moment of the cycle each time
            settled(served, wiki)
    finally:
        wiki.close()
    lags.sort()
    write_report(
        "dokuwiki.md",
        "A real DokuWiki of 500 pages under random edits",
        [
            f"Seed {seed}; Debian's DokuWiki, {_LONG_PAGES} pages, {_LONG_STEPS} changes in {edited:.0f} s.",
            f"Schedule {_LONG_SCHEDULE_S} s, the embedder a stub.",
            "",
            "| kind of change | count |",
            "|---|---|",
            *(f"| {kind} | {count} |" for kind, count in sorted(churn.kinds.items())),
            "",
            "At the end the ledger, the keyword index and Chroma were the wiki (`verify` found nothing), twice.",
            f"A run over the unchanged wiki read {report.counts.bytes_read} bytes.",
            f"Edit to found by keyword, {_LONG_PROBES} times: p50 {lags[len(lags) // 2]:.1f} s, most {lags[-1]:.1f} s.",
        ],
    )
