"""The MediaWiki of Debian's packages while people edit it: at the end the index is the wiki."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.base import WHOLE, Checkpoint, ItemId, Upserted
from connectors.mediawiki import rendering
from connectors.mediawiki.source import WikiSource
from ingestor import wire
from ingestor.model import blake
from tests.support.faults_report import campaign_seed, write_report
from tests.support.real_media_wiki import ADMIN, ADMIN_PASSWORD, BOT, BOT_PASSWORD, HERE, WHY_NOT, RealMediaWiki
from tests.support.served import Served
from tests.support.wiki_churn import WikiChurn

pytestmark = [pytest.mark.skipif(not HERE, reason=WHY_NOT), pytest.mark.slow]

PAGES = 60
PAUSE_S = 1.5


@pytest.fixture(scope="module")
def churn_of_wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealMediaWiki, WikiChurn]]:
    """One server for all tests here, with its pages."""
    wiki = RealMediaWiki(tmp_path_factory.mktemp("mediawiki") / "wiki")
    try:
        yield wiki, WikiChurn(wiki, 7, pages=PAGES)
    finally:
        wiki.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read too early is looked at again after a second or two."""
    monkeypatch.setattr(rendering, "_PAUSE_MOST_S", PAUSE_S)


@contextmanager
def serving(tmp_path: Path, wiki: RealMediaWiki, *, schedule: str) -> Iterator[Served]:
    """A service that polls the wiki with an account's login."""
    (tmp_path / "password").write_text(ADMIN_PASSWORD + "\n")
    settings = f'[[source]]\nname = "wiki"\nkind = "mediawiki"\nurl = "{wiki.url}"\nschedule = "{schedule}"\n'
    settings += (
        f'username = "{ADMIN}"\npassword_file = "{tmp_path}/password"\npermissions = ["group:staff"]\nrate = 500\n'
    )
    served = Served(tmp_path / "state", settings=settings)
    try:
        served.service.watch()
        yield served
    finally:
        served.close()


def settled(served: Served, wiki: RealMediaWiki) -> None:
    """At the end the index is the wiki: the same items, each with what the wiki shows now."""
    time.sleep(rendering.SAVING_S + 1)  # so that what is made anew is younger than the last edit beyond doubt
    wiki.run_jobs()
    wiki.purge()
    served.sync("wiki")
    source = served.source("wiki")
    assert isinstance(source, WikiSource)
    deadline = time.monotonic() + 60
    while source._rendered._old:  # what was read before the wiki made it anew is looked at once more
        assert time.monotonic() < deadline, source._rendered._old
        time.sleep(0.2)
        served.sync("wiki")
    served.until_settled("wiki")
    rows = dict(served.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))
    assert rows.keys() == wiki.shown().keys()
    refs = {change.ref.item_id: change.ref for change in source.list(WHOLE, None) if isinstance(change, Upserted)}
    assert rows == {item: blake(source.fetch(ref).content) for item, ref in refs.items()}
    reply = served.verify()
    assert reply.ok, reply.details


