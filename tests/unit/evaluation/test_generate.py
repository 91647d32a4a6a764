"""Questions out of headings and titles: which are asked, what answers them, and that a search finds the answers."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ingestor import wire
from ingestor.evaluation.generate import Generated, Outline, chosen, generate
from ingestor.evaluation.metrics import covered
from ingestor.evaluation.questions import read_questions
from ingestor.model import Reader
from ingestor.service.generating import generated
from tests.support.portal import Portal
from tests.support.world import World

LONG = "The ferry to the island leaves at noon, and every hour from then on until the last light of the day is gone."
OTHER = "A crane is looked at by two people on every Friday of the year, and is oiled by a third one on Monday morning."

OUTLINE = Outline(
    title="Harbour",
    uri="ingestor:docs/harbour.md",
    path="/srv/docs/harbour.md",
    passages=((("Harbour", "Ferries"), f"## Ferries\n\n{LONG}"), (("Harbour", "Cranes"), OTHER)),
)


def asked(*outlines: Outline, count: int = 9) -> list[tuple[str, str]]:
    return [(one.question, one.answer) for one in generate(outlines, count)]


def test_a_heading_asks_for_what_stands_below_it() -> None:
    """With the document's title; the heading itself is no part of the answer."""
    assert asked(OUTLINE) == [("Harbour: Ferries", LONG), ("Harbour: Cranes", OTHER)]
    assert asked(OUTLINE, count=1) == [("Harbour: Ferries", LONG)]


def test_a_heading_that_is_a_question_is_asked_as_it_stands() -> None:
    """Nobody says the title before it."""
    outline = replace(OUTLINE, passages=((("Harbour", "When does the ferry leave?"), LONG),))
    assert asked(outline) == [("When does the ferry leave?", LONG)]


@pytest.mark.parametrize(
    "passages",
    [
        ((), f"Harbour\n=======\n\n{LONG}"),
        (("Harbour",), f"# Harbour\n\n{LONG}"),
    ],
)
def test_a_document_without_headings_is_asked_for_by_its_title(passages: tuple[tuple[str, ...], str]) -> None:
    """And answered by its beginning."""
    assert asked(replace(OUTLINE, passages=(passages,))) == [("Harbour", LONG)]


def test_what_cannot_be_told_apart_is_not_asked() -> None:
    """A heading that stands twice, a text too short, an answer that another question has, two titles alike."""
    twice = ((("Notes",), LONG), (("Cranes",), OTHER), (("Notes",), f"Again. {LONG}"))
    assert asked(replace(OUTLINE, passages=twice)) == [("Harbour: Cranes", OTHER)]
    assert asked(replace(OUTLINE, passages=((("Ferries",), "At noon."),))) == []
    assert asked(OUTLINE, replace(OUTLINE, title="Copy", uri="ingestor:docs/copy.md")) == asked(OUTLINE)
    assert sorted(chosen(["Index", "Harbour", "index", "Quay"], 0)) == [1, 3]


def test_an_answer_ends_where_the_next_heading_begins() -> None:
    """What stands there answers another question; and it is not longer than a few sentences."""
    (found,) = generate([replace(OUTLINE, passages=((("Ferries",), f"{LONG}\n\n## Cranes\n\n{OTHER}"),))], 9)
    assert found.answer == LONG
    (found,) = generate([replace(OUTLINE, passages=((("Ferries",), " ".join([LONG] * 20)),))], 9)
    assert len(found.answer.split()) == 60


def test_the_seed_chooses_and_nothing_else_does() -> None:
    """The same documents in the same order each time; another seed takes others."""
    titles = [f"Title {number}" for number in range(50)]
    assert chosen(titles, 3) == chosen(titles, 3) != chosen(titles, 4)
    assert sorted(chosen(titles, 3)) == list(range(50))


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "docs").mkdir()
    made, words = World(tmp_path / "docs", tmp_path), random.Random(1)
    for number in range(12):
        parts = []
        for part in ("Opening", "Fees", "Rules"):
            said = " ".join(words.choice(["ferry", "crane", "quay", "tide", "pilot", "rope"]) for _ in range(30))
            parts.append(f"## {part} {number}\n\nSentence {number} of {part} says {said}.\n")
        made.write(f"a b/{number}.md", f"# Harbour {number}\n\n" + "\n".join(parts))
    made.sync()
    made.drain()
    return made


def test_the_answers_stand_in_the_files_and_are_found(world: World) -> None:
    """Of a real ledger: ``eval`` reads what was made, each path is the file, each answer stands in it, and search by
    words finds it; of one document there are two at most."""
    made = generated(world.ledger, 20, 5, (), Reader())
    lines = "\n".join(json.dumps(asdict(one)) for one in made)
    questions = read_questions(lines, "here")
    assert len(questions) == len({one.question for one in questions}) == 20
    assert max(Counter(one.path for one in questions).values()) == 2
    portal = Portal(world)
    for one in questions:
        assert covered(one.answers, [Path(one.path).read_text(encoding="utf-8")]) == 1.0
        request = wire.SearchRequest(query=one.question, mode="keyword", top=5)
        texts = [hit.text for hit in portal.operations.search(request).hits]
        assert covered(one.answers, texts) == 1.0
    world.close()


def test_the_same_corpus_gives_the_same_questions(world: World, tmp_path: Path) -> None:
    """Also taken in anew, where documents have other ids; a reader is asked about what he may see."""
    (tmp_path / "again").mkdir()
    again = World(tmp_path / "docs", tmp_path / "again")
    again.sync()
    first: list[Generated] = list(generated(world.ledger, 9, 5, (), Reader()))
    assert first == generated(again.ledger, 9, 5, (), Reader())
    assert first != generated(again.ledger, 9, 6, (), Reader())
    assert generated(again.ledger, 9, 5, ("elsewhere",), Reader()) == []
    assert generated(again.ledger, 9, 5, (), Reader(principals=frozenset({"group:staff"}))) == []
    assert len(generated(again.ledger, 9, 5, (), Reader(principals=frozenset({"public"})))) == 9
    world.close()
    again.close()
