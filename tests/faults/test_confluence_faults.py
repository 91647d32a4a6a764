"""A Confluence that misbehaves: every fault at every request of a run, in both editions, and histories of random faults.
Nothing that is there is ever deleted, and when the fault has passed the ledger is the wiki."""

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
    on,
    one_missing,
    searchless,
)
from tests.support.confluence_routes import sent
from tests.support.confluence_server import Flavour
from tests.support.web_server import Answer, Asked
from tests.support.wiki_histories import play

EMPTY = sent({"results": [], "start": 0, "limit": 25, "size": 0, "_links": {}})
GONE = sent({"statusCode": 404, "message": "No content found"}, status=404)
CONTENTS = ("/api/v2/pages/", "/api/v2/blogposts/", "/api/v2/attachments/", "/rest/api/content/")


def answered(answer: Answer, *words: str) -> Weather:
    """Where one of these stands in the path."""
    return on(words, lambda _asked: answer) if words else lambda _asked: answer


def same_again(asked: Asked) -> Answer | None:
    """A listing whose next part is always the first one."""
    if not asked.path.endswith(("/pages", "/blogposts", "/content", "/search")):
        return None
    return sent({"results": [], "_links": {"next": f"{asked.path}?cursor=same", "base": ""}})


def faults_of(bench: Bench) -> dict[str, Weather]:
    return {
        **{name: always(name) for name in INSTEAD if name not in {"asked too often", "absurd Retry-After"}},
        "asked too often": answered(Answer(status=429, headers=(("Retry-After", "0"),))),
        "nothing": answered(Answer(body=b"")),
        "null": answered(Answer(body=b"null")),
        "results that are none": answered(sent({"results": {"a": 1}})),
        "rows without what was asked": answered(sent({"results": [{"id": "1", "title": "x"}], "_links": {}})),
        "no space": answered(EMPTY, "/spaces", "/rest/api/space"),
        "spaces that are empty": answered(EMPTY, "/api/v2/pages", "/api/v2/blogposts", "/rest/api/content"),
        "a search that finds nothing": answered(EMPTY, "/search"),
        "a search that is broken": searchless,
        "contents that are broken": half_working,
        "pages that cannot be read": answered(INSTEAD["broken"], *CONTENTS),
        "pages that are forbidden": answered(INSTEAD["forbidden"], *CONTENTS),
        "pages without a body": answered(sent({"id": "1", "status": "current"}), *CONTENTS),
        "restrictions that are forbidden": answered(INSTEAD["forbidden"], "/restriction/"),
        "cursors that are refused": cursors_refused,
        "a part that never ends": same_again,
        "listings that lack a row": one_missing(bench.wiki),
    }


STARTS = (2, 5)
"""The fault begins with the so-manyeth request of the run and lasts to its end."""


@pytest.fixture(scope="module", params=list(Flavour))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One wiki for all faults: each leaves it as true as it was."""
    with confluence_bench(tmp_path_factory.mktemp("wiki"), request.param) as made:
        made.site.upload(made.ids["Parcels"], "plan.txt", b"A plan of the year and of the next one.\n")
        made.wiki.part = 3
        made.world.sync()
        yield made


def unharmed(bench: Bench, before: dict[str, str]) -> None:
    """Every document that was known and whose page is still there is known by the same id."""
    after, there = bench.world.doc_ids(), bench.wanted()
    lost = {item for item, document in before.items() if item in there and after.get(item) != document}
    assert not lost


def recovered(bench: Bench) -> None:
    """The fault has passed: the ledger becomes the wiki, for every reader that there was."""
    bench.wiki.weather = lambda _asked: None
    bench.anew()
    bench.world.sync()
    bench.equal()
    assert bench.hidden() == set()


NAMES = (
    *INSTEAD,
    *("nothing", "null", "results that are none", "rows without what was asked", "no space", "spaces that are empty"),
    *(
        "a search that finds nothing",
        "a search that is broken",
        "contents that are broken",
        "pages that cannot be read",
    ),
    *(
        "pages that are forbidden",
        "pages without a body",
        "restrictions that are forbidden",
        "cursors that are refused",
    ),
    *("a part that never ends", "listings that lack a row"),
)


@pytest.mark.parametrize("name", [one for one in NAMES if one != "absurd Retry-After"])
def test_r5_no_fault_deletes_what_is_there(name: str, bench: Bench) -> None:
    """Whenever it begins, while changes are read and while everything is listed; afterwards nothing is missing."""
    fault = faults_of(bench)[name]
    for number, start in enumerate(STARTS):
        bench.site.edit(bench.ids["Refunds"], body=TEXT.format(f"{name} {start}"))
        if number % 2 == 1:
            bench.anew()
        asked = iter(range(10_000))
        bench.wiki.weather = lambda request, asked=asked, start=start: fault(request) if next(asked) >= start else None
        bench.later()
        before = bench.world.doc_ids()
        report = bench.world.run()
        assert report.counts.deleted == 0
        unharmed(bench, before)
        if report.outcome is Outcome.UNAVAILABLE:
            assert report.message.endswith("."), (name, report.message)
            assert len(report.message) > 40, (name, report.message)
        recovered(bench)


def test_every_fault_is_named(bench: Bench) -> None:
    """The table above is whole."""
    assert set(faults_of(bench)) | {"absurd Retry-After"} == set(NAMES)


# -- histories -------------------------------------------------------------------------------------


def history(base: Path, seed: int) -> tuple[int, int, int]:
    """Random edits, runs and faults, restarts among them; (runs, faulty answers, outages)."""
    dice = random.Random(seed)
    runs = faulty = outages = 0
    with confluence_bench(base, dice.choice(list(Flavour))) as bench:
        bench.wiki.part = dice.choice([2, 5, 50])
        bench.wiki.search_lag_s = dice.choice([0.0, 0.0, 30.0])
        churn = ConfluenceChurn(bench.site, SPACE, seed)
        bench.world.sync()
        faults = [*faults_of(bench).values()]

        def weather(asked: Asked) -> Answer | None:
            nonlocal faulty
            if dice.random() >= chance:
                return None
            faulty += 1
            return dice.choice(faults)(asked)

        chance = 0.0
        for _ in range(dice.randint(4, 6)):
            for _ in range(dice.randint(0, 4)):
                churn.step()
            if dice.random() < 0.2:
                bench.configure()
            if dice.random() < 0.5:
                bench.anew()
            chance = dice.choice([0.0, 0.02, 0.1, 0.5, 1.0])
            bench.wiki.weather = weather
            bench.later()
            before = bench.world.doc_ids()
            outages += bench.world.run().outcome is Outcome.UNAVAILABLE
            chance = 0.0
            unharmed(bench, before)
            runs += 1
        bench.wiki.weather = lambda _asked: None
        bench.site.wait(60)
        for _ in range(2):
            bench.anew()
            assert bench.world.run().outcome in {Outcome.OK, Outcome.HELD}
        bench.equal()
        assert bench.hidden() == churn.hidden()
        assert bench.stale() == set()
    return runs, faulty, outages


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_r5_histories_of_faults_delete_nothing_wrongly(seed: int, tmp_path: Path) -> None:
    """Whatever happens between people, wiki and network, what is there stays known, and the end is the wiki."""
    history(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_histories(tmp_path: Path) -> None:
    """The same two hundred times."""
    play(tmp_path, history, kinds=len(NAMES) - 1, report="confluence_faults.md", title="Random faults of a Confluence")
