"""A MediaWiki as a source: a scripted wiki over HTTP, the engine, a real ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors import registry
from connectors.base import ItemId
from connectors.mediawiki import rendering
from ingestor.model import Filters, Outcome, Reader
from ingestor.search.citations import cite
from tests.support.media_wiki import MediaWiki, sent
from tests.support.web_server import Answer as Reply
from tests.support.web_server import Asked, web_server
from tests.support.wiki_bench import TEXT, Bench, wiki_bench

FLAMINGOS = "== About birds ==\nFlamingos are pink birds and stand on one leg for most of the day.\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with wiki_bench(tmp_path) as made:
        yield made


def later(bench: Bench) -> None:
    """Past the time for which an answer about the wiki itself is fresh."""
    bench.source._asked_at = float("-inf")


def test_a_cycle_without_changes_asks_twice_and_reads_nothing(bench: Bench) -> None:
    """The wiki about itself, and for its changes; no row changes."""
    bench.world.sync()
    bench.world.drain()
    bench.equal()
    before, fetched = bench.world.dump(), bench.source.fetched
    bench.wiki.part = 500  # rows in one answer, as of a real wiki
    for _ in range(3):
        later(bench)
        bench.wiki.server.asked.clear()
        assert bench.world.sync().counts.bytes_read == 0
        assert len(bench.wiki.server.asked) == 2
    assert bench.source.fetched == fetched
    assert bench.world.dump() == before
    assert bench.world.drain() == (0, 0)


def test_an_edit_reads_one_page(bench: Bench) -> None:
    """Only what changed is read, and it is found."""
    bench.world.sync()
    fetched = bench.source.fetched
    bench.wiki.put("Refunds", FLAMINGOS)
    bench.wiki.put("Penguins", TEXT.format("penguins"))
    report = bench.world.sync()
    assert (report.counts.updated, report.counts.added, bench.source.fetched - fetched) == (1, 1, 2)
    assert len(bench.world.found("flamingos")) == 1
    bench.equal()


def test_a_rename_keeps_the_document_and_embeds_nothing(bench: Bench) -> None:
    """Its number is what a page is; the redirect that it leaves is no page."""
    bench.world.sync()
    bench.world.drain()
    before = bench.document("Refunds")
    bench.wiki.move("Refunds", "Manual:Money back")
    bench.world.sync()
    assert bench.document("Manual:Money back") == before
    assert bench.world.drain()[0] == 0
    (title,) = bench.world.ledger.sync._db.read(
        "SELECT title FROM binding JOIN document ON document.id = doc WHERE died IS NULL AND doc_id = ?", (before,)
    )
    assert title == ("Manual:Money back",)
    search = bench.world.ledger.search
    (hit, *_) = search.hits(search.keyword("money", 5, Reader(), Filters()), Reader())
    assert hit.document_id == before
    bench.equal()


def test_a_page_that_is_restored_is_the_same_document(bench: Bench) -> None:
    """Deleted it leaves search; undeleted it has its id again."""
    bench.world.sync()
    before = bench.document("Refunds")
    bench.wiki.delete("Refunds")
    assert bench.world.sync().counts.deleted == 1
    bench.equal()
    bench.wiki.restore("Refunds")
    bench.world.sync()
    assert bench.document("Refunds") == before
    bench.equal()


def test_a_file_is_read_like_any_and_names_its_page(bench: Bench) -> None:
    """The file and the page that describes it are two documents; a hit in the file names the page."""
    bench.wiki.put(
        "File:Plan.txt", "== Summary ==\nA plan of the year.", file=b"Flamingos arrive in the second quarter.\n"
    )
    bench.world.sync()
    scored = bench.world.ledger.search.keyword("flamingos", 5, Reader(), ())
    (hit,) = bench.world.ledger.search.hits(scored, Reader())
    assert hit.title == "Plan"
    assert hit.parent is not None
    assert hit.parent.title == "File:Plan.txt"
    assert "/files/" in hit.url
    bench.wiki.put("File:Plan.txt", file=b"Penguins arrive in the third quarter.\n")
    bench.world.sync()
    assert bench.world.found("flamingos") == []
    bench.equal()
    bench.wiki.delete("File:Plan.txt")
    assert bench.world.sync().counts.deleted == 2
    bench.equal()


def test_links_open_at_the_heading_and_at_the_revision(bench: Bench) -> None:
    """A hit has the address of the page at its heading, and that of the revision that was read."""
    bench.wiki.put("Birds", FLAMINGOS)
    bench.world.sync()
    scored = bench.world.ledger.search.keyword("flamingos", 5, Reader(), ())
    (hit,) = [cite(hit) for hit in bench.world.ledger.search.hits(scored, Reader())]
    revid = bench.wiki._titled("Birds").revid  # type: ignore[union-attr]
    assert hit.url == f"{bench.wiki.server.url}/wiki/Birds#About_birds"
    assert hit.pinned_url == f"{bench.wiki.server.url}/w/index.php?oldid={revid}#About_birds"


def test_categories_are_tags(bench: Bench) -> None:
    """Those that a reader is shown, its templates' as well, and not the wiki's hidden ones; another category is an edit
    of the page that is read, and neither parsed nor embedded again."""
    bench.wiki.put("Category:Upkeep", "__HIDDENCAT__")
    bench.wiki.put("Template:Bird", "A bird.[[Category:Birds]]")
    bench.wiki.put("Flamingos", FLAMINGOS + "{{Bird}}\n[[Category:Pink things]]\n[[Category:Upkeep]]\n")
    bench.world.sync()
    bench.world.drain()
    assert bench.tagged("flamingos") == ("Birds", "Pink things")
    assert bench.world.found("flamingos", tags=("pink Things",))
    assert bench.world.found("flamingos", tags=("upkeep",)) == []
    bench.wiki.put("Flamingos", FLAMINGOS + "{{Bird}}\n[[Category:Zoo]]\n")
    report = bench.world.sync()
    assert (report.counts.updated, report.counts.unchanged >= 1) == (0, True)
    assert bench.tagged("flamingos") == ("Birds", "Zoo")
    assert bench.world.drain() == (0, 0)
    bench.wiki.put("Template:Bird", "A bird.[[Category:Wading birds]]")
    bench.world.sync()
    assert bench.tagged("flamingos") == ("Wading birds", "Zoo")
    bench.equal()


def test_a_revision_has_its_author(bench: Bench) -> None:
    """Of pages and of files; nobody where the wiki does not say."""
    bench.wiki.put("Flamingos", FLAMINGOS, user="Ann")
    bench.wiki.put("File:Plan.txt", "== Summary ==\nA plan.", file=b"Penguins arrive in spring.\n", user="Bob")
    bench.world.sync()
    assert [bench.hit(word).author for word in ("flamingos", "penguins")] == ["Ann", "Bob"]
    bench.wiki.put("Flamingos", FLAMINGOS + "They sleep.\n", user="")
    bench.wiki.put("File:Plan.txt", "== Summary ==\nThe plan of a year.", user="Cem")
    bench.world.sync()
    assert [bench.hit(word).author for word in ("flamingos", "penguins", "year")] == ["", "Bob", "Cem"]
    bench.equal()


def test_a_template_changes_the_pages_that_show_it(bench: Bench) -> None:
    """They are read again although nobody edited them; so they are when it is removed."""
    bench.wiki.put("Template:Hours", "Open from nine to five.")
    bench.wiki.put("Office", "== Office ==\n{{Hours}} Ring the bell of the office.")
    bench.world.sync()
    fetched = bench.source.fetched
    bench.wiki.put("Template:Hours", "Open while flamingos fly.")
    bench.world.sync()
    assert bench.source.fetched == fetched + 1
    assert bench.world.found("flamingos")
    bench.wiki.delete("Template:Hours")
    bench.world.sync()
    assert not bench.world.found("flamingos")
    bench.equal()


def test_text_that_the_wiki_has_yet_to_make_anew_is_read_again(bench: Bench) -> None:
    """A wiki shows old text until its jobs ran; what was read before that is not what stays."""
    bench.wiki.lazy = True
    bench.wiki.put("Template:Hours", "Open from nine to five.")
    bench.wiki.put("Office", "== Office ==\n{{Hours}} Ring the bell of the office.")
    bench.wiki.clock += 100
    bench.world.sync()
    bench.wiki.clock += 100
    bench.wiki.put("Template:Hours", "Open while flamingos fly.")
    bench.world.sync()
    bench.world.sync()
    assert not bench.world.found("flamingos")
    bench.wiki.clock += 100
    bench.wiki.run_jobs()
    bench.world.sync()
    assert bench.world.found("flamingos")
    bench.equal()
    fetched = bench.source.fetched
    bench.world.sync()
    assert bench.source.fetched == fetched


def test_text_that_was_made_while_a_template_was_being_saved_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision bears the time at which its saving began, and the wiki shows the one before until it ended: what was
    rendered in between is younger than the revision and lacks it."""
    monkeypatch.setattr(rendering, "_PAUSE_MOST_S", 0.0)
    bench.wiki.lazy = True
    bench.wiki.put("Template:Hours", "Open from nine to five.")
    page = bench.wiki.put("Office", "== Office ==\n{{Hours}} Ring the bell of the office.")
    bench.wiki.clock += 100
    bench.world.sync()
    bench.wiki.clock += 100
    bench.wiki.put("Template:Hours", "Open while flamingos fly.")
    shown = bench.wiki.pages[page]
    bench.wiki.clock += 2
    bench.wiki.pages[page] = replace(shown, rendered_at=bench.wiki.clock)
    bench.world.sync()
    assert not bench.world.found("flamingos")
    bench.wiki.run_jobs()
    bench.world.sync()
    assert bench.world.found("flamingos")
    bench.wiki.clock += 400
    bench.world.sync()
    fetched = bench.source.fetched
    bench.world.sync()
    assert bench.source.fetched == fetched
    bench.equal()


