"""``trace`` and ``history``: what they ask for and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_backend import PAST, TRACED, Invoke, Scripted

from ingestor import wire_reading
from ingestor.errors import UnknownId

CONTRACT = "chunk_id current document_id uri url revision superseded_at run recipe model text"


def test_a_trace_says_whether_the_passage_still_stands(invoke: Invoke, backend: Scripted) -> None:
    """In words, with the place and the text."""
    gone = invoke("trace", "c1").out
    assert "replaced or deleted" in gone
    assert "lines 12-18" in gone
    assert "    five working days." in gone
    backend.answers["trace"] = TRACED.model_copy(update={"current": True, "superseded_at": None})
    assert "stands in its source" in invoke("trace", "c1").out
    assert backend.asked[-1] == ("trace", ("c1", None))


def test_the_json_of_a_trace_has_the_shape_of_the_contract(invoke: Invoke) -> None:
    """One line, at least the promised keys."""
    out = invoke("trace", "c1", "--json").out
    assert out.count("\n") == 1
    assert json.loads(out).keys() >= set(CONTRACT.split())


def test_a_history_shows_what_a_revision_changed(invoke: Invoke, tmp_path: Path, backend: Scripted) -> None:
    """Line by line, but not the whole of the first."""
    out = invoke("history", "b.md").out
    assert backend.asked == [("history", ("b.md", str(tmp_path / "b.md"), None))]
    assert out.count("Five days.") == 1
    assert "    - Five days.\n    + Six days." in out
    assert "moved from ingestor:handbook/a.md" in out
    assert len(json.loads(invoke("history", "d1", "--json").out)["events"]) == 3


def test_tags_and_authors_are_told(invoke: Invoke, backend: Scripted) -> None:
    """Of a passage, and of each revision of a document; nothing where there are none."""
    assert "tagged" not in invoke("history", "b.md").out
    backend.answers["trace"] = TRACED.model_copy(update={"author": "Ann", "tags": ("Policy", "HR")})
    assert [line.split() for line in invoke("trace", "c1").out.splitlines() if "Ann" in line or "HR" in line] == [
        ["author:", "Ann"],
        ["tags:", "Policy,", "HR"],
    ]
    first, *others = PAST.events
    events = (first.model_copy(update={"author": "Ann"}), *others)
    backend.answers["history"] = PAST.model_copy(update={"tags": ("Policy",), "events": events})
    out = invoke("history", "b.md").out
    assert "tagged Policy\n" in out
    assert "revision 1 by Ann: " in out


def test_an_answer_says_of_each_passage_whether_it_stands(invoke: Invoke, backend: Scripted) -> None:
    """The same command, by the answer's id; what is not to be told apart is not."""
    passage = wire_reading.AnswerPassage(
        chunk_id="c1",
        document_id="d1",
        revision=2,
        standing="current",
        now=2,
        source="handbook",
        title="Refunds",
        uri="ingestor:handbook/refunds.md",
        url="",
    )
    changed = passage.model_copy(update={"standing": "changed", "now": 3})
    gone = {"now": None, "source": "", "title": "", "uri": ""}
    backend.answers["answer"] = wire_reading.AnswerReply(
        answer_id="answer-1",
        at=1_700_000_000.0,
        current=False,
        passages=(passage, changed, passage.model_copy(update={"standing": "unavailable", **gone})),
        asked_as="group:staff",
        question="How long?",
    )
    said = invoke("trace", "answer-1", "--as", "group:staff").out
    assert backend.asked == [("answer", ("answer-1", ("group:staff",)))]
    for words in (
        "to group:staff. Not all of it still stands.",
        "  How long?",
        "1. current",
        "2. changed: the document",
    ):
        assert words in said
    assert "  3. deleted, or hidden from this reader\n     chunk c1, revision 2\n" in said
    assert json.loads(invoke("trace", "answer-1", "--json").out)["passages"][1]["now"] == 3
    backend.answers["answer"] = UnknownId("There is no answer answer-1.")
    assert invoke("trace", "answer-1").code == 2


@pytest.mark.parametrize("command", ["trace", "history"])
def test_readers_are_passed_on_and_odd_ones_refused(command: str, invoke: Invoke, backend: Scripted) -> None:
    """Nobody is read as everybody by mistake; what is unknown ends with 2."""
    invoke(command, "d1", "--as", "user:ana, public")
    assert backend.asked[-1][1][-1] == ("user:ana", "public")
    assert invoke(command, "d1", "--as", "ana").code == 2
    backend.answers[command] = UnknownId("There is no such thing.")
    assert invoke(command, "d1").code == 2
