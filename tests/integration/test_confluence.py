"""A Confluence as a source: a scripted wiki over HTTP in both its editions, the engine, a real ledger."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import ItemId
from connectors.confluence import source as module
from ingestor.model import Filters, Hit, Outcome, Reader
from ingestor.search.citations import cite
from tests.support.confluence_bench import GROUP, SPACE, TEXT, Bench, confluence_bench
from tests.support.confluence_server import TOKEN, Flavour
from tests.support.confluence_space import READER, Kind
from tests.support.web_server import Answer, Asked

FLAMINGOS = (
    "<h1>All of them</h1><p>Birds.</p><h2>Pink &amp; tall</h2><p>Flamingos stand on one leg for most of the day.</p>"
)
HR = "group:hr"


@pytest.fixture(params=list(Flavour))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with confluence_bench(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Bench]:
    with confluence_bench(tmp_path, Flavour.CLOUD) as made:
        yield made


def found(bench: Bench, words: str, *principals: str) -> list[str]:
    search = bench.world.ledger.search
    reader = Reader(principals=frozenset(principals)) if principals else Reader()
    return [cite(hit).title for hit in search.hits(search.keyword(words, 5, reader, Filters()), reader)]


def hit_of(bench: Bench, word: str) -> Hit:
    """The one passage with this word."""
    search = bench.world.ledger.search
    (one,) = search.hits(search.keyword(word, 5, Reader(), Filters()), Reader())
    return one


def tagged(bench: Bench, word: str) -> tuple[str, ...]:
    return hit_of(bench, word).tags


def author(bench: Bench, word: str) -> str:
    return hit_of(bench, word).author


def listed_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the search alone is not trusted any more."""
    monkeypatch.setattr(module, "TRUSTED_S", 0.0)
    bench.later()


def run(bench: Bench):
    bench.later()
    return bench.world.sync().counts


def test_changes_are_found_and_nothing_else_is_read(bench: Bench) -> None:
    """Edits, new pages, posts and files: each reads what changed; a cycle without a change is three requests and writes
    nothing; a listing of everything reads no text."""
    world, site = bench.world, bench.site
    site.upload(bench.ids["Parcels"], "plan.txt", b"Flamingos arrive in the second quarter.\n")
    world.sync()
    bench.equal()
    before, fetched = world.dump(), bench.source.fetched
    for _ in range(3):
        bench.wiki.asked.clear()
        assert run(bench).bytes_read == 0
        assert len(bench.wiki.asked) == 3
    assert (bench.source.fetched, world.dump()) == (fetched, before)

    document = bench.document("Refunds")
    site.edit(bench.ids["Refunds"], body=FLAMINGOS)
    site.put(SPACE, "Penguins", TEXT.format("penguins"), parent=bench.ids["Refunds"])
    site.put(SPACE, "News of penguins", TEXT.format("news"), kind=Kind.BLOG)
    site.upload(bench.ids["Refunds"], "map.txt", b"Penguins live behind the house.\n")
    site.upload(bench.ids["Parcels"], "plan.txt", b"Flamingos arrive in the third quarter.\n")
    counts = run(bench)
    assert (counts.updated, counts.added, counts.deleted) == (2, 3, 0)
    assert bench.source.fetched - fetched == 5
    bench.equal()
    assert bench.document("Refunds") == document
    assert found(bench, "leg") == ["Refunds"]

    bench.configure()
    bench.anew()
    bench.world.sync()
    assert bench.source.fetched == 0


def test_the_trash_the_archive_and_the_way_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the trash, archived or purged leaves with what hangs on it, and what comes back is the document that it
    was."""
    site = bench.site
    site.upload(bench.ids["Badges"], "plan.txt", b"Flamingos arrive in the second quarter.\n")
    bench.world.sync()
    document = bench.document("Badges")
    site.trash(bench.ids["Badges"])
    site.archive(bench.ids["Ladders"])
    site.purge(bench.ids["Kitchens"])
    listed_anew(bench, monkeypatch)
    assert bench.world.sync().counts.deleted == 4
    bench.equal()
    for name, words in (("Badges", "trash"), ("Ladders", "archived")):
        explained = bench.source.explain(ItemId(f"page/{bench.ids[name]}"))
        assert explained is not None
        assert words in explained
    site.restore(bench.ids["Badges"])
    site.restore(bench.ids["Ladders"])
    bench.later()
    bench.world.sync()
    bench.equal()
    assert bench.document("Badges") == document


def test_moves_and_renames_keep_the_document_and_embed_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another page and into another space nothing is read; under another title the page is read once. Nothing is
    embedded."""
    site = bench.site
    site.add_space("OPS")
    site.put("OPS", "Operations", TEXT.format("operations"))
    bench.world.sync()
    bench.world.drain()
    before = bench.world.doc_ids()
    fetched = bench.source.fetched
    site.move(bench.ids["Printers"], bench.ids["Laptops"])
    site.move(bench.ids["Badges"], None, space="OPS")
    listed_anew(bench, monkeypatch)
    bench.world.sync()
    assert bench.source.fetched == fetched
    names = bench.names()
    assert names[f"page/{bench.ids['Printers']}"] == "DOC/Laptops/Printers.html"
    assert names[f"page/{bench.ids['Badges']}"] == "OPS/Badges.html"
    site.edit(bench.ids["Refunds"], title="Money back")
    bench.world.sync()
    assert bench.world.doc_ids() == before
    assert bench.world.drain()[0] == 0
    bench.equal()


