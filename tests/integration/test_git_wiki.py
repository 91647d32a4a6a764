"""A git wiki as a source: a real repository, a real mirror, a real ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.base import WHOLE, ItemId
from connectors.gitwiki.config import parse_settings
from connectors.gitwiki.git import Git
from connectors.gitwiki.source import GitSource
from ingestor.model import Filters, Outcome, Reader, blake
from tests.support.faults_report import campaign_seed, write_report
from tests.support.git_churn import Churn
from tests.support.git_servers import http_server
from tests.support.git_wiki import Wiki
from tests.support.program import Program
from tests.support.served import Served
from tests.support.source_bench import Counting, SourceBench
from tests.support.world import SOURCE

PAGE = "Topic {0}\n\nThe page about {0} says that {0} is a thing of its own. It goes on for another sentence.\n"
NAMES = ("invoices", "refunds", "parcels", "laptops", "printers", "badges", "ladders", "kitchens")


class _Source(Counting, GitSource):
    """Counts what is read."""


class Bench(SourceBench):
    """A wiki of a few pages and a world that reads it."""

    def __init__(self, base: Path) -> None:
        self.wiki = Wiki(base / "wiki.git")
        self.wiki.commit(put={f"{name}.md": PAGE.format(name).encode() for name in NAMES})
        super().__init__(base)

    def make(self, **settings: object) -> _Source:
        given = {"url": self.wiki.url, "permissions": ["public"], **settings}
        return _Source(parse_settings(SOURCE, given), self.base / "cache")

    def equal(self) -> None:
        """The ledger holds exactly what the repository does."""
        assert self.held() == {item: blake(content) for item, content in self.wiki.files().items()}
        self.world.healthy()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each command that went to the server."""
    commands: list[str] = []
    remote = Git.remote

    def counted(self: Git, *arguments: str, repository: Path | None = None, fetching: bool = False) -> bytes:
        commands.append(arguments[0])
        return remote(self, *arguments, repository=repository, fetching=fetching)

    monkeypatch.setattr(Git, "remote", counted)
    return commands


def test_a_cycle_without_changes_asks_once_and_reads_nothing(bench: Bench, asked: list[str]) -> None:
    """The first run fetches; each later one over an unchanged wiki is one question, and no row changes."""
    bench.world.sync()
    bench.world.drain()
    assert asked.count("fetch") == 1
    before, fetched = bench.world.dump(), bench.source.fetched
    asked.clear()
    for _ in range(3):
        report = bench.world.sync()
        assert report.counts.bytes_read == 0
    assert asked == ["ls-remote"] * 3
    assert bench.source.fetched == fetched
    assert bench.world.dump() == before
    assert bench.world.drain() == (0, 0)


def test_an_edit_reads_one_page(bench: Bench) -> None:
    """A push is one more fetch, and only what it changed is read."""
    bench.world.sync()
    fetched = bench.source.fetched
    bench.wiki.put("refunds.md", PAGE.format("flamingos").encode())
    bench.wiki.put("penguins.md", PAGE.format("penguins").encode())
    report = bench.world.sync()
    assert (report.counts.updated, report.counts.added, bench.source.fetched - fetched) == (1, 1, 2)
    assert bench.world.found("flamingos") == [f"ingestor:{SOURCE}/refunds.md"]
    bench.equal()


def test_a_move_reads_and_embeds_nothing(bench: Bench) -> None:
    """A renamed page is the same document; so is each of a renamed folder."""
    bench.wiki.commit(move={"refunds.md": "guide/refunds.md", "parcels.md": "guide/parcels.md"})
    bench.world.sync()
    bench.world.drain()
    ids, fetched = bench.world.doc_ids(), bench.source.fetched
    bench.wiki.commit(move={"guide": "handbook", "badges.md": "cards.md"})
    report = bench.world.sync()
    assert (report.counts.moved, report.counts.deleted, report.counts.added, report.counts.bytes_read) == (3, 0, 0, 0)
    assert bench.source.fetched == fetched
    assert bench.world.doc_ids()["handbook/refunds.md"] == ids["guide/refunds.md"]
    assert bench.world.doc_ids()["cards.md"] == ids["badges.md"]
    assert bench.world.drain()[0] == 0
    bench.equal()


