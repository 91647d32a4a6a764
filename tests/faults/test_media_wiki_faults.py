"""A MediaWiki that misbehaves: every fault at every request of a run, and histories of random faults. Nothing that is
there is ever deleted, and when the fault has passed the ledger is the wiki."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestor.model import Outcome
from tests.support.media_wiki import error, sent
from tests.support.web_server import Answer, Asked
from tests.support.wiki_bench import TEXT, Bench, wiki_bench
from tests.support.wiki_churn import WikiChurn
from tests.support.wiki_histories import play

BUSY = Answer(status=429, headers=(("Retry-After", "0"),))
Fault = Callable[[Asked], Answer | None]


def always(answer: Answer) -> Fault:
    return lambda _asked: answer


def only(action: str, answer: Answer) -> Fault:
    return lambda asked: answer if asked.fields.get("action") == action else None


def half(asked: Asked) -> Answer | None:
    """Pages are asked for, and some are not spoken of."""
    return sent({"batchcomplete": True, "query": {"pages": []}}) if "pageids" in asked.fields else None


def same_again(asked: Asked) -> Answer | None:
    """A cursor that never gets on."""
    if asked.fields.get("generator") != "allpages":
        return None
    return sent({"continue": {"gapcontinue": "x", "continue": "-||"}, "query": {"pages": []}})


FAULTS: dict[str, Fault] = {
    "no answer": always(Answer(dead=True)),
    "an answer cut short": always(Answer(body=b'{"batchcomplete":true, "query":', cut=10)),
    "half an answer that looks whole": always(Answer(body=b'{"batchcomplete":true, "query":', close=True)),
    "unauthorised": always(Answer(status=401)),
    "forbidden": always(Answer(status=403, body=b"<html>blocked</html>")),
    "not found": always(Answer(status=404, body=b"<html>not found</html>")),
    "gone": always(Answer(status=410)),
    "an error of the server": always(Answer(status=500)),
    "a gateway's error": always(Answer(status=502, body=b"<html>bad gateway</html>")),
    "maintenance": always(Answer(status=503, headers=(("Retry-After", "0"),))),
    "too many requests": always(BUSY),
    "a redirect to another host": always(Answer(status=302, headers=(("Location", "http://elsewhere.test/"),))),
    "a page of a portal": always(Answer(body=b"<html><form>Please log in to the network</form></html>")),
    "nothing": always(Answer(body=b"")),
    "an empty object": always(Answer(body=b"{}")),
    "another kind of data": always(Answer(body=b"[1, 2]")),
    "null": always(Answer(body=b"null")),
    "everything is empty": always(sent({"batchcomplete": True})),
    "everything is empty and has a query": always(sent({"batchcomplete": True, "query": {}})),
    "no end of the answer": always(sent({"query": {"pages": []}})),
    "pages in the form of long ago": always(sent({"batchcomplete": True, "query": {"pages": {"1": {"pageid": 1}}}})),
    "pages without what was asked": always(
        sent({"batchcomplete": True, "query": {"pages": [{"pageid": 1, "title": "x"}]}})
    ),
    "pages that are left out": half,
    "a cursor that does not move": same_again,
    "lag": always(error("maxlag", "Waiting for a server", retry_after="0")),
    "a limit of the API": always(error("ratelimited", retry_after="0")),
    "read only": always(error("readonly")),
    "an exception of the database": always(error("internal_api_error_DBQueryError")),
    "reading is denied": always(error("readapidenied")),
    "the session has ended": always(error("assertuserfailed")),
    "an error that nobody knows": always(error("flux-capacitor", "It is out of order.")),
    "pages cannot be rendered": only("parse", error("internal_api_error_Exception")),
    "rendering is denied": only("parse", error("permissiondenied")),
    "pages without text": only("parse", sent({"parse": {"pageid": 1}})),
    "no page in the answer": only("parse", sent({"batchcomplete": True})),
}
STARTS = (0, 1, 4)
"""The fault begins with the so-manyeth request of the run and lasts to its end."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One wiki for all faults: each leaves it as true as it was."""
    with wiki_bench(tmp_path_factory.mktemp("wiki")) as made:
        made.wiki.put("File:Plan.txt", "== Plan ==\nOf the year.", file=b"A plan of the year and of the next one.\n")
        made.wiki.part = 50
        made.world.sync()
        yield made


def unharmed(bench: Bench, before: dict[str, str]) -> None:
    """Every document that was known and whose page is still there is known by the same id."""
    after, there = bench.world.doc_ids(), bench.wanted().keys()
    lost = {item for item, document in before.items() if item in there and after.get(item) != document}
    assert not lost


