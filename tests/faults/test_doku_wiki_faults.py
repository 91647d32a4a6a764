"""A DokuWiki that misbehaves: every fault at every request of a run, in both languages, and histories of random faults.
Nothing that is there is ever deleted, and when the fault has passed the ledger is the wiki."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestor.model import Outcome
from tests.support.doku_bench import TEXT, Bench, doku_bench
from tests.support.doku_wiki import DokuWiki, clean, error, method_of, nameless, result
from tests.support.web_server import Answer, Asked
from tests.support.wiki_churn import WikiChurn
from tests.support.wiki_histories import play

Fault = Callable[[Asked], Answer | None]

CENTURIES = "9223372036854775807"
_ELSEWHERE = Answer(status=302, headers=(("Location", "http://elsewhere.test/"),))
_INSIDE = Answer(status=307, headers=(("Location", "http://169.254.169.254/latest/"),))
_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>'
    b"<methodResponse><params><param><value><string>&y;</string></value></param></params></methodResponse>"
)


def always(answer: Answer) -> Fault:
    return lambda _asked: answer


def busy(*, status: int, after: str) -> Fault:
    return always(Answer(status=status, headers=(("Retry-After", after),)))


def valued(value: object) -> Fault:
    """Every question is answered with this."""
    return lambda asked: result(asked, value)


def said(code: int, *, status: int = 400) -> Fault:
    return lambda asked: error(asked, code, "The cause.", status=status)


def only(words: str, fault: Fault) -> Fault:
    """The fault of questions whose method holds one of these words."""
    return lambda asked: fault(asked) if any(word in method_of(asked) for word in words.split()) else None


LISTS, FEED, TEXTS = "listPages getPagelist listMedia getAttachments", "Changes", "HTML"
FAULTS: dict[str, Fault] = {
    "no answer": always(Answer(dead=True)),
    "an answer cut short": always(Answer(body=b'{"jsonrpc": "2.0", "id": 1, "result"', cut=10)),
    "half an answer that looks whole": always(Answer(body=b'{"jsonrpc": "2.0", "result": [', close=True)),
    "unauthorised": always(Answer(status=401)),
    "forbidden": always(Answer(status=403, body=b"<html>blocked</html>")),
    "not found": always(Answer(status=404, body=b"<html>not found</html>")),
    "gone": always(Answer(status=410)),
    "an error of the server": always(Answer(status=500)),
    "a gateway's error": always(Answer(status=502, body=b"<html>bad gateway</html>")),
    "maintenance": busy(status=503, after="0"),
    "too many requests": busy(status=429, after="0"),
    "a pause until a date that is past": busy(status=429, after="Fri, 01 Jan 2021 00:00:00 GMT"),
    "a redirect to another host": always(_ELSEWHERE),
    "a redirect to a private address": always(_INSIDE),
    "a page of a portal": always(Answer(body=b"<html><form>Please log in to the network</form></html>")),
    "nothing": always(Answer(body=b"")),
    "an empty object": always(Answer(body=b"{}")),
    "another kind of data": always(Answer(body=b"[1, 2]")),
    "a bomb of entities": always(Answer(body=_BOMB)),
    "faults without a reason": always(nameless()),
    "everything is empty": valued([]),
    "everything is true": valued(True),
    # But for what a page shows, which may well be a word.
    "everything is a word": lambda asked: None if TEXTS in method_of(asked) else result(asked, "no"),
    "lists are empty": only(LISTS, valued([])),
    "lists are words": only(LISTS, valued("")),
    "lists of what has no name": only(LISTS, valued([{"revision": 1, "rev": 1, "size": 3, "hash": "x"}])),
    "lists without hashes": only(LISTS, valued([{"id": "badges", "revision": 1, "rev": 1, "size": 3}])),
    "no changes": only(FEED, valued([])),
    "changes of what has no name": only(FEED, valued([{"revision": 1, "version": 1}])),
    "an error of the wiki": said(-32603),
    "an error that nobody knows": said(4711),
    "the API is switched off": said(-32605),
    "the wiki does not let us read": said(-32604, status=403),
    "the session has ended": said(-32603, status=401),
    "lists are refused": only(LISTS, said(-32604, status=403)),
    "changes are refused": only(FEED, said(-32604, status=403)),
    "pages cannot be rendered": only(TEXTS, always(Answer(status=500))),
    "pages are rendered as nothing we know": only(TEXTS, valued(7)),
    "rendering is refused": only(TEXTS, said(-32604, status=403)),
    "files are forbidden": lambda asked: Answer(status=403) if asked.path.endswith("fetch.php") else None,
    "files come by half": lambda asked: Answer(body=b"A pl") if asked.path.endswith("fetch.php") else None,
}
CASES = (
    (("json", 0, False), ("xml", 2, True)),
    (("xml", 1, False), ("json", 3, True)),
    (("json", 2, False), ("xml", 0, True)),
    (("xml", 0, False), ("json", 1, True)),
)
"""A language, the so-manyeth request of the run that the fault begins with, and whether everything is listed: two of
them for a fault, others for the next."""


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    """A wiki of each language for all faults: each leaves it as true as it was."""
    with (
        doku_bench(tmp_path_factory.mktemp("json"), DokuWiki(language="json")) as json,
        doku_bench(tmp_path_factory.mktemp("xml"), DokuWiki(language="xml")) as xml,
    ):
        for bench in (json, xml):
            bench.wiki.upload("it:plan.txt", b"A plan of the year and of the next one.\n")
            bench.world.sync()
        yield {"json": json, "xml": xml}


def unharmed(bench: Bench, before: dict[str, str]) -> None:
    """Every document that was known and whose page is still there is known by the same id."""
    after, there = bench.world.doc_ids(), bench.wanted().keys()
    lost = {item for item, document in before.items() if item in there and after.get(item) != document}
    assert not lost


@pytest.mark.parametrize("name", FAULTS)
def test_r5_no_fault_deletes_what_is_there(name: str, benches: dict[str, Bench]) -> None:
    """Whenever it begins, while changes are read and while everything is listed; afterwards nothing is missing."""
    for language, start, whole in CASES[list(FAULTS).index(name) % len(CASES)]:
        bench = benches[language]
        if whole:
            bench.wiki.purge()
        bench.wiki.put("refunds", TEXT.format(f"{name} {start}"))
        bench.wiki.upload("it:plan.txt", f"A plan of {name}, {start}.\n".encode())
        asked = iter(range(1000))
        bench.wiki.weather = lambda request, asked=asked, start=start: (
            FAULTS[name](request) if next(asked) >= start else None
        )
        bench.later()
        before = bench.world.doc_ids()
        report = bench.world.run()
        bench.wiki.weather = lambda _asked: None
        assert report.counts.deleted == 0
        unharmed(bench, before)
        if report.outcome is Outcome.UNAVAILABLE:  # and a person is told what is wrong, not with a bare exception
            assert report.message.endswith("."), report.message
            assert len(report.message) > 40, report.message
        bench.later()
        bench.world.sync()
        bench.equal()


def test_a_pause_of_centuries_is_an_hour(benches: dict[str, Bench]) -> None:
    """A wiki that asks to be left alone for ever is asked again within the hour, and nothing is deleted."""
    from connectors.web.pace import MOST_PAUSE_S, Pace

    bench = benches["json"]
    bench.wiki.weather = busy(status=429, after=CENTURIES)
    pace = bench.source._api._web._pace
    bench.later()
    report = bench.world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert f"{MOST_PAUSE_S:,.0f} s" in report.message
    bench.wiki.weather = lambda _asked: None
    assert isinstance(pace, Pace)
    pace._buckets.clear()
    bench.later()
    bench.world.sync()
    bench.equal()


# -- histories -------------------------------------------------------------------------------------


class Hands:
    """The scripted wiki under the hands of a churn."""

    def __init__(self, wiki: DokuWiki) -> None:
        self.wiki = wiki

    def fill(self, pages: dict[str, str]) -> None:
        for title, text in pages.items():
            self.wiki.put(title, text)

    def edit(self, title: str, text: str) -> int:
        self.wiki.put(title, text)
        return 0

    def move(self, old: str, new: str, *, redirect: bool = True) -> None:
        self.wiki.move(old, new, redirect=redirect)

    def delete(self, title: str) -> None:
        if title.startswith("File:"):
            self.wiki.remove(title.removeprefix("File:"))
        else:
            self.wiki.delete(title)

    def restore(self, title: str) -> None:
        self.wiki.restore(title)

    def protect(self, title: str) -> None:
        assert clean(title) in self.wiki.pages  # who may edit it says nothing of who may read it

    def upload(self, name: str, content: bytes, text: str = "") -> None:
        self.wiki.upload(name, content)


def history(base: Path, seed: int) -> tuple[int, int, int]:
    """Random edits, runs and faults, restarts, trimmed and emptied logs among them; (runs, faulty answers, outages)."""
    dice = random.Random(seed)
    runs = faulty = outages = 0
    with doku_bench(base, DokuWiki(language=dice.choice(["json", "xml"]), tick=dice.choice([0, 1, 40]))) as bench:
        churn = WikiChurn(Hands(bench.wiki), seed, pages=9)
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
            bench.wiki.clock += 10
            if dice.random() < 0.2:
                bench.wiki.trim()
            if dice.random() < 0.2 and bench.wiki.page_log and bench.wiki.file_log:
                bench.wiki.purge()
            for _ in range(dice.randint(0, 4)):
                churn.step()
            if dice.random() < 0.2:
                bench.configure()
            chance = dice.choice([0.0, 0.02, 0.1, 0.5, 1.0])
            bench.later()
            before = bench.world.doc_ids()
            outages += bench.world.run().outcome is Outcome.UNAVAILABLE
            chance = 0.0
            unharmed(bench, before)
            runs += 1
        bench.wiki.weather = lambda _asked: None
        bench.wiki.clock += 10
        for _ in range(2):
            bench.later()
            assert bench.world.run().outcome in {Outcome.OK, Outcome.HELD}
        bench.equal()
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
    play(tmp_path, history, kinds=len(FAULTS), report="dokuwiki_faults.md", title="Random faults of a DokuWiki")