def test_a_move_with_an_edit_keeps_the_document(bench: Bench) -> None:
    """git tells a rename from the similar content; the document and its citations survive, the new text is found."""
    bench.world.sync()
    before = bench.world.doc_ids()["refunds.md"]
    text = PAGE.format("refunds") + "And flamingos.\n"
    bench.wiki.commit(remove=("refunds.md",), put={"money-back.md": text.encode()})
    report = bench.world.sync()
    assert (report.counts.moved, report.counts.deleted) == (1, 0)
    assert bench.world.doc_ids()["money-back.md"] == before
    assert bench.world.found("flamingos") == [f"ingestor:{SOURCE}/money-back.md"]
    bench.equal()


def test_a_page_that_returns_is_the_same_document(bench: Bench) -> None:
    """Deleted and put back: the document gets its id again."""
    bench.world.sync()
    before = bench.world.doc_ids()["refunds.md"]
    bench.wiki.remove("refunds.md")
    assert bench.world.sync().counts.deleted == 1
    bench.equal()
    bench.wiki.put("refunds.md", PAGE.format("refunds").encode())
    bench.world.sync()
    assert bench.world.doc_ids()["refunds.md"] == before


def test_a_rewritten_history_is_listed_whole(bench: Bench) -> None:
    """After a forced push the journal says nothing: the whole tree does, and what it lacks is gone."""
    base = bench.wiki.tip()
    bench.wiki.put("refunds.md", PAGE.format("flamingos").encode())
    bench.world.sync()
    ids = bench.world.doc_ids()
    bench.wiki.commit(remove=("badges.md",), move={"parcels.md": "boxes.md"}, onto=base)
    report = bench.world.sync()
    assert (report.counts.deleted, report.counts.moved, report.counts.updated) == (1, 1, 1)
    assert bench.world.doc_ids()["boxes.md"] == ids["parcels.md"]
    assert bench.world.found("flamingos") == []
    bench.equal()


def test_a_history_squashed_to_nothing_is_adopted_when_it_lacks_nothing(bench: Bench) -> None:
    """Another first commit is another place, unless everything that is known stands in it."""
    bench.world.sync()
    ids, identity = bench.world.doc_ids(), bench.source.identity()
    files = bench.wiki.files() | {"penguins.md": PAGE.format("penguins").encode()}
    bench.wiki.commit(put=files, onto=None)
    bench.world.sync()
    assert bench.source.identity() != identity
    assert ids.items() <= bench.world.doc_ids().items()
    bench.equal()


def test_r5_another_repository_at_the_address_deletes_nothing(bench: Bench) -> None:
    """What stands there now is not the wiki that was indexed."""
    bench.world.sync()
    ids = bench.world.doc_ids()
    bench.wiki.commit(put={"other.md": PAGE.format("others").encode()}, onto=None)
    report = bench.world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert bench.world.doc_ids() == ids


def test_r5_a_wiki_without_pages_is_held(bench: Bench) -> None:
    """A commit that removes everything is a person's to approve."""
    bench.world.sync()
    ids = bench.world.doc_ids()
    bench.wiki.commit(remove=tuple(f"{name}.md" for name in NAMES))
    report = bench.world.run()
    assert report.outcome is Outcome.HELD
    assert bench.world.doc_ids() == ids


def test_other_settings_list_everything(bench: Bench) -> None:
    """Patterns, folder, front end and readers are part of the cursor: under others the journal is not gone on with."""
    bench.wiki.commit(move={"refunds.md": "guide/refunds.md"})
    bench.world.sync()
    bench.configure(exclude=["badges.md"], web="github", link="https://wiki.example/{name}")
    report = bench.world.sync()
    assert (report.counts.deleted, report.counts.bytes_read) == (1, 0)
    (url,) = bench.world.ledger.sync._db.read("SELECT url FROM binding WHERE died IS NULL AND name = 'refunds.md'")
    assert url == ("https://wiki.example/refunds",)
    bench.configure(folder="guide")
    assert bench.world.run().outcome is Outcome.OK
    assert bench.world.doc_ids().keys() == {"guide/refunds.md"}


