"""What the ledger is asked many times a second never walks a whole generation, source or keyword index."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.base import ItemId, Scope
from ingestor.ledger.database import Database
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.milestones import UNSETTLED
from ingestor.model import ChunkId, Filters, Generation, GenerationState, ModelId, Reader
from tests.support.ledger_rows import put

READER = Reader(principals=frozenset({"public"}))

QUESTIONS: dict[str, Callable[[Ledger, Generation], object]] = {
    "settled": lambda ledger, g: ledger.index.settled(g.generation_id),
    "backlog": lambda ledger, g: ledger.index.backlog(g.generation_id),
    "unembedded": lambda ledger, g: ledger.index.unembedded(g.generation_id, 10),
    "pending": lambda ledger, g: ledger.index.pending(g.generation_id, 10),
    "expected": lambda ledger, g: ledger.index.expected(g.generation_id, ChunkId(""), 10),
    "figures": lambda ledger, g: ledger.runs.figures("s"),
    "measures": lambda ledger, g: ledger.measures.sources(),
    "edits": lambda ledger, g: ledger.measures.edits(0.0),
    "lag over time": lambda ledger, g: ledger.measures.lag_over_time(0.0, 60.0, "s"),
    "shelf": lambda ledger, g: ledger.search.shelf("s", "", 10, READER),
    "item": lambda ledger, g: ledger.runs.item("s", ItemId("a")),
    "unsettled": lambda ledger, g: ledger.sync._db.read(UNSETTLED, {"doc": 1}),
    "known": lambda ledger, g: ledger.sync.known("s", Scope("a")),
    "attached": lambda ledger, g: ledger.sync.attached(1),
    "deceased": lambda ledger, g: ledger.sync.deceased("s"),
    "keyword, restricted": lambda ledger, g: ledger.search.keyword("words", 10, READER, Filters()),
    "keyword, tagged": lambda ledger, g: ledger.search.keyword("words", 10, READER, Filters(tags=("a", "b"))),
    "by words, restricted": lambda ledger, g: ledger.search.worded("words", 10, READER, Filters()),
    "places": lambda ledger, g: ledger.search.places([1]),
    "by words, listed": lambda ledger, g: ledger.search._listed(READER, Filters(tags=("a", "b"))),
    "walk, tagged": lambda ledger, g: ledger.search.all_candidates(READER, Filters(tags=("a", "b")), 10),
    "keyword, one source": lambda ledger, g: ledger.search.keyword("words", 10, Reader(), Filters(sources=("s",))),
}

WALKS = (
    "SCAN document_tag",
    "index_state USING PRIMARY KEY (generation=?)",
    "SCAN index_state",
    "document_part (container>?)",
    "VIRTUAL TABLE INDEX 0:=",  # one run of the whole keyword query for each row it is joined with
)


COUNTED = ("item USING PRIMARY KEY (source=?) ", "INDEX document_source (source=?) ")  # the figures of a source


@pytest.mark.parametrize("question", QUESTIONS)
def test_by_an_index(ledger: Ledger, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says so itself, for each statement that the question takes."""
    generation = ledger.index.add_generation(ModelId("m"), "g", GenerationState.SERVING)
    put(ledger, "a", "some words")
    plans: list[str] = []
    read = Database.read

    def watched(db: Database, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[object]]:
        plans.extend(f"{row[3]} " for row in read(db, "EXPLAIN QUERY PLAN " + sql, parameters))
        return read(db, sql, parameters)

    monkeypatch.setattr(Database, "read", watched)
    QUESTIONS[question](ledger, generation)
    assert plans
    walks = WALKS if question in {"figures", "measures", "shelf"} else (*WALKS, *COUNTED)
    assert [plan for plan in plans if any(walk in plan for walk in walks)] == []