@pytest.mark.parametrize("name", FAULTS)
def test_r5_no_fault_deletes_what_is_there(name: str, bench: Bench) -> None:
    """Whenever it begins, while changes are read and while everything is listed; afterwards nothing is missing."""
    for number, start in enumerate(STARTS):
        whole = number % 2 == 1
        titles = ("Refunds", "Money back")
        there = next(page.title for page in bench.wiki.pages.values() if page.title in titles and not page.redirect)
        bench.wiki.put(there, TEXT.format(f"{name} {start}"))
        bench.wiki.move(there, titles[there == titles[0]], redirect=False)
        if whole:
            bench.wiki.purge()
        asked = iter(range(1000))
        bench.wiki.weather = lambda request, asked=asked, start=start: (
            FAULTS[name](request) if next(asked) >= start else None
        )
        bench.source._asked_at = float("-inf")
        before = bench.world.doc_ids()
        report = bench.world.run()
        bench.wiki.weather = lambda _asked: None
        assert report.counts.deleted == 0
        unharmed(bench, before)
        bench.source._asked_at = float("-inf")
        bench.world.sync()
        bench.equal()


def test_the_outage_has_a_name_and_a_hint(bench: Bench) -> None:
    """A person is told what is wrong and what to do, never with a bare exception."""
    for name, fault in FAULTS.items():
        bench.wiki.weather = fault
        bench.source._asked_at = float("-inf")
        report = bench.world.run()
        if report.outcome is Outcome.UNAVAILABLE:
            assert report.message.endswith("."), (name, report.message)
            assert len(report.message) > 40, (name, report.message)
    bench.wiki.weather = lambda _asked: None
    bench.source._asked_at = float("-inf")
    bench.world.sync()
    bench.equal()


# -- histories -------------------------------------------------------------------------------------


class Hands:
    """The scripted wiki under the hands of a churn."""

    def __init__(self, bench: Bench) -> None:
        self.wiki = bench.wiki
        self.edit, self.move, self.protect = self.wiki.put, self.wiki.move, self.wiki.protect

    def fill(self, pages: dict[str, str]) -> None:
        for title, text in pages.items():
            self.wiki.put(title, text)

    def delete(self, title: str) -> None:
        self.wiki.delete(title)

    def restore(self, title: str) -> None:
        self.wiki.restore(title)

    def upload(self, name: str, content: bytes, text: str = "") -> None:
        self.wiki.put(f"File:{name}", text or None, file=content)


def history(base: Path, seed: int) -> tuple[int, int, int]:
    """Random edits, runs and faults, restarts and purges among them; (runs, faulty answers, outages)."""
    dice = random.Random(seed)
    runs = faulty = outages = 0
    with wiki_bench(base) as bench:
        bench.wiki.part = dice.choice([2, 5, 50])
        churn = WikiChurn(Hands(bench), seed, pages=9)  # type: ignore[arg-type]  # ``put`` gives the page's id, too
        bench.world.sync()

        def weather(asked: Asked) -> Answer | None:
            nonlocal faulty
            if dice.random() >= chance:
                return None
            faulty += 1
            return dice.choice(list(FAULTS.values()))(asked)

        chance = 0.0
        bench.wiki.weather = weather
        for _ in range(dice.randint(4, 6)):
            if dice.random() < 0.2:
                bench.wiki.purge()
            for _ in range(dice.randint(0, 4)):
                churn.step()
            if dice.random() < 0.2:
                bench.configure()
            chance = dice.choice([0.0, 0.02, 0.1, 0.5, 1.0])
            bench.source._asked_at = float("-inf")
            before = bench.world.doc_ids()
            outages += bench.world.run().outcome is Outcome.UNAVAILABLE
            chance = 0.0
            unharmed(bench, before)
            runs += 1
        for _ in range(2):
            bench.source._asked_at = float("-inf")
            assert bench.world.run().outcome in {Outcome.OK, Outcome.HELD}
        assert bench.held() == bench.wanted(namespaces=(0, 2, 6, 100)), seed
        bench.world.healthy()
    return runs, faulty, outages


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_r5_histories_of_faults_delete_nothing_wrongly(seed: int, tmp_path: Path) -> None:
    """Whatever happens between people, wiki and network, what is there stays known, and the end is the wiki."""
    history(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_histories(tmp_path: Path) -> None:
    """The same two hundred times."""
    play(tmp_path, history, kinds=len(FAULTS), report="mediawiki_faults.md", title="Random faults of a MediaWiki")
