"""The pure parts of the command line: exit codes, progress phases, times, marks, safe text."""

from __future__ import annotations

import io

import pytest
from scripted_backend import HIT, run_reply

from ingestor.cli.hits import show, where, words_of
from ingestor.cli.outcome import exit_code, summary
from ingestor.cli.output import ago, clean, span
from ingestor.cli.progress import Bars, phase
from ingestor.service.replies import canonical
from ingestor.wire import Neighbour, Place, Progress, RunsReply, SearchReply


@pytest.mark.parametrize(
    ("outcomes", "signum", "code"),
    [
        ((), None, 0),
        (("ok", "ok"), None, 0),
        (("ok", "partial"), None, 1),
        (("partial", "held"), None, 3),
        (("unavailable", "ok"), None, 3),
        (("held", "failed"), None, 4),
        (("suspended", "failed"), 2, 130),
        (("suspended",), 15, 143),
        (("suspended",), None, 143),
        (("ok",), 2, 0),
    ],
)
def test_the_gravest_outcome_decides(outcomes: tuple[str, ...], signum: int | None, code: int) -> None:
    """A suspension comes before everything; work that was done in spite of a signal is done."""
    assert exit_code(RunsReply(runs=tuple(run_reply(outcome=outcome) for outcome in outcomes)), signum) == code


def test_new_failures_alone_are_1() -> None:
    """Whatever the outcome is called: a new document that could not be read is told."""
    assert exit_code(RunsReply(runs=(run_reply(failed=1),))) == 1


def test_a_summary_names_only_what_happened() -> None:
    """Zeros are left out, large numbers are grouped, an outcome other than ok stands in brackets."""
    (line,) = summary(RunsReply(runs=(run_reply(outcome="partial", updated=1200, failed=1),)))
    assert line.startswith("handbook [partial]: 1,200 updated, 1 failed; ")
    assert "nothing there" in summary(RunsReply(runs=(run_reply(),)))[0]
    assert "backfill FOLDER" in summary(RunsReply(runs=()))[0]


def test_the_canonical_line_is_flat() -> None:
    """Its fields are plain values, so that a log query can count them."""
    fields = canonical(run_reply(added=3))
    assert fields["added"] == 3
    assert all(isinstance(value, str | int | float) for value in fields.values())


@pytest.mark.parametrize(
    ("progress", "peak", "name", "done", "total"),
    [
        (Progress(), 0, "listing", 0, None),
        (Progress(documents=3, unchanged=1, failed=1, expected=10, to_embed=50), 50, "reading", 5, 10),
        (Progress(documents=10, expected=10, to_embed=30, to_index=40), 100, "indexing", 30, 100),
        (Progress(documents=10, expected=10, to_embed=30, to_index=40), 0, "indexing", 0, 70),
        (Progress(documents=10, expected=10), 100, "reading", 10, 10),
    ],
)
def test_the_bar_shows_documents_and_then_what_waits(
    progress: Progress, peak: int, name: str, done: int, total: int | None
) -> None:
    """What waits for its vectors counts once every document is committed."""
    now = phase(progress, peak)
    assert (now.name, now.done, now.total) == (name, done, total)