def test_links_open_at_the_heading_and_at_the_version(bench: Bench) -> None:
    """A hit has the address of the page at its heading, as the edition makes them, and that of the version that was
    read; a file names its page."""
    number = bench.site.put(SPACE, "Birds of the zoo", FLAMINGOS, parent=bench.ids["Laptops"])
    bench.site.upload(number, "map.txt", b"Penguins live behind the house.\n")
    bench.world.sync()
    search = bench.world.ledger.search
    (hit,) = [cite(one) for one in search.hits(search.keyword("leg", 5, Reader(), Filters()), Reader())]
    assert hit.title == "Birds of the zoo"
    assert list(hit.section) == ["All of them", "Pink & tall"]
    anchor = "#Pink-&-tall" if bench.wiki.cloud else "#Birdsofthezoo-Pink&tall"
    assert hit.url.startswith(bench.wiki.url)
    assert str(number) in hit.url
    assert hit.url.endswith(anchor), hit.url
    assert f"pageVersion=1{anchor}" in hit.pinned_url
    assert bench.names()[f"page/{number}"] == "DOC/Laptops/Birds of the zoo.html"
    (hit,) = search.hits(search.keyword("penguins", 5, Reader(), Filters()), Reader())
    assert hit.parent is not None
    assert hit.parent.title == "Birds of the zoo"


def test_restrictions_of_a_page_and_above_it_narrow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """R7: a page is found by those whom every restriction on it and above it lets in, and what hangs on it as well; what
    an error leaves untold is found by nobody; a lifted restriction shows it again. Nothing is read for it."""
    site = bench.site
    site.users[READER.key] = replace(READER, groups=frozenset({"users", "hr", "board"}))
    bench.configure(permissions=[GROUP, HR])
    top = site.put(SPACE, "Salaries", TEXT.format("salaries"))
    below = site.put(SPACE, "Bonus", TEXT.format("bonus"), parent=top)
    site.upload(below, "bonus.txt", b"Flamingos get a bonus in the second quarter.\n")
    bench.world.sync()
    assert found(bench, "flamingos", GROUP) == found(bench, "flamingos", HR) == ["bonus"]
    site.restrict(top, {HR, "group:board", "user:acc-reader"})
    listed_anew(bench, monkeypatch)
    fetched = bench.source.fetched
    bench.world.sync()
    assert bench.source.fetched == fetched
    for words in ("salaries", "bonus", "flamingos"):
        assert found(bench, words, GROUP) == []
        assert found(bench, words, HR)
        # Not a reader of the source, whatever the wiki says of the page.
        assert found(bench, words, "group:board", "user:acc-reader") == []
    assert found(bench, "invoices", GROUP)
    site.restrict(below, {"group:board"})
    run(bench)
    assert found(bench, "flamingos", HR, "group:board") == []
    assert found(bench, "salaries", HR)
    site.restrict(below)
    site.restrict(top)
    run(bench)
    assert found(bench, "flamingos", GROUP)
    bench.equal()