def test_r6_a_journal_is_trusted_for_a_day(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the journal failed to tell of is found by the daily listing of everything."""
    bench.world.sync()
    with bench.world.ledger.sync._db.write() as tx:
        tx.execute("DELETE FROM item WHERE item_id = 'badges.md'")
    bench.world.sync()
    assert "badges.md" not in bench.world.doc_ids()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_500.0)
    bench.world.sync()
    assert "badges.md" in bench.world.doc_ids()


def test_links_pointers_and_submodules_are_no_items(bench: Bench) -> None:
    """A symbolic link leads nowhere, a submodule is another repository, a pointer of Git LFS is not the content; each
    says so when it is asked about, and what became one leaves search."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 12345\n"
    bench.world.sync()
    bench.wiki.commit(
        put={"link.md": b"/etc/passwd", "module": b"a" * 40, "big.pdf": pointer, "refunds.md": pointer},
        modes={"link.md": "120000", "module": "160000"},
    )
    assert bench.world.sync().counts.deleted == 1
    assert bench.world.doc_ids().keys() == {f"{name}.md" for name in NAMES} - {"refunds.md"}
    for item, word in {"link.md": "link", "module": "submodule", "big.pdf": "LFS", "refunds.md": "LFS"}.items():
        assert word in (bench.source.explain(item) or "")  # type: ignore[arg-type]


def test_times_are_when_content_came_onto_the_branch(bench: Bench) -> None:
    """What was written long ago and merged now changed now; a listing, a journal and a look-up agree."""
    base = bench.wiki.tip()
    side = bench.wiki.commit(put={"side.md": PAGE.format("sides").encode()}, onto=base)
    bench.wiki.reset(base)
    bench.wiki.put("main.md", PAGE.format("mains").encode())
    bench.wiki.merge(side)
    listed = {change.ref.item_id: change.ref for change in bench.source.list(WHOLE, None) if hasattr(change, "ref")}
    merged = bench.wiki.time(bench.wiki.tip())
    assert listed["side.md"].modified_at == merged
    assert listed["main.md"].modified_at == merged - 60
    fresh = bench.make()
    for item, ref in listed.items():
        assert fresh.lookup(item) == ref
    fresh.close()


def test_authors_are_who_wrote_and_not_who_merged(bench: Bench) -> None:
    """A listing, a journal and a look-up agree; a later edit has its own."""
    base = bench.wiki.tip()
    ann, cem = "Ann \u00d6 <ann@example.org>", "Cem <cem@example.org>"
    bench.wiki.commit(put={"side.md": PAGE.format("sides").encode()}, onto=base, author="Bob <bob@example.org>")
    side = bench.wiki.commit(put={"side.md": PAGE.format("asides").encode()}, author=ann)
    bench.wiki.reset(base)
    bench.wiki.commit(put={"main.md": PAGE.format("mains").encode()}, author=cem)
    bench.world.sync()
    before = bench.wiki.tip()
    bench.wiki.merge(side)
    bench.world.sync()
    known = {
        hit.uri.rpartition("/")[2]: hit.author
        for word in ("mains", "asides")
        for hit in bench.world.ledger.search.hits(
            bench.world.ledger.search.keyword(word, 5, Reader(), Filters()), Reader()
        )
    }
    assert known == {"main.md": "Cem", "side.md": "Ann \u00d6"}
    listed = {change.ref.item_id: change.ref for change in bench.source.list(WHOLE, None) if hasattr(change, "ref")}
    assert (listed["side.md"].author, listed["main.md"].author) == ("Ann \u00d6", "Cem")
    fresh = bench.make()
    assert fresh.lookup(ItemId("side.md")) == listed["side.md"]
    fresh.close()
    assert before != bench.wiki.tip()


# -- the service, while people push -------------------------------------------------------------------------


@contextmanager
def serving(tmp_path: Path, url: str, *, schedule: str, extra: str = "") -> Iterator[Served]:
    """A service that polls the wiki."""
    settings = f'[[source]]\nname = "wiki"\nkind = "gitwiki"\nurl = "{url}"\nschedule = "{schedule}"\n'
    served = Served(tmp_path / "state", settings=settings + 'permissions = ["group:staff"]\n' + extra)
    try:
        served.service.watch()
        yield served
    finally:
        served.close()


def settled(served: Served, wiki: Wiki) -> None:
    """At the end the index is the wiki."""
    served.sync("wiki")
    served.until_settled("wiki")
    rows = dict(served.ledger.sync._db.read("SELECT item_id, content_hash FROM item"))
    assert rows == {item: blake(content) for item, content in wiki.files().items()}
    assert served.differs("wiki") == ""
    reply = served.verify()
    assert reply.ok, reply.details


def test_the_command_line_knows_a_wiki(tmp_path: Path) -> None:
    """`sync` takes it in, `why` names the rule that leaves a file out, and a source that is removed leaves nothing of
    it in the state folder."""
    wiki = Wiki(tmp_path / "wiki.git")
    wiki.commit(put={"Home.md": PAGE.format("homes").encode(), "_Sidebar.md": PAGE.format("bars").encode()})
    config = tmp_path / "ingestor.toml"
    table = f'[[source]]\nname = "wiki"\nkind = "gitwiki"\nurl = "{wiki.url}"\nexclude = ["_Sidebar.*"]\n'
    config.write_text(table)
    program = Program(state=tmp_path / "state", home=tmp_path / "home", config=config)
    assert program("sync", "--json").run["documents"]["added"] == 1
    assert program("sync", "--json").run["bytes_read"] == 0
    assert "searchable" in program("why", f"{wiki.url}/Home.md").stdout
    assert "_Sidebar.*" in program("why", f"{wiki.url}/_Sidebar.md").stdout
    (cache,) = (tmp_path / "state" / "cache").iterdir()
    config.write_text("")
    program("sync", "--json", expect=None)  # the table is gone: an added source from now on
    program("source", "remove", "wiki", "--purge")
    assert not cache.exists()


@pytest.mark.slow
def test_a_wiki_that_changes_all_the_time_is_held_true(tmp_path: Path) -> None:
    """Pages are made, edited, moved, deleted, restored and rewritten by force while the service polls; at the end it
    holds the wiki, another run reads nothing, and a move embeds nothing."""
    wiki = Wiki(tmp_path / "wiki.git")
    churn = Churn(wiki, 7, pages=60)
    with serving(tmp_path, wiki.url, schedule="1s") as served:
        for _ in range(60):
            churn.step()
        assert wiki.files() == churn.now
        settled(served, wiki)
        assert served.sync("wiki").counts.bytes_read == 0
        embedded = served.embedder.embedded
        old, began = sorted(churn.now)[0], time.time()
        document = served.documents("wiki")[old]
        new = f"somewhere/else{old[old.rindex('.') :]}"
        wiki.move(old, new)
        served.sync("wiki")
        assert served.documents("wiki")[new] == document
        # The service's own schedule may have come first.
        runs = [run.counts for run in served.ledger.runs.last("wiki", 20) if run.started_at >= began]
        assert (sum(run.moved for run in runs), sum(run.embedded + run.bytes_read for run in runs)) == (1, 0)
        assert served.embedder.embedded == embedded


_LONG_PAGES, _LONG_STEPS, _LONG_PROBES, _LONG_SCHEDULE_S = 500, 600, 20, 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_hundred_pages_over_http(tmp_path: Path) -> None:
    """The same with 500 pages, over git's HTTP service with a token, and how long an edit takes to be found."""
    seed = campaign_seed()
    wiki = Wiki(tmp_path / "srv" / "wiki.wiki.git")
    churn = Churn(wiki, seed, pages=_LONG_PAGES)
    (tmp_path / "token").write_text("a-token-of-the-test\n")
    extra = f'token_file = "{tmp_path}/token"\n'
    with (
        http_server(tmp_path / "srv", token="a-token-of-the-test") as server,
        serving(tmp_path, f"{server.url}/wiki.wiki.git", schedule=f"{_LONG_SCHEDULE_S}s", extra=extra) as served,
    ):
        began = time.monotonic()
        for _ in range(_LONG_STEPS):
            churn.step()
        pushed = time.monotonic() - began
        settled(served, wiki)
        report = served.sync("wiki")
        assert report.counts.bytes_read == 0
        lags = []
        for number in range(_LONG_PROBES):
            word = f"zebra{number}zebra"
            item = sorted(churn.now)[number]
            wiki.put(item, churn.now[item] + f"\nA word of its own: {word}.\n".encode())
            at = time.monotonic()
            served.until(lambda word=word: served.search(word, "keyword").hits, f"the edit {number} to be found")
            lags.append(time.monotonic() - at)
            time.sleep(0.37 * number % 3)  # at another moment of the cycle each time
        settled(served, wiki)
        server.requests.clear()
        served.sync("wiki")
        asked = len(server.requests)
    lags.sort()
    write_report(
        "gitwiki.md",
        "A git wiki of 500 pages under random pushes",
        [
            f"Seed {seed}; {_LONG_PAGES} pages, {_LONG_STEPS} pushes in {pushed:.0f} s over HTTP with a token.",
            f"Schedule {_LONG_SCHEDULE_S} s, the embedder a stub.",
            "",
            "| kind of push | count |",
            "|---|---|",
            *(f"| {kind} | {count} |" for kind, count in sorted(churn.kinds.items())),
            "",
            "At the end the ledger, the keyword index and Chroma were the wiki (`verify` found nothing), twice.",
            f"A run over the unchanged wiki read {report.counts.bytes_read} bytes and took {asked} HTTP requests.",
            f"Push to found by keyword, {_LONG_PROBES} times: p50 {lags[len(lags) // 2]:.1f} s, most {lags[-1]:.1f} s.",
        ],
    )