def test_what_becomes_a_redirect_or_empty_or_leaves_the_namespaces_leaves_search(bench: Bench) -> None:
    """Each is excluded by a rule that `why` names, and comes back when the rule no longer holds."""
    bench.world.sync()
    before = bench.document("Badges")
    ids = [bench.wiki.put("Refunds", "#REDIRECT [[Parcels]]"), bench.wiki.put("Laptops", "")]
    ids.append(bench.wiki.move("Badges", "Template:Badges", redirect=False))
    assert bench.world.sync().counts.deleted == 3
    for page_id, word in zip(ids, ("redirect", "empty", "namespace 10"), strict=True):
        assert word in (bench.source.explain(ItemId(str(page_id))) or "")
    bench.equal()
    bench.wiki.move("Template:Badges", "Badges", redirect=False)
    bench.world.sync()
    assert bench.document("Badges") == before


def test_namespaces_are_chosen(bench: Bench) -> None:
    """Talk pages are off until they are asked for; namespaces are named by name or number, and left out likewise."""
    for title in ("Talk:Refunds", "User:Ann", "User talk:Ann", "Manual:Birds"):
        bench.wiki.put(title, TEXT.format(title))
    for settings, expected in (
        ({}, (0, 2, 6, 100)),
        ({"talk": True}, (0, 1, 2, 3, 6, 100)),
        ({"namespaces": ["", "manual"]}, (0, 100)),
        ({"namespaces": [0, "User"], "talk": True, "exclude_namespaces": ["User_talk"]}, (0, 1, 2)),
        ({"exclude_namespaces": ["User", "Image"]}, (0, 100)),
    ):
        bench.configure(**settings)
        bench.world.sync()
        assert bench.held() == bench.wanted(namespaces=expected), settings
    bench.configure(namespaces=["Handbook"])
    report = bench.world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert "Handbook" in report.message
    assert bench.held()


