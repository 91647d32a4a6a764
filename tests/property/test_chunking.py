"""Properties of cutting that hold for every document: whole, disjoint, bounded, deterministic, local."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.chunking import SemanticCutter, Settings
from ingestor.chunking.length import length
from ingestor.model import Document, Element, ElementKind, Passage

_ALPHABET = "abc Abc xyz, Dr. 3.5 e.g. [1] (a) | \t\n -:;!?…“” 他来了。「は」はい。 यह है। مرحبا؟ ж é \U0001f600 \u0301 \\n ](x) # > ``` https://x.y"
_WORDS = [*_ALPHABET.split(" "), " ", "\n", "\n\n", "\t"]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any sequence of elements over text of many scripts and much punctuation, with gaps of white space or markup."""
    text = draw(st.sampled_from(["", " ", "\n\n"]))
    elements = []
    page = 1
    for _ in range(draw(st.integers(0, 12))):
        words = draw(st.lists(st.sampled_from(_WORDS), max_size=draw(st.sampled_from([3, 40, 400]))))
        content = draw(st.sampled_from(["", " "])).join(words)
        kind = draw(st.sampled_from(list(ElementKind)))
        page += draw(st.sampled_from([0, 0, 0, 1]))
        elements.append(
            Element(
                kind=kind,
                start=len(text),
                end=len(text) + len(content),
                page=page,
                level=draw(st.integers(1, 6)) if kind is ElementKind.HEADING else None,
            )
        )
        text += content + draw(st.sampled_from(["", "\n", "\n\n", "\n<!-- a gap of markup -->\n"]))
    kind = draw(st.sampled_from(["text", "pdf", "pptx"]))
    return Document(text=text, elements=tuple(elements), title="", kind=kind, has_lines=True)


@given(documents(), st.sampled_from([(750, 1200), (300, 400), (100, 150)]))
@settings(max_examples=150, deadline=None)
def test_passages_are_whole_units_in_order(document: Document, sizes: tuple[int, int]) -> None:
    """Spans are disjoint, ascending and made of whole units; they cover all of the elements that is no white
    space; no chunk is above the limit; the same document gives the same passages."""
    cutter = SemanticCutter(Settings(target=sizes[0], limit=sizes[1]))
    passages = cutter.cut(document)
    at = 0
    covered = bytearray(len(document.text))
    for passage in passages:
        assert at <= passage.start < passage.end
        at = passage.end
        assert passage.text == document.text[passage.start : passage.end]
        assert (passage.start, passage.end) == (passage.units[0].start, passage.units[-1].end)
        assert passage.length <= sizes[1]
        assert passage.lines is not None
        assert passage.lines[0] == document.text.count("\n", 0, passage.start) + 1
        assert passage.lines[1] == document.text.count("\n", 0, passage.end) + 1
        inside = passage.start
        for unit in passage.units:
            assert inside <= unit.start < unit.end
            inside = unit.end
            assert unit.text.strip()
            assert unit.weight == length(unit.text)
            covered[unit.start : unit.end] = b"\1" * (unit.end - unit.start)
    for element in document.elements:
        for index in range(element.start, element.end):
            assert covered[index] or document.text[index].isspace()
    assert cutter.cut(document) == passages


def _of(text: str) -> Document:
    """Paragraphs between blank lines; lines that open with a hash are headings."""
    elements = []
    at = 0
    for block in text.split("\n\n"):
        kind = ElementKind.HEADING if block.startswith("#") else ElementKind.PARAGRAPH
        elements.append(Element(kind=kind, start=at, end=at + len(block), level=1 if block.startswith("#") else None))
        at += len(block) + 2
    return Document(text=text, elements=tuple(elements), title="", kind="text")


def _handbook(seed: int, sentences: int, *, headings: bool) -> str:
    """Made-up prose in paragraphs of one to six sentences."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvwz", k=rng.randint(2, 10))) for _ in range(800)]
    blocks: list[str] = []
    left = sentences
    while left > 0:
        if headings and rng.random() < 0.15:
            blocks.append("# " + " ".join(rng.choices(words, k=3)).capitalize())
        count = rng.randint(1, 6)
        left -= count
        blocks.append(
            " ".join(" ".join(rng.choices(words, k=rng.randint(5, 25))).capitalize() + "." for _ in range(count))
        )
    return "\n\n".join(blocks)


_CORPORA = {
    "headings": _handbook(1, 3000, headings=True),
    "paragraphs": _handbook(2, 3000, headings=False),
    "one paragraph": _handbook(3, 3000, headings=False).replace("\n\n", " "),
    "alike, numbered": " ".join(f"Alike sentence number {i} says what all the others say." for i in range(10_000)),
    "alike, equal": " ".join(["This sentence says what all the others say, word for word."] * 10_000),
    "alike, equal paragraphs": "\n\n".join(["This paragraph says what all the others say, word for word."] * 10_000),
    "alike, periodic": " ".join(f"On day {i % 7} of the week the office opens at nine." for i in range(10_000)),
}


def _difference(before: tuple[Passage, ...], after: tuple[Passage, ...]) -> tuple[int, int, int]:
    """(chunks that leave, chunks that come, units to embed)."""
    old, new = Counter(p.text for p in before), Counter(p.text for p in after)
    known = {unit.text for p in before for unit in p.units}
    units = {unit.text for p in after for unit in p.units} - known
    return sum((old - new).values()), sum((new - old).values()), len(units)


@pytest.mark.parametrize("name", _CORPORA)
def test_an_inserted_sentence_changes_little(name: str) -> None:
    """A sentence put in anywhere changes at most four chunks and embeds one unit, also in 10,000 alike units
    without headings."""
    text = _CORPORA[name]
    cutter = SemanticCutter()
    before = cutter.cut(_of(text))
    units = [unit for passage in before for unit in passage.units]
    rng = random.Random(name)
    for place in (0, len(units) - 1, *(rng.randrange(len(units)) for _ in range(8))):
        at = units[place].start
        if text[at] == "#":
            continue
        sentence = f"Somebody put in sentence {rng.randrange(10**6)} while nobody was looking. "
        gone, come, embedded = _difference(before, cutter.cut(_of(text[:at] + sentence + text[at:])))
        assert max(gone, come) <= 4
        assert embedded == 1


@pytest.mark.parametrize("name", _CORPORA)
def test_an_edited_sentence_changes_little(name: str) -> None:
    """A word put into a sentence changes at most four chunks and embeds at most two units."""
    text = _CORPORA[name]
    cutter = SemanticCutter()
    before = cutter.cut(_of(text))
    units = [unit for passage in before for unit in passage.units]
    rng = random.Random(name)
    for place in (0, len(units) - 1, *(rng.randrange(len(units)) for _ in range(8))):
        at = text.index(" ", units[place].start)
        gone, come, embedded = _difference(before, cutter.cut(_of(text[:at] + " really" + text[at:])))
        assert max(gone, come) <= 4
        assert embedded <= 2
