"""``eval``: what it asks, what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_backend import HIT, Invoke, Scripted

from ingestor import wire, wire_reading
from ingestor.evaluation.generate import Generated

ANSWER = "A refund takes five working days."


@pytest.fixture
def questions(tmp_path: Path) -> str:
    lines = [
        {"question": "how long", "answer": ANSWER},
        {"question": "and why", "answer": "Because the bank needs them.", "path": "why.md"},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return str(file)


def test_every_question_is_asked_in_every_mode(invoke: Invoke, backend: Scripted, questions: str) -> None:
    """For ten hits, as the given reader; the table has a row a mode."""
    result = invoke("eval", questions, "--as", "group:staff")
    asked = [request for name, request in backend.asked if name == "search"]
    assert [(request.mode, request.query) for request in asked] == [
        (mode, query) for mode in ("hybrid", "dense", "keyword") for query in ("how long", "and why")
    ]
    assert {(request.top, request.principals) for request in asked} == {(10, ("group:staff",))}
    assert [line.split()[0] for line in result.out.splitlines()[2:]] == ["hybrid", "dense", "keyword"]
    assert "50.0 [0, 100]" in result.out


def test_json_has_marks_with_intervals_and_reasons(invoke: Invoke, backend: Scripted, questions: str) -> None:
    """What is in the ledger under no words was never ingested, or is stale where the named file says so."""
    backend.answers["why"] = wire_reading.WhyReply(path="why.md", verdict="It has changed.", stale=True)
    reply = json.loads(invoke("eval", questions, "--mode", "hybrid", "--explain", "--json").out)
    assert reply["questions"] == 2
    (hybrid,) = reply["modes"]
    assert hybrid["mode"] == "hybrid"
    assert hybrid["recall_5"] == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert reply["missed"] == [{"question": "and why", "mode": "hybrid", "reason": "stale"}]


def test_a_passage_further_down_is_badly_ranked(invoke: Invoke, backend: Scripted, questions: str) -> None:
    """It comes up when more hits are asked for."""

    def answer(request: wire.SearchRequest) -> wire.SearchReply:
        late = HIT.model_copy(update={"text": "Because the bank needs them."})
        hits = (HIT, late) if request.top > 10 else (HIT,)
        return wire.SearchReply(query=request.query, took_ms=1.0, hits=hits)

    backend.answers["search"] = answer
    result = invoke("eval", questions, "--mode", "dense", "--explain")
    assert "dense" in result.out
    assert "badly_ranked" in result.out


def test_a_file_that_cannot_be_read_is_a_sentence(invoke: Invoke, tmp_path: Path) -> None:
    """And a wrong line is named."""
    assert invoke("eval", str(tmp_path / "none.jsonl")).code == 2
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("no json\n")
    result = invoke("eval", str(wrong))
    assert (result.code, "line 1" in result.err) == (2, True)


def test_two_searches_are_compared_question_by_question(
    invoke: Invoke, backend: Scripted, questions: str, tmp_path: Path
) -> None:
    """What --json printed before says by how much this one finds more, and whether that may be chance."""
    before = tmp_path / "before.json"
    before.write_text(invoke("eval", questions, "--json").out)
    found = HIT.model_copy(update={"text": f"{ANSWER} Because the bank needs them."})
    backend.answers["search"] = lambda request: wire.SearchReply(query=request.query, took_ms=1.0, hits=(found,))
    reply = json.loads(invoke("eval", questions, "--mode", "dense", "--against", str(before), "--json").out)
    (dense,) = reply["against"]
    assert (dense["mode"], dense["better"], dense["recall_text"]["mean"]) == ("dense", "neither", 0.5)
    assert [each["recall_text"] for each in reply["each"]] == [1.0, 1.0]
    shown = invoke("eval", questions, "--against", str(before)).out
    assert shown.count("the difference may be chance") == 3
    assert "50.0 [0, 100]" in shown


def test_what_cannot_be_compared_is_said_before_anything_is_asked(
    invoke: Invoke, backend: Scripted, questions: str, tmp_path: Path
) -> None:
    """A file of something else, of other questions, of other modes."""
    before, other = tmp_path / "before.json", tmp_path / "other.jsonl"
    before.write_text(invoke("eval", questions, "--mode", "keyword", "--json").out)
    other.write_text(json.dumps({"question": "another", "answer": ANSWER}))
    asked = len(backend.asked)
    for arguments, sentence in (
        ((questions, "--against", questions), "is not what"),
        ((str(other), "--against", str(before)), "other questions"),
        ((questions, "--against", str(before), "--mode", "dense"), "other questions or modes"),
        ((questions, "--against", str(tmp_path / "none")), "cannot be read"),
    ):
        result = invoke("eval", *arguments)
        assert (result.code, sentence in result.err) == (2, True), result.err
    assert len(backend.asked) == asked


def test_short_passages_are_judged_by_as_much_text(invoke: Invoke, backend: Scripted, questions: str) -> None:
    """Where ten hits hold less than 4,000 characters, more of them are asked for."""
    backend.answers["search"] = lambda request: wire.SearchReply(query=request.query, took_ms=1.0, hits=(HIT,) * 10)
    invoke("eval", questions, "--mode", "dense")
    assert [request.top for name, request in backend.asked if name == "search"] == [10, 60, 10, 60]


def test_a_file_is_asked_with_and_without_the_word(invoke: Invoke, backend: Scripted, questions: str) -> None:
    """`eval FILE` is `eval ask FILE`, options before it or behind; `eval --help` is about both commands."""
    short = invoke("eval", "--mode", "dense", questions).out
    assert short == invoke("eval", "ask", questions, "--mode", "dense").out
    said = invoke("eval", "--help").out
    assert "ask" in said
    assert "generate" in said


def test_questions_are_made_a_line_each(invoke: Invoke, backend: Scripted) -> None:
    """What is said about them goes elsewhere than the lines; what is not known is left out."""
    one = Generated(question="Refunds: how long?", answer=ANSWER, path="", uri="ingestor:handbook/refunds.md")
    backend.answers["generate"] = (one,)
    made = invoke("eval", "generate", "--count", "7", "--seed", "3", "--source", "handbook", "--as", "public")
    assert backend.asked == [("generate", (7, 3, ("handbook",), ("public",)))]
    assert json.loads(made.out) == {"question": one.question, "answer": ANSWER, "uri": one.uri}
    assert "1 questions" in made.err
    assert "easier than what people ask" in made.err
    backend.answers["generate"] = ()
    assert invoke("eval", "generate").code == 2