def test_restrictions_that_cannot_be_read_hide(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """R7: where the wiki does not tell who may read a page, nobody does; and it is not deleted."""
    bench.world.sync()
    assert found(bench, "invoices", GROUP)
    weather = bench.wiki.weather

    def no_restrictions(asked):
        if ("expand" in asked.fields and "restrictions" in asked.fields["expand"]) or "/restriction/" in asked.path:
            return module_refusal()
        return weather(asked)

    bench.wiki.weather = no_restrictions
    listed_anew(bench, monkeypatch)
    bench.world.sync()
    assert found(bench, "invoices", GROUP) == []
    bench.equal()
    bench.wiki.weather = weather
    run(bench)
    assert found(bench, "invoices", GROUP)


def module_refusal():
    from tests.support.confluence_routes import sent

    return sent({"statusCode": 404, "message": "No content found"}, status=404)


def test_included_pages_are_shown_and_kept_up_to_date(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page includes is found in it, also what that includes in turn; when that changes, the page changes; a cycle
    ends; and a page under a restriction of its own is shown in no other (R7)."""
    site = bench.site
    site.users[READER.key] = replace(READER, groups=frozenset({"users", "hr"}))
    bench.configure(permissions=[GROUP, HR])
    include = (
        '<p>See below.</p><ac:structured-macro ac:name="{1}"><ac:parameter ac:name=""><ac:link><ri:page'
        ' ri:content-title="{0}"/></ac:link></ac:parameter></ac:structured-macro>'
    )
    excerpt = '<p>No.</p><ac:structured-macro ac:name="excerpt"><ac:rich-text-body><p>{0}</p></ac:rich-text-body></ac:structured-macro>'
    last = site.put(SPACE, "Last", excerpt.format("Flamingos are pink.") + include.format("First", "include"))
    middle = site.put(SPACE, "Middle", include.format("Last", "excerpt-include"))
    first = site.put(SPACE, "First", include.format("Middle", "include"))
    bench.world.sync()
    assert set(found(bench, "flamingos", GROUP)) == {"First", "Middle", "Last"}
    fetched = bench.source.fetched
    run(bench)
    bench.configure(permissions=[GROUP, HR])
    bench.anew()
    run(bench)
    assert bench.source.fetched == 0, fetched

    site.edit(last, body=excerpt.format("Penguins are black."))
    run(bench)
    assert set(found(bench, "penguins", GROUP)) == {"First", "Middle", "Last"}
    assert found(bench, "flamingos", GROUP) == []
    site.restrict(last, {HR})
    listed_anew(bench, monkeypatch)
    run(bench)
    assert found(bench, "penguins", GROUP) == []
    assert found(bench, "penguins", HR) == ["Last"]
    bench.equal()
    assert len({first, middle, last}) == 3


def test_spaces_and_kinds_are_chosen(bench: Bench) -> None:
    """What is read is listed by its spaces, those of persons only where they are named; what is left out leaves with a
    reason; a space that is named and not there is an outage, and no deletion."""
    site = bench.site
    for key, kind in (("OPS", "global"), ("~anna", "personal"), ("OLD", "global")):
        site.add_space(key, kind=kind)
        site.put(key, f"Page of {key}", TEXT.format(key))
    site.change_space("OLD", status="archived")
    bench.world.sync()
    assert {name.partition("/")[0] for name in bench.names().values()} == {"DOC", "OPS"}
    bench.configure(exclude_spaces=["OPS"], attachments=False)
    counts = run(bench)
    assert counts.deleted == 1
    page = site.find("OPS", "Page of OPS")
    assert page is not None
    explained = bench.source.explain(ItemId(f"page/{page.content_id}"))
    assert explained is not None
    assert "exclude_spaces" in explained
    bench.configure(spaces=["DOC", "NOWHERE"])
    bench.later()
    report = bench.world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert "NOWHERE" in report.message
    assert len(bench.items()) == len(bench.ids)


def test_labels_are_tags_and_cost_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pages, posts and files, as everybody sees them; a label moves no version, so the listing of everything sees it:
    nothing is read or embedded for it, nothing is written to the index, and it takes no request more than without."""
    site, world = bench.site, bench.world
    page = bench.ids["Refunds"]
    post = site.put(SPACE, "News", TEXT.format("okapis"), kind=Kind.BLOG)
    file = site.upload(page, "map.txt", b"Penguins live behind the house.\n")
    site.label(page, "policy", "my:favourite")
    world.sync()
    world.drain()
    assert tagged(bench, "refunds") == ("policy",), "a personal label is its owner's alone"
    assert tagged(bench, "okapis") == tagged(bench, "penguins") == ()

    listed_anew(bench, monkeypatch)
    bench.wiki.asked.clear()
    world.sync()
    requests, fetched = len(bench.wiki.asked), bench.source.fetched
    site.label(page, "approved")
    site.unlabel(page, "policy")
    site.label(post, "animals")
    site.label(file, "animals")
    bench.wiki.asked.clear()
    report = run(bench)
    assert (len(bench.wiki.asked), bench.source.fetched) == (requests, fetched)
    assert (report.bytes_read, report.updated) == (0, 0)
    assert world.drain() == (0, 0), "neither embedded nor written to the index"
    assert (tagged(bench, "refunds"), tagged(bench, "okapis"), tagged(bench, "penguins")) == (
        ("approved",),
        ("animals",),
        ("animals",),
    )
    assert len(world.found("okapis", tags=("Animals",))) == 1
    assert world.found("refunds", tags=("policy",)) == []
    site.unlabel(page, "approved")
    run(bench)
    assert tagged(bench, "refunds") == ()
    bench.equal()


def test_labels_that_are_not_told_are_left_as_they_are(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the wiki leaves them out, or gives them in part, those that are known stay; a fetch tells them at once."""
    site, page = bench.site, bench.ids["Refunds"]
    site.label(page, "policy")
    bench.world.sync()
    site.label(page, "approved")

    def untold(asked: Asked) -> Answer:
        """Without what the parameters ask for."""
        query = asked.query.replace("%2Cmetadata.labels", "").replace("include-labels", "x")
        return bench.wiki.really(replace(asked, query=query))

    bench.wiki.weather = untold
    listed_anew(bench, monkeypatch)
    bench.world.sync()
    assert tagged(bench, "refunds") == ("policy",)
    bench.wiki.weather = lambda _asked: None
    site.label(page, *(f"many{number}" for number in range(300)))
    run(bench)
    assert tagged(bench, "refunds") == ("policy",)
    for number in range(300):
        site.unlabel(page, f"many{number}")
    monkeypatch.undo()
    site.edit(page, body=TEXT.format("refunds anew"))
    run(bench)
    assert tagged(bench, "refunds") == ("approved", "policy")


def test_authors_are_named_and_asked_for_once(bench: Bench) -> None:
    """A revision has the name of who made it, of pages and of files; the Cloud, which tells ids, is asked once for each
    person, and a person that it does not tell of keeps no text from being read."""
    site = bench.site
    site.edit(bench.ids["Parcels"], body=TEXT.format("flamingos"), author="acc-gone")
    site.upload(bench.ids["Parcels"], "map.txt", b"Penguins live behind the house.\n", author=READER.key)
    bench.world.sync()
    asked = [one.query for one in bench.wiki.asked if one.path.endswith("/rest/api/user")]
    ids = ("acc-gone", "acc-reader", "acc-writer")
    assert sorted(asked) == ([f"accountId={one}" for one in ids] if bench.wiki.cloud else [])
    assert (author(bench, "refunds"), author(bench, "penguins")) == ("Writer", "Reader")
    # A data center goes on to show who is not there any more.
    assert author(bench, "flamingos") == ("" if bench.wiki.cloud else "acc-gone")
    site.edit(bench.ids["Refunds"], body=TEXT.format("okapis"), author=READER.key)
    run(bench)
    assert author(bench, "okapis") == "Reader"
    assert len([one for one in bench.wiki.asked if one.path.endswith("/rest/api/user")]) == len(asked)


@pytest.mark.parametrize("way", ["refused", "nobody"])
def test_a_login_that_ended_deletes_nothing(way: str, bench: Bench) -> None:
    """Whether the wiki refuses us or goes on to answer as it answers nobody, it is an outage."""
    bench.world.sync()
    if way == "refused":
        bench.wiki.tokens.clear()
    else:
        bench.wiki.nobody = True
    bench.later()
    report = bench.world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert "login" in report.message or "let us read" in report.message
    assert len(bench.items()) == len(bench.ids)


def test_the_search_is_asked_in_the_zone_of_the_account(cloud: Bench) -> None:
    """An account far in the east or the west misses no change, whether the wiki tells its zone or not."""
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"):
        for told in (True, False):
            cloud.wiki.tells_zone = told
            cloud.site.users[READER.key] = replace(READER, time_zone=zone)
            run(cloud)
            cloud.site.edit(cloud.ids["Refunds"], body=TEXT.format(f"{zone.partition('/')[2]} {told}"))
            assert run(cloud).updated == 1
            cloud.equal()


def test_comments_are_documents_where_they_are_wanted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names its page and is seen by who sees that; off by default."""
    page = bench.ids["Refunds"]
    footer = bench.site.put(SPACE, "Re: Refunds", "<p>Flamingos are late.</p>", parent=page, kind=Kind.COMMENT)
    inline = bench.site.put(SPACE, "Re", "<p>Okapis, too.</p>", parent=page, kind=Kind.COMMENT, inline=True)
    bench.world.sync()
    assert found(bench, "flamingos") == []
    bench.configure(comments=True)
    assert run(bench).added == 2
    search = bench.world.ledger.search
    (hit,) = search.hits(search.keyword("flamingos", 5, Reader(), Filters()), Reader())
    assert hit.parent is not None
    assert hit.parent.title == "Refunds"
    assert found(bench, "okapis", GROUP)
    bench.site.edit(footer, body="<p>Penguins are late.</p>")
    assert run(bench).updated == 1
    bench.site.restrict(page, {"user:acc-reader"})
    bench.site.trash(inline)
    listed_anew(bench, monkeypatch)
    assert run(bench).deleted == 1
    assert found(bench, "penguins", GROUP) == []
    assert bench.items() == bench.wanted(*Kind)


def test_a_page_without_words_is_found_by_its_title(bench: Bench) -> None:
    """As one that only lists what stands beneath it; nothing of it fails."""
    bench.site.put(SPACE, "Flamingos", '<ac:structured-macro ac:name="children"/>')
    report = bench.world.sync()
    assert report.counts.failed == 0
    assert found(bench, "flamingos") == ["Flamingos"]


def test_what_everybody_could_read_is_hidden_when_it_closes(bench: Bench) -> None:
    """R7: a wiki that refuses everybody is shown to nobody, is not deleted, and is shown again when it opens."""
    wiki = bench.wiki
    login = "Bearer " + TOKEN if not wiki.cloud else "Basic " + b64encode(f"{READER.email}:{TOKEN}".encode()).decode()

    def open_to_all(asked: Asked) -> Answer:
        return wiki.really(replace(asked, headers={**asked.headers, "Authorization": login}))

    wiki.weather = open_to_all
    nobody = {"username": "", "password_file": "", "token_file": ""}
    bench.configure(permissions=["public"], **nobody)
    bench.world.sync()
    assert found(bench, "invoices", "public")
    wiki.weather = lambda _asked: None
    bench.later()
    bench.world.run()
    assert found(bench, "invoices", "public") == []
    assert bench.items() == bench.wanted()
    wiki.weather = open_to_all
    run(bench)
    assert found(bench, "invoices", "public")


@pytest.mark.parametrize("kind", ["folder", "hologram"])
def test_what_stands_under_the_unknown_is_hidden(kind: str, cloud: Bench) -> None:
    """R7: a page under something of a new kind, or that we may not see, may be kept from readers there."""
    cloud.world.sync()
    wanted = f"/pages/{cloud.ids['Refunds']}"

    def weather(asked: Asked) -> Answer | None:
        whole = cloud.wiki.really(asked)
        if not asked.path.endswith(("/api/v2/pages", wanted)) or whole.status != 200:
            return whole
        said = json.loads(whole.body)
        for one in said.get("results", [said]):
            if one["id"] == str(cloud.ids["Refunds"]):
                one |= {"parentId": "4711", "parentType": kind}
        return replace(whole, body=json.dumps(said).encode())

    cloud.wiki.weather = weather
    cloud.anew()
    cloud.world.sync()
    assert cloud.hidden() == {f"page/{cloud.ids['Refunds']}"}
    cloud.wiki.weather = lambda _asked: None
    cloud.anew()
    cloud.world.sync()
    assert cloud.hidden() == set()


def test_no_login_goes_to_another_host(cloud: Bench) -> None:
    """The Cloud sends on to where its files are kept: that host is asked without proof of who we are, and only where it
    is allowed."""
    cloud.site.upload(cloud.ids["Parcels"], "plan.txt", b"Flamingos arrive in the second quarter.\n")
    cloud.world.sync()
    assert found(cloud, "flamingos")
    assert cloud.wiki.leaked == []
    cloud.site.upload(cloud.ids["Parcels"], "map.txt", b"Penguins live behind the house.\n")
    cloud.configure(hosts=[])
    report = cloud.world.run()
    assert "which is not asked" in report.message
    assert len(cloud.items()) == len(cloud.ids) + 1


def test_pages_that_move_between_the_parts_of_a_listing_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted while a listing goes on shifts what comes behind it in a Data Center; nothing is taken for gone,
    and the next listing has everything."""
    bench.wiki.part = 2
    bench.world.sync()
    monkeypatch.setattr(module, "TRUSTED_S", 0.0)
    gone = iter(["Invoices", "Refunds"])

    def between() -> None:
        if (name := next(gone, None)) is not None:
            bench.site.trash(bench.ids[name])

    bench.wiki.between = between
    run(bench)
    bench.wiki.between = None
    there = bench.wanted()
    assert there <= bench.items()
    run(bench)
    bench.equal()
