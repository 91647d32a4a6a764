"""PDFs with known text: nearly every word of it, in order, and nothing of what each page repeats."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing import clock
from ingestor.parsing.clock import Mark
from ingestor.parsing.pdf import parse_pdf
from tests.support import pdf_documents, pictures
from tests.support.pdf_documents import ALL

Parsed = Callable[[str, bytes], Document]


@pytest.mark.parametrize("name", ALL)
def test_every_word_is_found_in_order(parsed: Parsed, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are read one after the other, words that a line's end divides are whole, footnotes, cells, points and
    boxes are there; running titles and page numbers are not."""
    known = ALL[name]()
    text = parsed("a.pdf", known.content).text
    found, ordered = pictures.recall(text, known.truth)
    with capsys.disabled():
        print(f"\npdf, {name}: recall {found:.3f}, in order {ordered:.3f}")
    assert min(found, ordered) >= 0.98
    assert not known.absent or known.absent not in text.lower()
    assert len(pictures.tokens(text)) <= 1.02 * len(pictures.tokens(" ".join(known.truth)))


def shown(document: Document, kind: ElementKind) -> list[tuple[int | None, str]]:
    return [(e.page, document.text[e.start : e.end]) for e in document.elements if e.kind is kind]


def test_headings_points_and_pages_are_told(parsed: Parsed) -> None:
    """Chapters are headings with their pages, points are list items, and a sentence that runs over the end of a column
    is in one paragraph."""
    known = pdf_documents.two_columns()
    document = parsed("a.pdf", known.content)
    assert [text for _, text in shown(document, ElementKind.HEADING)] == [t for t in known.truth if "Chapter" in t]
    assert {page for page, _ in shown(document, ElementKind.PARAGRAPH)} == {1, 2, 3}
    paragraphs = [text for _, text in shown(document, ElementKind.PARAGRAPH)]
    assert [text for text in paragraphs if text[:1].islower()] == []
    points = shown(parsed("a.pdf", pdf_documents.nested_lists().content), ElementKind.LIST_ITEM)
    assert len(points) == 20


def test_rows_of_a_table_stay_together(parsed: Parsed) -> None:
    """Figures in columns are no columns of prose: a row is read across."""
    text = parsed("a.pdf", pdf_documents.tables().content).text
    assert "Sensor 7 49.50 21" in text
    assert "Article Price Stock" in text


def test_a_long_file_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time of ten thousand pages is not that of one; so often as it may, and no more."""
    told: list[Mark] = []
    monkeypatch.setattr(clock, "STRETCH", 2)
    monkeypatch.setattr(clock, "_process", clock._Process(tell=told.append, stretches=2))
    parse_pdf(ParseRequest(name="a.pdf", content=pictures.pdf([[f"Words of page {n}."] for n in range(9)])))
    assert told == [Mark.STRETCH] * 2


def test_text_without_an_end_is_cited_by_its_pages(parsed: Parsed) -> None:
    """A list of words in which nothing ends a paragraph begins a new one with every other page at the latest."""
    page = ["words upon words that fill the line and never come to any end of it"] * 50
    document = parsed("a.pdf", pictures.pdf([page] * 9))
    pages = [e.page or 0 for e in document.elements]
    assert pages == sorted(pages)
    assert len(set(pages)) >= 5
