"""A DokuWiki as a source: a scripted wiki over HTTP in both its languages, the engine, a real ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import ItemId
from connectors.dokuwiki import source as module
from ingestor.model import Filters, Hit, Outcome, Reader
from ingestor.search.citations import cite
from tests.support.doku_bench import TEXT, Bench, doku_bench
from tests.support.doku_wiki import DokuWiki, method_of, result
from tests.support.web_server import Answer, Asked

FLAMINGOS = "====== Birds ======\nAll of them.\n===== Pink =====\nFlamingos stand on one leg for most of the day.\n"
LANGUAGES = ("json", "xml")


@pytest.fixture(params=LANGUAGES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with doku_bench(tmp_path, DokuWiki(language=request.param)) as made:
        yield made


@pytest.fixture
def modern(tmp_path: Path) -> Iterator[Bench]:
    with doku_bench(tmp_path) as made:
        yield made


def found(bench: Bench, words: str, reader: Reader | None = None) -> list[str]:
    search = bench.world.ledger.search
    reader = reader or Reader()
    return [cite(hit).title for hit in search.hits(search.keyword(words, 5, reader, Filters()), reader)]


def an_hour_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the feed alone is not trusted any more."""
    monkeypatch.setattr(module, "TRUSTED_S", 0.0)
    bench.later()


def test_changes_are_found_and_nothing_else_is_read(bench: Bench) -> None:
    """Edits, new pages and files, deletions and restores: each reads what changed; a cycle without a change is three
    requests and writes nothing, also of a wiki with namespaces and letters of every kind."""
    world, wiki = bench.world, bench.wiki
    wiki.upload("it:network:plan.txt", b"Flamingos arrive in the second quarter.\n")
    world.sync()
    bench.equal()
    before, fetched = world.dump(), bench.source.fetched
    for _ in range(3):
        bench.later()
        wiki.methods.clear()
        assert world.sync().counts.bytes_read == 0
        assert len(wiki.methods) == 3
    assert (bench.source.fetched, world.dump()) == (fetched, before)

    document = bench.document("refunds")
    wiki.put("refunds", FLAMINGOS)
    wiki.put("Zoo/Penguins", TEXT.format("penguins"))
    wiki.upload("zoo:map.txt", b"Penguins live behind the house.\n")
    wiki.delete("badges")
    bench.later()
    counts = world.sync().counts
    assert (counts.updated, counts.added, counts.deleted) == (1, 2, 1)
    assert bench.source.fetched - fetched == 3
    bench.equal()
    assert bench.document("refunds") == document

    wiki.delete("refunds")
    wiki.remove("zoo:map.txt")
    bench.later()
    assert world.sync().counts.deleted == 2
    wiki.restore("refunds")
    bench.later()
    world.sync()
    assert bench.document("refunds") == document
    bench.equal()


def test_a_rename_keeps_the_document_and_embeds_nothing(bench: Bench) -> None:
    """The wiki has none: the text goes to a new page, and the old one is emptied; no other page has that text (R11)."""
    bench.world.sync()
    bench.world.drain()
    before = bench.document("it/printers")
    bench.wiki.move("it:printers", "office:machines:printers")
    bench.later()
    assert bench.world.sync().counts.moved == 1
    assert bench.document("office/machines/printers") == before
    assert bench.world.drain()[0] == 0
    bench.equal()


def test_a_copy_is_a_new_document(modern: Bench) -> None:
    """A page whose text stands on two new pages went to neither (R11)."""
    modern.world.sync()
    before = modern.document("refunds")
    text = modern.wiki.pages["refunds"].text
    modern.wiki.put("copy:one", text)
    modern.wiki.put("copy:two", text)
    modern.wiki.delete("refunds")
    modern.later()
    modern.world.sync()
    assert before not in modern.world.doc_ids().values()
    modern.equal()