def test_r5_a_page_that_moves_past_the_listing_is_not_lost(bench: Bench) -> None:
    """While everything is listed a page is renamed to a place that was listed already; it is there all the same."""
    bench.world.sync()
    bench.wiki.purge()
    moves = iter([("Refunds", "Aardvark"), ("Parcels", "Abacus"), ("Laptops", "Zoo")])
    bench.wiki.between = lambda: bench.wiki.move(*move) and None if (move := next(moves, None)) else None
    ids = bench.world.doc_ids()
    report = bench.world.sync()
    bench.wiki.between = None
    assert report.counts.deleted == 0
    assert bench.world.doc_ids() == ids
    bench.world.sync()
    bench.equal()


def test_r5_a_listing_that_lacks_what_is_there_deletes_nothing(bench: Bench) -> None:
    """A wiki that for a while lists fewer pages than it has is asked for each of the others."""
    bench.world.sync()
    ids = bench.world.doc_ids()
    bench.wiki.purge()

    def short(asked: Asked) -> Reply | None:
        fields = asked.fields
        if fields.get("generator") != "allpages" or fields["gapnamespace"] != "0" or "gapcontinue" in fields:
            return None
        return sent({"batchcomplete": True, "continue": {"gapcontinue": "L", "continue": "-||"}})

    bench.wiki.weather = short
    assert bench.world.sync().counts.deleted == 0
    assert bench.world.doc_ids() == ids
    bench.wiki.purge()
    bench.wiki.delete("Badges")
    assert bench.world.sync().counts.deleted == 1


def test_a_feed_that_was_purged_is_not_gone_on_with(bench: Bench) -> None:
    """Without the last row that was seen nobody knows what else is missing: everything is listed."""
    bench.world.sync()
    bench.wiki.put("Birds", FLAMINGOS)
    bench.wiki.delete("Refunds")
    bench.wiki.purge()
    del bench.wiki.logs[1:]
    assert bench.world.sync().counts.deleted == 1
    bench.equal()