def test_bars_follow_several_sources() -> None:
    """Each source has a bar of its own through all its phases."""
    bars = Bars()
    for number in range(0, 11, 5):
        bars(Progress(source="a", documents=number, expected=10, to_embed=50))
        bars(Progress(source="b", documents=number))
    bars(Progress(source="a", documents=10, expected=10, to_embed=20))
    shown = {task.fields["source"]: (task.fields["phase"], task.completed, task.total) for task in bars.rich.tasks}
    assert shown == {"a": ("indexing", 30, 50), "b": ("listing", 10, None)}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.44, "0.4 s"), (12, "12 s"), (300, "5 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    """The largest unit that fits."""
    assert span(seconds) == text


def test_times_are_told_from_now() -> None:
    """Past, future, never."""
    assert (ago(100.0, now=400.0), ago(400.0, now=100.0), ago(None), ago(0.0)) == ("5 min ago", "in 5 min", "-", "-")


def test_text_of_documents_cannot_steer_the_terminal() -> None:
    """Escape sequences, carriage returns and direction marks are taken out; line breaks and tabs stay."""
    assert clean("a\x1b[2Jb\rc\r\nd\te\u202egnp\x9b1m\x00") == "a[2Jb\nc\nd\tegnp1m"


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("how long do refunds take", "The refund or Refunds take how-long", ["Refunds", "take", "how", "long"]),
        ("C++ (a|b) 809", "error 809 in a b C++", ["809"]),
        ("休暇", "有給 休暇制度", ["休暇制度"]),
        ("a b", "a b", []),
    ],
)
def test_the_words_of_the_query_are_marked(query: str, text: str, marked: list[str]) -> None:
    """Whole words and longer ones that begin with them; short words of Latin script not; no regex injection."""
    pattern = words_of(query)
    assert ([] if pattern is None else [match.group() for match in pattern.finditer(text)]) == marked


def test_a_place_is_page_or_lines() -> None:
    """In words, and empty where the format has neither."""
    assert where(HIT) == "lines 12-18"
    assert where(HIT.model_copy(update={"lines": (4, 4)})) == "line 4"
    assert where(HIT.model_copy(update={"lines": None, "page": 3})) == "page 3"
    assert where(HIT.model_copy(update={"lines": None})) == ""


def test_a_hit_of_an_attachment_names_its_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link opens the mail, so the line says whose attachment it is."""
    monkeypatch.setattr("sys.stdout", out := io.StringIO())
    show(SearchReply(query="x", took_ms=1, hits=(HIT.model_copy(update={"parent": "u", "parent_title": "Offer"}),)))
    assert "handbook, lines 12-18, attached to Offer" in out.getvalue()


def test_a_hit_says_who_wrote_it_and_its_first_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are any; of many tags eight, and how many more."""
    monkeypatch.setattr("sys.stdout", out := io.StringIO())
    tagged = HIT.model_copy(update={"author": "Ann", "tags": tuple(f"t{n}" for n in range(10))})
    show(SearchReply(query="x", took_ms=1, hits=(tagged, HIT)))
    assert "lines 12-18, by Ann, tagged t0, t1, t2, t3, t4, t5, t6, t7 and 2 more\n" in out.getvalue()
    assert (out.getvalue().count(", by "), out.getvalue().count("tagged")) == (1, 1)


def test_what_stands_around_a_hit_and_where_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the document; other places beneath."""
    monkeypatch.setattr("sys.stdout", out := io.StringIO())
    beside = {"chunk_id": "c", "section": (), "page": None, "lines": None, "span": (0, 1)}
    place = {key: value for key, value in HIT.model_dump().items() if key in Place.model_fields}
    hit = HIT.model_copy(
        update={
            "before": (Neighbour(text="Before.", **beside),),
            "after": (Neighbour(text="After.", **beside),),
            "also": (Place(**{**place, "url": "file:///copy.md"}),),
        }
    )
    show(SearchReply(query="x", took_ms=1, hits=(hit,)))
    assert [line.strip() for line in out.getvalue().splitlines()[2:]] == [
        "Before.",
        "A refund takes",
        "five working days.",
        "After.",
        "also in file:///copy.md  handbook, lines 12-18",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_hits_have_links_and_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OSC 8 link to the place, the query's words in bold; with NO_COLOR the same text without colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", coloured := Terminal())
    reply = SearchReply(query="refund days", took_ms=1, hits=(HIT, HIT))
    show(reply)
    assert "]8;" in coloured.getvalue()
    assert HIT.url in coloured.getvalue()
    assert "\x1b[1;33mrefund\x1b[0m" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", plain := Terminal())
    show(reply)
    assert "33m" not in plain.getvalue()
    assert "five working" in plain.getvalue()