def test_links_open_at_the_heading_and_at_the_revision(modern: Bench) -> None:
    """A hit has the address of the page at its heading, and that of the revision that was read; a file names the page
    of its namespace."""
    modern.wiki.put("zoo:start", FLAMINGOS)
    modern.wiki.upload("zoo:map.txt", b"Penguins live behind the house.\n")
    modern.world.sync()
    search = modern.world.ledger.search
    (hit,) = [cite(one) for one in search.hits(search.keyword("leg", 5, Reader(), ()), Reader())]
    revision = modern.wiki.pages["zoo:start"].revision
    assert hit.title == "Birds"
    assert hit.url == f"{modern.wiki.url}/doku.php?id=zoo:start#pink"
    assert hit.pinned_url == f"{modern.wiki.url}/doku.php?id=zoo:start&rev={revision}#pink"
    (hit,) = search.hits(search.keyword("penguins", 5, Reader(), ()), Reader())
    assert hit.parent is not None
    assert hit.parent.title == "Birds"
    assert hit.url == f"{modern.wiki.url}/lib/exe/fetch.php?media=zoo:map.txt"


def test_tags_and_authors(bench: Bench) -> None:
    """The tags that its plugin shows of the page itself, not those of other pages in a list; another tag embeds
    nothing that stands as it was. Each revision has its author, where the wiki says."""
    own = '<div class="tags"><span>\n\t<a href="/tag:pink" class="wikilink1" title="tag:pink" rel="tag">pink</a>,'
    own += '<a href="/tag:r_d" class="wikilink2" title="tag:r_d" rel="tag">r &amp; <b>d</b></a>\n</span></div>'
    other = '<table><tr><td class="tags"><a href="/tag:blue" class="wikilink1" rel="tag">blue</a></td></tr></table>'
    bench.wiki.put("zoo:birds", FLAMINGOS, author="ann")
    bench.wiki.rendered["zoo:birds"] = f"<h1 id='birds'>Birds</h1><p>Flamingos are pink.</p>{other}{own}"
    bench.world.sync()
    bench.world.drain()
    search = bench.world.ledger.search

    def hit() -> Hit:
        found = search.hits(search.keyword("flamingos", 5, Reader(), Filters()), Reader())
        return next(one for one in found if one.uri.endswith("zoo/birds"))

    assert (hit().tags, hit().author) == (("pink", "r & d"), "ann")
    assert bench.world.found("flamingos", tags=("blue",)) == []
    bench.wiki.put("zoo:birds", FLAMINGOS + "\n{{tag>zoo}}\n", author="")
    bench.wiki.rendered["zoo:birds"] = bench.wiki.rendered["zoo:birds"].replace(">pink<", ">zoo<")
    bench.later()
    bench.world.sync()
    assert (hit().tags, hit().author) == (("r & d", "zoo"), "")


def test_namespaces_are_chosen(modern: Bench) -> None:
    """What is read is listed by its namespaces; what comes to be left out leaves, with a reason."""
    modern.configure(namespaces=["it", "zoo"], exclude_namespaces=["it:network"], files=False)
    modern.wiki.upload("it:plan.txt", b"A plan.\n")
    modern.world.sync()
    assert set(modern.held()) == {"pages/it/laptops", "pages/it/printers"}
    modern.wiki.put("zoo:birds", FLAMINGOS)
    modern.wiki.put("invoices", FLAMINGOS)
    modern.later()
    modern.wiki.methods.clear()
    modern.world.sync()
    assert modern.wiki.methods.count("core.getPageInfo") == 2  # of the one page, before and after it was read
    assert set(modern.held()) == {"pages/it/laptops", "pages/it/printers", "pages/zoo/birds"}
    for item, word in (
        ("pages/it/network/cables", "exclude_namespaces"),
        ("pages/invoices", "namespaces"),
        ("media/it/plan.txt", "files = false"),
        ("pages/it/nothing", "no"),
    ):
        assert word in (modern.source.explain(ItemId(item)) or "")
    assert modern.source.explain(ItemId("pages/zoo/birds")) is None


@pytest.mark.parametrize("scope", ["pages/it", "media/it", "pages/it/laptops", "pages/nothing"])
def test_a_namespace_is_a_scope(bench: Bench, scope: str) -> None:
    """What lies in it, and the page of its name, is listed; a run of a part reads no more than that."""
    bench.wiki.put("it", TEXT.format("it"))
    bench.wiki.upload("it:plan.txt", b"A plan of the cables.\n")
    bench.world.run(scope)
    assert set(bench.held()) == {item for item in bench.wanted() if item == scope or item.startswith(f"{scope}/")}