def test_an_empty_feed_is_gone_on_with_for_an_hour(bench: Bench) -> None:
    """Nobody edits a wiki for months: it is not listed whole each time, and not trusted for long either."""
    bench.wiki.purge()
    bench.world.sync()

    def asked_for_everything() -> bool:
        bench.wiki.server.asked.clear()
        bench.world.sync()
        return any(asked.fields.get("generator") == "allpages" for asked in bench.wiki.server.asked)

    assert not asked_for_everything()
    bench.wiki.clock += 3601
    assert asked_for_everything()
    assert not asked_for_everything()
    bench.wiki.put("Refunds", FLAMINGOS)
    assert not asked_for_everything()
    bench.equal()


def test_r5_a_wiki_restored_from_a_backup_is_listed_whole(bench: Bench) -> None:
    """Numbers that were seen are given again to something else."""
    bench.world.sync()
    pages, changes, logs = dict(bench.wiki.pages), list(bench.wiki.changes), list(bench.wiki.logs)
    count = bench.wiki.count
    bench.wiki.put("Birds", FLAMINGOS)
    bench.wiki.put("Refunds", FLAMINGOS)
    bench.world.sync()
    bench.wiki.pages, bench.wiki.changes, bench.wiki.logs, bench.wiki.count = pages, changes, logs, count
    bench.wiki.put("Laptops", TEXT.format("zebras"))
    bench.wiki.put("Refunds", TEXT.format("okapis"))
    bench.world.sync()
    bench.equal()


def test_another_wiki_at_the_address_deletes_nothing(bench: Bench) -> None:
    """Its database has another name, or its log begins otherwise."""
    bench.world.sync()
    ids = bench.world.doc_ids()
    later(bench)
    bench.wiki.wikiid = "another"
    bench.wiki.pages.clear()
    assert bench.world.run().outcome is Outcome.UNAVAILABLE
    assert bench.world.doc_ids() == ids


# -- logins ----------------------------------------------------------------------------------------


def secret(base: Path, text: str) -> str:
    (base / "secret").write_text(text + "\n")
    return str(base / "secret")


LOGINS = {
    "a bot password": ("Reader@sync", {"username": "Reader@sync", "password_file": "right-password"}),
    "an account": ("Reader", {"username": "Reader", "password_file": "right-password"}),
    "a token": ("Reader", {"token_file": "right-token"}),
}


@pytest.mark.parametrize("login", LOGINS)
def test_a_private_wiki_is_read_with_a_login(login: str, tmp_path: Path) -> None:
    """By bot password, account or token; a session that ends is begun anew."""
    who, settings = LOGINS[login]
    for key in ("password_file", "token_file"):
        if key in settings:
            settings = {**settings, key: secret(tmp_path, settings[key])}
    wiki = MediaWiki(private=True, login=(who, "right-password"))
    with wiki_bench(tmp_path, wiki, **{**settings, "permissions": ["group:staff"]}) as bench:
        bench.world.sync()
        bench.equal()
        wiki.end_sessions()
        bench.wiki.put("Birds", FLAMINGOS)
        bench.world.sync()
        bench.equal()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"username": "Reader@sync", "password_file": "wrong"}, "Incorrect"),
        ({"token_file": "wrong"}, "does not let us read"),
        ({}, "does not let us read"),
        ({"username": "Reader@sync", "password_file": "/nonexistent/file"}, "cannot be read"),
    ],
)
def test_r5_a_refused_login_deletes_nothing(settings: dict[str, str], word: str, tmp_path: Path) -> None:
    """It is an outage that a person can mend, and never shows the password."""
    wiki = MediaWiki()
    with wiki_bench(tmp_path, wiki) as bench:
        bench.world.sync()
        ids = bench.world.doc_ids()
        wiki.private = True
        given = {
            key: secret(tmp_path, "s3cret-" + value) if value == "wrong" else value for key, value in settings.items()
        }
        bench.configure(**given)
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert word in report.message
        assert "s3cret" not in report.message
        assert bench.world.doc_ids() == ids


