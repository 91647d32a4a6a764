"""A Confluence that moves while it is read: pages change between the parts of a listing, cursors expire, one fault lasts
for a whole run, and a login is taken for nobody's. Nothing that was there all the time is ever deleted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from connectors.web.pace import MOST_PAUSE_S
from ingestor.model import Outcome
from tests.faults.test_confluence_faults import NAMES, faults_of
from tests.support.confluence_bench import SPACE, TEXT, Bench, confluence_bench
from tests.support.confluence_churn import ConfluenceChurn
from tests.support.confluence_faults import SLOW, always
from tests.support.confluence_server import Confluence, Flavour
from tests.support.web_server import Answer, Asked
from tests.support.wiki_histories import play

PATIENCE_S = 20.0  # nothing here waits on purpose but where it is said, and a busy machine answers late

every_flavour = pytest.mark.parametrize("flavour", list(Flavour))


def as_nobody(wiki: Confluence, asked: Asked) -> Answer:
    """The answer to one whose login was taken for nothing, on a wiki that everybody may ask."""
    wiki.nobody = True
    try:
        return wiki.really(asked)
    finally:
        wiki.nobody = False


def unharmed(bench: Bench, before: dict[str, str], there: set[str]) -> None:
    """Every document that was known and whose page was there to be read all the time is known by the same id."""
    after = bench.world.doc_ids()
    lost = {item for item, document in before.items() if item in there and after.get(item) != document}
    assert not lost


@every_flavour
def test_r5_a_page_that_slips_past_the_parts_of_a_listing_stays(flavour: Flavour, tmp_path: Path) -> None:
    """A page in front of them is trashed between two parts, and offsets pass over another one."""
    with confluence_bench(tmp_path, flavour, patience_s=PATIENCE_S) as bench:
        bench.wiki.part = 3
        bench.world.sync()
        before = bench.world.doc_ids()
        victims = iter(["Invoices", "Refunds", "Parcels"])

        def slip() -> None:
            if (name := next(victims, None)) is not None:
                bench.site.trash(bench.ids[name])

        bench.wiki.between = slip
        bench.anew()
        bench.world.sync()
        bench.wiki.between = None
        assert next(victims, None) is None
        unharmed(bench, before, bench.wanted())
        bench.anew()
        bench.world.sync()
        bench.equal()


@every_flavour
def test_r5_cursors_that_expire_between_two_parts_delete_nothing(flavour: Flavour, tmp_path: Path) -> None:
    """The listing is not taken for whole: in the cloud it is refused by half, in a data center there are no cursors."""
    with confluence_bench(tmp_path, flavour, patience_s=PATIENCE_S) as bench:
        bench.wiki.part = 3
        bench.world.sync()

        def expire() -> None:
            bench.wiki.cursors += 1

        bench.wiki.between = expire
        bench.anew()
        report = bench.world.run()
        assert report.outcome is (Outcome.UNAVAILABLE if bench.wiki.cloud else Outcome.OK)
        assert report.counts.deleted == 0
        bench.wiki.between = None
        bench.anew()
        bench.world.sync()
        bench.equal()


@every_flavour
@pytest.mark.parametrize("start", range(6))
def test_r5_a_login_that_is_taken_for_nobodys_deletes_nothing(flavour: Flavour, start: int, tmp_path: Path) -> None:
    """Spaces and listings are empty then, and every page is not found, from some request on; nothing is gone."""
    with confluence_bench(tmp_path, flavour, patience_s=PATIENCE_S) as bench:
        bench.world.sync()
        before = bench.world.doc_ids()
        asked = iter(range(10_000))
        bench.site.edit(bench.ids["Refunds"], body=TEXT.format("money"))
        bench.wiki.weather = lambda request: as_nobody(bench.wiki, request) if next(asked) >= start else None
        bench.anew()
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert bench.world.doc_ids() == before
        bench.wiki.weather = lambda _asked: None
        bench.anew()
        bench.world.sync()
        bench.equal()


@every_flavour
@pytest.mark.parametrize("start", [0, 3])
def test_r5_answers_that_do_not_come_in_time_delete_nothing(flavour: Flavour, start: int, tmp_path: Path) -> None:
    """From some request on the wiki begins to answer and goes no further; the run ends and says so."""
    with confluence_bench(tmp_path, flavour) as bench:
        bench.world.sync()
        before, asked = bench.world.doc_ids(), iter(range(10_000))
        bench.wiki.weather = lambda _request: SLOW if next(asked) >= start else None
        bench.anew()
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert "in time" in report.message
        assert bench.world.doc_ids() == before


@every_flavour
def test_a_pause_of_centuries_is_an_hour(flavour: Flavour, tmp_path: Path) -> None:
    """A wiki that asks to be left alone for ever is asked again within the hour, and nothing is deleted."""
    with confluence_bench(tmp_path, flavour, patience_s=PATIENCE_S) as bench:
        bench.world.sync()
        bench.wiki.weather = always("absurd Retry-After")
        bench.anew()
        report = bench.world.run()
        assert report.outcome is Outcome.UNAVAILABLE
        assert f"{MOST_PAUSE_S:,.0f} s" in report.message
        bench.wiki.weather = lambda _asked: None
        bench.configure()  # which knows of no pause any more
        bench.anew()
        bench.world.sync()
        bench.equal()


# -- histories -------------------------------------------------------------------------------------


def history(base: Path, seed: int) -> tuple[int, int, int]:
    """Random work between runs and between the parts of their listings, expired cursors, and in a run one fault or a
    mixture of all; (runs, faulty answers, outages)."""
    dice = random.Random(seed)
    runs = faulty = outages = 0
    with confluence_bench(base, dice.choice(list(Flavour)), patience_s=PATIENCE_S) as bench:
        wiki = bench.wiki
        wiki.part, bench.site.tick = dice.choice([2, 5, None]), dice.choice([1.0, 20.0, 400.0])
        wiki.search_lag_s = dice.choice([0.0, 0.0, 60.0])
        churn = ConfluenceChurn(bench.site, SPACE, seed)
        bench.world.sync()
        faults = [*faults_of(bench).values(), lambda asked: as_nobody(wiki, asked)]
        chance, storm, there = 0.0, None, set[str]()

        def weather(asked: Asked) -> Answer | None:
            nonlocal faulty
            if dice.random() >= chance:
                return None
            faulty += 1
            return (storm or dice.choice(faults))(asked)

        def work() -> None:
            """What leaves and comes back while it is asked for may well be forgotten meanwhile."""
            churn.step()
            there.intersection_update(bench.wanted())
            wiki.cursors += dice.random() < 0.1

        wiki.weather = weather
        for _ in range(dice.randint(4, 6)):
            for _ in range(dice.randint(0, 4)):
                churn.step()
            if dice.random() < 0.2:
                bench.configure()
            if dice.random() < 0.5:
                bench.anew()
            wiki.between = work if dice.random() < 0.6 else None
            chance, storm = dice.choice([0.0, 0.02, 0.1, 0.5, 1.0]), dice.choice([None, *faults, *faults])
            bench.later()
            before, there = bench.world.doc_ids(), bench.wanted()
            outages += bench.world.run().outcome is Outcome.UNAVAILABLE
            chance, wiki.between = 0.0, None
            unharmed(bench, before, there)
            runs += 1
        bench.site.wait(3600)
        for _ in range(2):
            bench.anew()
            report = bench.world.run()
            assert report.outcome in {Outcome.OK, Outcome.HELD}, report.message
        bench.equal()
        assert bench.hidden() == churn.hidden()
        assert not wiki.leaked
    return runs, faulty, outages


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_r5_histories_of_drift_delete_nothing_wrongly(seed: int, tmp_path: Path) -> None:
    """Whatever moves while it is read, what was there all the time stays known, and the end is the wiki."""
    history(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_histories(tmp_path: Path) -> None:
    """The same two hundred times."""
    play(
        tmp_path,
        history,
        kinds=len(NAMES),
        report="confluence_drift.md",
        title="A Confluence that moves while it is read",
    )