def test_r5_what_a_listing_lacks_is_looked_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wiki that for a while lists fewer pages than it has loses none, and is listed anew until it lists them; pages
    that come and go while everything is listed are neither lost nor invented."""
    bench.world.sync()
    ids = bench.world.doc_ids()
    lists = ("core.listPages", "dokuwiki.getPagelist")
    bench.wiki.put("refunds", FLAMINGOS)
    bench.wiki.weather = lambda asked: result(asked, []) if method_of(asked) in lists else None
    with monkeypatch.context() as patch:
        an_hour_later(bench, patch)
        assert bench.world.sync().counts.deleted == 0
    assert bench.world.doc_ids() == ids
    bench.wiki.weather = lambda _asked: None

    moves = iter([("invoices", "zoo:invoices"), ("it:laptops", "aaa:laptops")])
    bench.wiki.between = lambda: bench.wiki.move(*move) if (move := next(moves, None)) else None
    with monkeypatch.context() as patch:
        an_hour_later(bench, patch)
        bench.world.sync()
    bench.wiki.between = None
    bench.later()
    bench.world.sync()
    assert set(bench.world.doc_ids().values()) == set(ids.values())
    bench.equal()


def test_a_feed_that_cannot_be_trusted_is_not_gone_on_with(bench: Bench) -> None:
    """Purged, or of a wiki that was restored from a backup: everything is listed, and the ledger is the wiki."""
    world, wiki = bench.world, bench.wiki
    world.sync()
    wiki.put("zoo:birds", FLAMINGOS)
    wiki.delete("refunds")
    wiki.purge()
    bench.later()
    assert world.sync().counts.deleted == 1
    bench.equal()
    pages, log = dict(wiki.pages), list(wiki.page_log)
    wiki.put("zoo:birds", TEXT.format("zebras"))
    bench.later()
    world.sync()
    wiki.pages, wiki.page_log, wiki.clock = pages, log, wiki.clock - 1000
    bench.later()
    world.sync()
    bench.equal()


def test_two_edits_of_one_second_are_both_seen(modern: Bench) -> None:
    """Their rows in the feed are one; what is that young is looked at once more."""
    modern.wiki.clock, modern.wiki.tick = int(time.time()), 0
    modern.wiki.put("refunds", TEXT.format("zebras"))
    modern.wiki.upload("it:plan.txt", b"A plan of the okapis.\n")
    modern.world.sync()
    modern.wiki.put("refunds", TEXT.format("okapis"))
    modern.later()
    modern.world.sync()
    modern.equal()


def test_r5_another_wiki_at_the_address_deletes_nothing(modern: Bench) -> None:
    """It has another title and other pages."""
    modern.world.sync()
    ids = modern.world.doc_ids()
    modern.wiki.title = "Another wiki"
    modern.wiki.pages.clear()
    modern.wiki.purge()
    modern.later()
    assert modern.world.run().outcome is Outcome.UNAVAILABLE
    assert modern.world.doc_ids() == ids


def test_what_a_page_breaks_is_that_page(modern: Bench) -> None:
    """A plugin that fails, or a file that is too large for the wiki itself, costs its own document and no other."""
    bad = b'"it:laptops"'
    modern.wiki.weather = lambda asked: Answer(status=500) if bad in asked.body and b"HTML" in asked.body else None
    report = modern.world.run()
    assert report.outcome is Outcome.PARTIAL
    assert (report.counts.added, report.counts.failed) == (7, 1)
    modern.wiki.weather = lambda _asked: None
    modern.later()
    modern.world.sync()
    modern.equal()


# -- logins and permissions ------------------------------------------------------------------------


def secret(base: Path, text: str) -> str:
    (base / "secret").write_text(text + "\n")
    return str(base / "secret")


@pytest.mark.parametrize(("language", "by"), [("json", "password"), ("xml", "password"), ("json", "token")])
def test_a_private_wiki_is_read_with_a_login(language: str, by: str, tmp_path: Path) -> None:
    """A session that ends is begun anew, a cycle is three requests all the same, and the wiki's files come too."""
    wiki = DokuWiki(language=language, private=True)
    wiki.upload("it:plan.txt", b"A plan of the cables.\n")
    keys = {"username": "Reader", "password_file": secret(tmp_path, "right-password")}
    wiki.login = ("Reader", "right-password")
    if by == "token":
        keys = {"token_file": secret(tmp_path, "right-token")}
    with doku_bench(tmp_path, wiki, **keys) as bench:
        bench.world.sync()
        bench.equal()
        for _ in range(2):
            bench.later()
            wiki.methods.clear()
            bench.world.sync()
            assert len(wiki.methods) == 3
        wiki.sessions.clear()
        wiki.put("refunds", FLAMINGOS)
        bench.later()
        bench.world.sync()
        bench.equal()


