"""A search as of an earlier time shows what the sources held then: for any history, and from any later moment."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor import wire
from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import UserError
from ingestor.ledger import past
from ingestor.ledger.past import PastReads, seq_at
from ingestor.parsing.pool import InlineParser
from ingestor.search import candidates
from tests.support.faults_oracle import Passage, wanted
from tests.support.portal import Portal
from tests.support.world import SOURCE, World

HISTORIES, STEPS = 8, 7
DAY = 86_400.0

Shown = tuple[str, str, tuple[int, int], tuple[str, ...]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "root").mkdir()
    made = World(tmp_path / "root", tmp_path)
    yield made
    made.close()


class Editor:
    """Changes files at random; every passage says "harbour", about half of them "ferry"."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._random, self._made = world, random.Random(seed), 0
        for _ in range(3):
            self._write(self._name(), self._text())

    def step(self) -> None:
        files = sorted(path for path in self._world.root.rglob("*.md"))
        what = self._random.choice(["add", "edit", "edit", "append", "title", "move", "remove", "nothing"])
        chosen = self._random.choice(files)
        text = chosen.read_text(encoding="utf-8")
        if what == "add":
            self._write(self._name(), self._random.choice([self._text(), text]))
        elif what == "edit":
            chosen.write_text(self._text(), encoding="utf-8")
        elif what == "append":
            chosen.write_text(f"{text}\n## More\n\n{self._sentence()}\n", encoding="utf-8")
        elif what == "title":  # the same passages beneath another heading
            chosen.write_text(text.replace("# Notes", "# Remarks", 1), encoding="utf-8")
        elif what == "move":
            there = self._world.root / self._name()
            there.parent.mkdir(exist_ok=True)
            chosen.rename(there)
        elif what == "remove" and len(files) > 2:
            chosen.unlink()

    def _write(self, name: str, text: str) -> None:
        self._world.write(name, text)

    def _name(self) -> str:
        self._made += 1
        return f"{self._random.choice(['hr', 'it'])}/n{self._made}.md"

    def _sentence(self) -> str:
        self._made += 1
        about = self._random.choice(["The ferry", "A crane"])
        return f"{about} of the harbour has the number {self._made} and is looked after every week of the year."

    def _text(self) -> str:
        parts = "\n\n".join(f"## Part {n}\n\n{self._sentence()} {self._sentence()}" for n in range(3))
        return f"# Notes\n\n{self._sentence()}\n\n{parts}\n"


def now_held(world: World) -> set[Shown]:
    """f(source), without a ledger."""
    found = wanted(world.source, InlineParser(), SemanticCutter()).passages
    return {_shown(one) for one in found}


def _shown(one: Passage) -> Shown:
    return one.item, one.text, one.span, one.section


def asked(portal: Portal, query: str, mode: str, at: float, **more: object) -> wire.SearchReply:
    request = {"query": query, "mode": mode, "top": 200, "as_of": at, **more}
    return portal.operations.search(wire.SearchRequest.model_validate(request))


def found(reply: wire.SearchReply) -> set[Shown]:
    return {(hit.uri.partition("/")[2], hit.text, hit.span, hit.section) for hit in reply.hits}


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_search_shows_exactly_the_passages_of_then(world: World, seed: int) -> None:
    """By meaning all of them, by words all that hold these, each at the place where it stood."""
    editor, moments = Editor(world, seed), []
    for _ in range(STEPS):
        world.sync()
        world.drain()
        moments.append((time.time(), now_held(world)))
        editor.step()
    portal = Portal(world)
    for at, then in moments:
        texts = {text for _, text, _, _ in then}
        for query, mode, those in (
            ("harbour", "dense", texts),
            ("harbour", "keyword", texts),
            ("harbour", "hybrid", texts),
            ("ferry", "keyword", {text for text in texts if "ferry" in text}),
        ):
            reply = asked(portal, query, mode, at)
            assert found(reply) <= then, (mode, query)
            assert {hit.text for hit in reply.hits} == those, (mode, query)
            also = {
                hit.uri.partition("/")[2] for hit in (*reply.hits, *(one for hit in reply.hits for one in hit.also))
            }
            assert also == {item for item, text, _, _ in then if text in those}, (mode, query)
        (beside,) = asked(portal, "harbour", "dense", at, top=1, context=10).hits
        item = beside.uri.partition("/")[2]
        around = [one.text for one in (*beside.before, *beside.after)] + [beside.text]
        assert sorted(around) == sorted(text for where, text, _, _ in then if where == item)


def test_filters_are_those_of_then(world: World) -> None:
    """A document is found under the path that it had, and not under the one that it has."""
    world.write("hr/leave.md", "# Leave\n\nThe harbour office approves every leave of more than ten days.\n")
    world.sync()
    world.drain()
    before, portal = time.time(), Portal(world)
    (world.root / "it").mkdir()
    (world.root / "hr/leave.md").rename(world.root / "it/leave.md")
    world.sync()
    for mode in ("keyword", "dense"):
        assert asked(portal, "harbour leave", mode, before, paths=("hr",)).hits
        assert not asked(portal, "harbour leave", mode, before, paths=("it",)).hits
        assert not asked(portal, "harbour leave", mode, time.time(), paths=("hr",)).hits


