"""A Confluence that misbehaves, in the cloud and in a data center: every fault at some request of a run, and histories
of random faults. Nothing that is there is ever deleted, and when the fault has passed the ledger is the wiki."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.model import Outcome
from tests.support.confluence_bench import SPACE, TEXT, Bench, confluence_bench
from tests.support.confluence_churn import ConfluenceChurn
from tests.support.confluence_faults import (
    INSTEAD,
    Weather,
    always,
    cursors_refused,
    half_working,
    limited,
    on,
    one_missing,
    searchless,
)
from tests.support.confluence_server import Confluence, Flavour
from tests.support.web_server import Answer, Asked
from tests.support.wiki_histories import play

_BODIES = ("/pages/", "/blogposts/", "/content/")


def faults(wiki: Confluence) -> dict[str, Weather]:
    """By name; who asks too often may ask again at once, so that no test waits."""
    listings = ("/pages", "/blogposts", "/spaces", "/space", "/content", "/search")
    return {
        **{name: always(name) for name in INSTEAD if name not in {"asked too often", "absurd Retry-After"}},
        "asked too often": lambda _asked: limited("0"),
        "a date that is past": lambda _asked: limited("Fri, 01 Jan 2021 00:00:00 GMT"),
        "cursors refused": cursors_refused,
        "contents broken": half_working,
        "the search broken": searchless,
        "one row missing": on(listings, one_missing(wiki)),
        "the last row missing": on(listings, one_missing(wiki, which=lambda rows: rows - 1)),
        "listings empty": on(listings, always("nothing listed")),
        "the search empty": on(("/search",), always("nothing listed")),
        "spaces empty": on(("/spaces", "/space"), always("nothing listed")),
        "spaces forbidden": on(("/spaces", "/space"), always("forbidden")),
        "restrictions broken": on(("/restriction",), always("broken")),
        "restrictions refused": on(("/restriction",), always("forbidden")),
        "bodies broken": on(_BODIES, always("broken")),
        "files forbidden": on(("/download",), always("forbidden")),
        "files moved to another host": on(("/download",), always("another host")),
        "nobody in particular": nobody(wiki),
    }


def nobody(wiki: Confluence) -> Weather:
    """Logins are taken for nothing, as on a wiki that everybody may ask."""

    def weather(asked: Asked) -> Answer:
        wiki.nobody = True
        try:
            return wiki.really(asked)
        finally:
            wiki.nobody = False

    return weather


with_names = pytest.mark.parametrize("name", faults(Confluence.__new__(Confluence)))
STARTS = ((0, False), (1, True), (3, False), (4, True), (2, True))
"""The so-manyeth request of a run with which the fault begins, and whether everything is listed."""


@pytest.fixture(scope="module", params=list(Flavour))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A wiki of each kind for all faults: each leaves it as true as it was."""
    with confluence_bench(tmp_path_factory.mktemp("wiki"), request.param) as made:
        made.site.upload(made.ids["Parcels"], "plan.txt", b"A plan of the year and of the next one.\n")
        made.site.restrict(made.ids["Badges"], ["group:users"])
        made.world.sync()
        yield made


def unharmed(bench: Bench, before: dict[str, str], there: set[str]) -> None:
    """Every document that was known and whose page was there to be read all the time is known by the same id."""
    after = bench.world.doc_ids()
    lost = {item for item, document in before.items() if item in there and after.get(item) != document}
    assert not lost


@with_names
def test_r5_no_fault_deletes_what_is_there(name: str, bench: Bench) -> None:
    """Whenever it begins, while changes are read and while everything is listed; afterwards nothing is missing."""
    weather = faults(bench.wiki)[name]
    number = list(faults(bench.wiki)).index(name)
    for start, whole in (STARTS[number % len(STARTS)], STARTS[(number + 1) % len(STARTS)]):
        bench.site.edit(bench.ids["Refunds"], body=TEXT.format(f"{name} {start}"))
        bench.site.upload(bench.ids["Parcels"], "plan.txt", f"A plan of {name}, {start}.\n".encode())
        if whole:
            bench.anew()
        quiet, asked = bench.wiki.weather, iter(range(10_000))
        bench.wiki.weather = lambda request, start=start, asked=asked: (
            weather(request) if next(asked) >= start else None
        )
        bench.later()
        before = bench.world.doc_ids()
        report = bench.world.run()
        bench.wiki.weather = quiet
        assert report.counts.deleted == 0
        unharmed(bench, before, bench.wanted())
        if report.outcome is Outcome.UNAVAILABLE:  # and a person is told what is wrong, not with a bare exception
            assert report.message.endswith("."), report.message
            assert len(report.message) > 40, report.message
        bench.anew()
        bench.world.sync()
        bench.equal()


# -- histories -------------------------------------------------------------------------------------


def history(base: Path, seed: int) -> tuple[int, int, int]:
    """Random work, runs and faults, restarts, expired cursors and pages that move between parts of a listing among
    them; (runs, faulty answers, outages)."""
    dice = random.Random(seed)
    runs = faulty = outages = 0
    with confluence_bench(base, dice.choice(list(Flavour))) as bench:
        wiki, site = bench.wiki, bench.site
        wiki.part, site.tick = dice.choice([2, 5, None]), dice.choice([1.0, 20.0, 400.0])
        wiki.search_lag_s = dice.choice([0.0, 0.0, 60.0])
        churn = ConfluenceChurn(site, seed, pages=9, spaces=(SPACE, "OPS"))
        site.wait(3600)
        bench.anew()
        bench.world.sync()
        quiet, storms = wiki.weather, list(faults(wiki).values())
        chance, storm, there = 0.0, None, set[str]()

        def weather(asked: Asked) -> Answer | None:
            nonlocal faulty
            if dice.random() >= chance:
                return quiet(asked)
            faulty += 1
            return (storm or dice.choice(storms))(asked)

        def work() -> None:
            churn.step()
            there.intersection_update(bench.wanted())

        wiki.weather = weather
        for _ in range(dice.randint(4, 6)):
            for _ in range(dice.randint(0, 4)):
                churn.step()
            wiki.cursors += dice.random() < 0.1
            if dice.random() < 0.2:
                bench.configure()
            if dice.random() < 0.4:
                bench.anew()
            wiki.between = work if dice.random() < 0.3 else None
            chance, storm = dice.choice([0.0, 0.02, 0.1, 0.5, 1.0]), dice.choice([None, *storms, *storms])
            bench.later()
            before, there = bench.world.doc_ids(), bench.wanted()
            outages += bench.world.run().outcome is Outcome.UNAVAILABLE
            chance, wiki.between = 0.0, None
            unharmed(bench, before, there)
            runs += 1
        wiki.weather = quiet
        site.wait(3600)
        for _ in range(2):
            bench.anew()
            report = bench.world.run()
            assert report.outcome in {Outcome.OK, Outcome.HELD}, report.message
        bench.equal()
        assert not wiki.leaked
    return runs, faulty, outages


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_r5_histories_of_faults_delete_nothing_wrongly(seed: int, tmp_path: Path) -> None:
    """Whatever happens between people, wiki and network, what is there stays known, and the end is the wiki."""
    history(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_histories(tmp_path: Path) -> None:
    """The same two hundred times."""
    kinds = len(faults(Confluence.__new__(Confluence)))
    play(tmp_path, history, kinds=kinds, report="confluence_faults.md", title="Random faults of a Confluence")