@pytest.mark.parametrize(
    ("language", "by", "word"),
    [
        ("json", "password", "login"),
        ("xml", "password", "login"),
        ("json", "token", "token"),
        ("xml", "token", "token"),
    ],
)
def test_r5_a_refused_login_deletes_nothing(language: str, by: str, word: str, tmp_path: Path) -> None:
    """Nor does it where everybody may read a part: with less than we are used to nothing is compared."""
    wiki = DokuWiki(language=language)
    keys = {"username": "reader", "password_file": secret(tmp_path, "wrong-password")}
    if by == "token":
        keys = {"token_file": secret(tmp_path, "wrong-token")}
    with doku_bench(tmp_path, wiki) as bench:
        bench.world.sync()
        ids = bench.world.doc_ids()
        wiki.shut.add("it")
        bench.configure(**keys)
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert word in report.message
        assert "wrong" not in report.message
        assert bench.world.doc_ids() == ids


def test_r7_what_the_account_may_not_read_any_more_is_shown_to_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of the wiki that is: it is hidden at once, is no deletion that could be held, and comes back as the
    same documents."""
    staff = Reader(principals=frozenset({"group:staff"}))
    bench.world.sync()
    ids = bench.world.doc_ids()
    assert found(bench, "laptops", staff)
    bench.wiki.shut |= {"it", "refunds", "invoices", "badges", "ladders"}
    with monkeypatch.context() as patch:
        an_hour_later(bench, patch)
        assert bench.world.sync().counts.deleted == 0
    assert not found(bench, "laptops", staff)
    assert found(bench, "k\u00fcche", staff)
    assert bench.world.doc_ids() == ids
    bench.wiki.methods.clear()
    bench.later()
    bench.world.sync()
    assert len(bench.wiki.methods) == 3  # the feed is gone on with
    bench.wiki.shut.clear()
    with monkeypatch.context() as patch:
        an_hour_later(bench, patch)
        bench.world.sync()
    assert found(bench, "laptops", staff)
    assert bench.world.doc_ids() == ids
    bench.equal()


def test_r7_a_wiki_that_closes_is_hidden_until_it_opens(tmp_path: Path) -> None:
    """What was granted to everybody is shown to nobody while the API is closed to everybody."""
    everybody = Reader(principals=frozenset({"public"}))
    with doku_bench(tmp_path, permissions=["public"]) as bench:
        bench.world.sync()
        ids = bench.world.doc_ids()
        assert found(bench, "laptops", everybody)
        bench.wiki.private = True
        bench.later()
        bench.world.run()
        assert not found(bench, "laptops", everybody)
        bench.wiki.private = False
        bench.later()
        bench.world.sync()
        assert found(bench, "laptops", everybody)
        assert bench.world.doc_ids() == ids


def test_no_secret_goes_elsewhere(tmp_path: Path) -> None:
    """A wiki that sends us to another address gets no login there, and the run says where it was sent."""
    wiki, strangers = DokuWiki(), list[Asked]()
    elsewhere = DokuWiki()
    elsewhere.weather = lambda asked: strangers.append(asked) or Answer(status=404)  # type: ignore[func-returns-value]
    try:
        with doku_bench(tmp_path, wiki, token_file=secret(tmp_path, "right-token")) as bench:
            target = (("Location", f"{elsewhere.url}/lib/exe/jsonrpc.php"),)
            wiki.weather = lambda _asked: Answer(status=302, headers=target)
            assert bench.world.run().outcome is Outcome.UNAVAILABLE
            assert strangers == []
    finally:
        elsewhere.close()