def test_what_died_before_it_had_vectors_is_found_by_its_words(world: World) -> None:
    """And the answer says that there is something that was not compared by meaning."""
    world.write("a.md", "# Tides\n\nThe tide table of the harbour is printed in March.\n")
    world.sync()
    before, portal = time.time(), Portal(world)
    world.write("a.md", "# Cranes\n\nEvery crane is oiled on Friday by two people.\n")
    world.sync()
    world.drain()
    (hit,) = asked(portal, "tide table", "hybrid", before).hits
    assert "printed in March" in hit.text
    reply = asked(portal, "tide table", "dense", before)
    assert (reply.hits, "1 passages of then have no vectors" in reply.note) == ((), True)


def test_a_removed_source_has_no_past(world: World) -> None:
    """Whether what it held was purged or only removed, nobody finds it again."""
    world.write("a.md", "# Tides\n\nThe tide table of the harbour is printed in March.\n")
    world.sync()
    world.drain()
    before, portal = time.time(), Portal(world)
    assert asked(portal, "tide", "keyword", before).hits
    world.ledger.sources.remove(SOURCE, purge=True)
    world.ledger.finish_removals()
    for mode in ("keyword", "dense", "hybrid"):
        assert not asked(portal, "tide", mode, before).hits


def test_a_time_past_retention_is_refused(world: World) -> None:
    """Also where more was forgotten under a shorter retention than the present one."""
    world.write("a.md", "# Tides\n\nThe tide table of the harbour is printed in March.\n")
    world.sync()
    database, between = world.ledger.search._db, time.time()
    assert seq_at(database, between, retention_s=DAY) > 0
    assert seq_at(database, between - 50 * DAY, retention_s=DAY) == 0, "the ledger is younger than its retention"
    early = asked(Portal(world), "tide", "keyword", between - 50 * DAY)
    assert (early.hits, early.note.startswith("Nothing was known yet")) == ((), True)
    world.write("a.md", "# Cranes\n\nEvery crane is oiled on Friday by two people.\n")
    world.sync()
    with pytest.raises(UserError, match="past retention"):
        seq_at(database, between, retention_s=0.0)
    world.ledger.upkeep.forget_expired(now=time.time() + 31 * DAY)
    with pytest.raises(UserError, match="past retention"):
        seq_at(database, between, retention_s=100 * DAY)
    assert seq_at(database, time.time(), retention_s=100 * DAY) > 0


def test_too_much_is_said_in_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More passages than are compared, or than were replaced and can be indexed for one question."""
    for number in range(3):
        world.write(
            f"{number}.md", f"# Tides {number}\n\nThe tide table {number} of the harbour is printed in March.\n"
        )
    world.sync()
    world.drain()
    before, portal = time.time(), Portal(world)
    monkeypatch.setattr(candidates, "PAST_LIMIT", 2)
    with pytest.raises(UserError, match="too many to be compared by meaning"):
        asked(portal, "tide", "dense", before)
    reply = asked(portal, "tide", "hybrid", before)
    assert (len(reply.hits), "too many to be compared" in reply.note) == (3, True)
    assert len(asked(portal, "tide", "dense", before, paths=("1.md",)).hits) == 1
    for number in range(3):
        world.write(f"{number}.md", f"# Cranes {number}\n\nCrane {number} is oiled on Friday.\n")
    world.sync()
    monkeypatch.setattr(past, "REPLACED_LIMIT", 2)
    with pytest.raises(UserError, match="too many to be searched by their words"):
        asked(portal, "tide", "keyword", before)
    assert len(asked(portal, "tide", "keyword", before, paths=("1.md",)).hits) == 1


def test_words_are_found_in_the_forms_of_the_languages_of_the_corpus(world: World) -> None:
    """In the past as now, as far as such a form stands in the collection still."""
    world.ledger.queries.languages = lambda: frozenset({"de"})
    world.write("a.md", "# Fahrplan\n\nAlle Fähren verlassen den Hafen am Mittag.\n")
    world.write("b.md", "# Werft\n\nIn der Werft liegen zwei alte Fähren und ein Kran.\n")
    world.sync()
    before, portal = time.time(), Portal(world)
    world.write("a.md", "# Fahrplan\n\nHeute ist nichts zu melden.\n")
    world.sync()
    assert {hit.uri for hit in asked(portal, "fähre", "keyword", before).hits} == {
        f"ingestor:{SOURCE}/a.md",
        f"ingestor:{SOURCE}/b.md",
    }


def test_words_are_taken_as_the_ledger_takes_them(world: World) -> None:
    """Stems, product codes, phrases and prefixes find what was replaced as they found it when it stood."""
    world.write("a.md", "# Errors\n\nThe pump says ERR-4012 when refunds of the harbour master arrive in v2.3.1.\n")
    world.sync()
    before, portal = time.time(), Portal(world)
    world.write("a.md", "# Nothing\n\nThere is nothing to be said any more about the former text.\n")
    world.sync()
    reads = world.ledger.past(before)
    assert isinstance(reads, PastReads)
    for query in ("ERR-4012", "refund", '"harbour master"', "refu*", "v2.3.1", "errors"):
        assert [hit.uri for hit in asked(portal, query, "keyword", before).hits] == [f"ingestor:{SOURCE}/a.md"], query
        assert not asked(portal, query, "keyword", time.time()).hits, query