def test_r7_public_is_not_granted_of_a_private_wiki(tmp_path: Path) -> None:
    """Whoever wrote ``public`` wrote it of a wiki that everybody may read."""
    password = secret(tmp_path, "right-password")
    settings = {"username": "Reader@sync", "password_file": password, "permissions": ["public", "group:staff"]}
    public, staff = (Reader(principals=frozenset({one})) for one in ("public", "group:staff"))
    with wiki_bench(tmp_path, MediaWiki(), **settings) as bench:
        bench.world.sync()
        assert bench.world.ledger.search.keyword("invoices", 5, public, ())
        later(bench)
        bench.wiki.private = True
        bench.world.sync()
        assert not bench.world.ledger.search.keyword("invoices", 5, public, ())
        assert bench.world.ledger.search.keyword("invoices", 5, staff, ())


def test_r7_a_wiki_that_closes_is_hidden_until_it_opens(bench: Bench) -> None:
    """What everybody could read and nobody can now is shown to nobody; nothing is deleted."""
    public = Reader(principals=frozenset({"public"}))
    bench.world.sync()
    ids = bench.world.doc_ids()
    later(bench)
    bench.wiki.private = True
    for _ in range(2):
        assert bench.world.run().outcome is Outcome.PARTIAL
        assert not bench.world.ledger.search.keyword("invoices", 5, public, ())
    bench.wiki.private = False
    bench.world.sync()
    assert bench.world.ledger.search.keyword("invoices", 5, public, ())
    assert bench.world.doc_ids() == ids


# -- files that cannot be had ----------------------------------------------------------------------


def test_r5_files_that_a_bot_password_may_not_have_stay(tmp_path: Path) -> None:
    """They are left alone, not failed one by one; what is known of them stays; `why` says what to do."""
    wiki = MediaWiki(login=("Reader@sync", "right-password"))
    settings = {"username": "Reader@sync", "password_file": secret(tmp_path, "right-password"), "permissions": []}
    with wiki_bench(tmp_path, wiki, **settings) as bench:
        page = wiki.put("File:Plan.txt", "== Plan ==\nOf the year.", file=b"Flamingos arrive in the second quarter.\n")
        bench.world.sync()
        ids = bench.world.doc_ids()
        assert f"{page}/file" in ids
        wiki.weather = lambda asked: Reply(status=403, body=b"no" * 9) if asked.path.startswith("/files/") else None
        wiki.put("File:Other.txt", "== Other ==\nOf the year.", file=b"Okapis arrive in the third quarter.\n")
        bench.configure(**settings)
        report = bench.world.run()
        assert (report.counts.failed, report.counts.deleted, report.counts.added) == (0, 0, 1)
        assert ids.items() <= bench.world.doc_ids().items()
        assert "bot password" in (bench.source.explain(ItemId(f"{page}/file")) or "")


def test_r5_files_of_a_host_that_was_not_allowed_are_not_fetched(bench: Bench) -> None:
    """Not asked, not deleted, and named; a redirect there is refused as well."""
    page = bench.wiki.put("File:Plan.txt", "== Plan ==\nOf it.", file=b"Flamingos arrive in the second quarter.\n")
    bench.world.sync()
    ids = bench.world.doc_ids()
    with web_server(lambda _asked: Reply(body=b"theirs")) as other:
        there = f"http://localhost:{other.port}"
        original = bench.wiki._properties

        def elsewhere(pages, fields, query, following):
            done = original(pages, fields, query, following)
            for one in query.get("pages", []):
                for image in one.get("imageinfo", []):
                    image["url"] = image["url"].replace(bench.wiki.server.url, there)
            return done

        bench.wiki._properties = elsewhere  # type: ignore[method-assign]
        bench.configure()
        assert bench.world.run().counts.deleted == 0
        assert bench.world.doc_ids() == ids
        assert "localhost is not the host" in (bench.source.explain(ItemId(f"{page}/file")) or "")
        assert not other.asked


# -- the rest --------------------------------------------------------------------------------------


def test_r6_the_feed_is_trusted_for_a_day(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the feed failed to tell is found by the daily listing of everything."""
    bench.world.sync()
    bench.wiki.put("Birds", FLAMINGOS)
    bench.wiki.changes.pop()
    bench.world.sync()
    assert not bench.world.found("flamingos")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_500.0)
    bench.world.sync()
    assert bench.world.found("flamingos")


def test_the_kind_is_known() -> None:
    """The registry has it; an address with a page's number names its item."""
    settings = {"url": "https://wiki.example/w/api.php"}
    assert "mediawiki" in registry.kinds()
    assert registry.place("mediawiki", settings) == settings["url"]
    assert registry.item_at("mediawiki", settings, "https://wiki.example/w/index.php?curid=12") == "12"
    assert registry.item_at("mediawiki", settings, "https://other.example/w/index.php?curid=12") is None
    assert registry.item_at("mediawiki", settings, "https://wiki.example/wiki/Home") is None