def test_a_wiki_that_changes_all_the_time_is_held_true(
    tmp_path: Path, churn_of_wiki: tuple[RealMediaWiki, WikiChurn]
) -> None:
    """Pages are made, edited, moved, deleted, restored, protected and uploaded to while the service polls; at the end
    it holds the wiki, another run reads nothing, a move embeds nothing, and an edit is found within a poll."""
    wiki, churn = churn_of_wiki
    with serving(tmp_path, wiki, schedule="1s") as served:
        for _ in range(60):
            churn.step()
        settled(served, wiki)
        assert served.sync("wiki").counts.bytes_read == 0

        embedded, title = served.embedder.embedded, next(one for one in churn.titles if not one.startswith("Talk"))
        names = {title.replace(" ", "_"), title.partition(":")[2].replace(" ", "_")}
        page = next(item for item, shown in wiki.shown().items() if shown in names)
        document = served.documents("wiki")[page]
        wiki.move(title, "Somewhere else altogether")
        churn.titles[churn.titles.index(title)] = "Somewhere else altogether"
        served.sync("wiki")
        assert served.documents("wiki")[page] == document
        assert served.embedder.embedded == embedded

        wiki.edit("Category:Upkeep", "__HIDDENCAT__")
        text = "== Birds ==\nFlamingos are pink and stand on one leg.\n"
        wiki.edit("Somewhere else altogether", f"{text}[[Category:Pink_birds]] [[Category:Upkeep]]")
        served.until(lambda: served.search("flamingos", "keyword").hits, "the edit to be found")
        (hit,) = served.search("flamingos", "keyword").hits
        assert hit.title == "Somewhere else altogether"
        assert hit.url == f"{wiki.url}/index.php/Somewhere_else_altogether#Birds"
        assert re.fullmatch(rf"{wiki.url}/index\.php\?oldid=\d+#Birds", hit.pinned_url)
        assert (hit.tags, hit.author) == (("Pink birds",), ADMIN)
        served.until_settled("wiki")
        embedded = served.embedder.embedded
        wiki.edit("Somewhere else altogether", f"{text}[[Category:Pink birds]] [[Category:Waders]]")
        tagged = wire.SearchRequest(query="flamingos", mode="keyword", tags=("waders", "pink BIRDS"))
        served.until(lambda: served.operations.search(tagged).hits, "the category to be seen")
        assert served.embedder.embedded == embedded

        # The real wiki shows what it kept of a page until its jobs ran; what was read before that does not stay.
        wiki.edit("Zoo", "== Zoo ==\n{{Hours}} They do so every day of the week.")
        wiki.edit("Template:Hours", "Okapis walk.")
        served.sync("wiki")
        wiki.run_jobs()
        wiki.purge()
        served.until(lambda: served.search("okapis", "keyword").hits, "the template's new text to be found")


def test_a_bot_password_reads_pages_and_leaves_files(
    tmp_path: Path, churn_of_wiki: tuple[RealMediaWiki, WikiChurn]
) -> None:
    """The real wiki gives files of a private wiki to no bot password; nothing fails for that."""
    from connectors.mediawiki import make

    wiki, _ = churn_of_wiki
    wiki.upload("Kept.txt", b"A file that only people may have.", "What it is.")
    (tmp_path / "password").write_text(BOT_PASSWORD + "\n")
    settings = {"url": wiki.url, "username": BOT, "password_file": str(tmp_path / "password"), "rate": 500}
    source = make("wiki", settings, tmp_path)
    assert isinstance(source, WikiSource)
    *changes, mark = source.list(WHOLE, None)
    listed = {change.ref.item_id for change in changes if isinstance(change, Upserted)}
    shown = wiki.shown().keys()
    assert listed == {item for item in shown if not item.endswith("/file")}
    left = next(item for item in shown if item.endswith("/file"))
    assert "bot password" in (source.explain(ItemId(left)) or "")
    assert isinstance(mark, Checkpoint)
    assert [type(change) for change in source.list(WHOLE, mark.cursor)] == [Checkpoint]
    source.close()


_LONG_PAGES, _LONG_STEPS, _LONG_PROBES, _LONG_SCHEDULE_S = 500, 600, 20, 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_hundred_pages(tmp_path: Path) -> None:
    """The same with 500 pages, and how long an edit takes to be found."""
    seed = campaign_seed()
    wiki = RealMediaWiki(tmp_path / "wiki")
    try:
        churn = WikiChurn(wiki, seed, pages=_LONG_PAGES)
        with serving(tmp_path, wiki, schedule=f"{_LONG_SCHEDULE_S}s") as served:
            began = time.monotonic()
            for _ in range(_LONG_STEPS):
                churn.step()
            edited = time.monotonic() - began
            settled(served, wiki)
            report = served.sync("wiki")
            assert report.counts.bytes_read == 0
            lags = []
            read = [title for title in churn.titles if not title.startswith("Talk:")]
            for number in range(_LONG_PROBES):
                word = f"zebra{number}zebra"
                wiki.edit(read[number], f"== Topic ==\nA word of its own: {word}.")
                at = time.monotonic()
                served.until(lambda word=word: served.search(word, "keyword").hits, f"the edit {number} to be found")
                lags.append(time.monotonic() - at)
                time.sleep(0.37 * number % 3)  # at another moment of the cycle each time
            settled(served, wiki)
    finally:
        wiki.close()
    lags.sort()
    write_report(
        "mediawiki.md",
        "A real MediaWiki of 500 pages under random edits",
        [
            f"Seed {seed}; Debian's MediaWiki, {_LONG_PAGES} pages, {_LONG_STEPS} changes in {edited:.0f} s.",
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
