"""From a file to a link that opens at the passage: parsed, cut and cited, format by format."""

from __future__ import annotations

from collections.abc import Callable

import parsing_samples
import pytest

from ingestor.chunking.cutter import SemanticCutter, Settings
from ingestor.model import ChunkId, DocId, Document, Hit, Passage
from ingestor.search.citations import place_url

Parsed = Callable[[str, bytes], Document]

MARKDOWN = b"# Fees\n\nThe harbour asks for a fee.\n\n## Refunds\n\nFlamingos travel for free.\n"
PAGE = b"<html><body><h1 id='fees'>Fees</h1><p>A fee.</p><h2 id='back'>Back</h2><p>Flamingos travel for free.</p></body></html>"
NO_IDS = (
    b"<html><body><h1>Fees</h1><p>Flamingos travel for free, all of them, on every day of the year.</p></body></html>"
)
OUTER_ID = b"<html><body><h1 id='fees'>Fees</h1><p>A fee.</p><h2>Back</h2><p>Flamingos travel for free, all of them.</p></body></html>"
PAGES = parsing_samples.pdf(
    [
        [(12, 700, "The harbour asks for a fee of each ship that stays at its quay for more than a night.")],
        [(12, 700, "Flamingos travel for free, all of them, and so do those who look after them on the way.")],
    ]
)
LINES = b"The harbour asks for a fee.\n\nFlamingos travel for free.\n"


def passage_with(document: Document, word: str) -> Passage:
    """Cut so small that it stands alone."""
    cut = SemanticCutter(Settings(target=40, limit=60)).cut(document)
    return next(passage for passage in cut if word in passage.text)


def link(document: Document, passage: Passage, url: str) -> str:
    hit = Hit(
        chunk_id=ChunkId("c"),
        document_id=DocId("d"),
        source="s",
        title="T",
        uri="ingestor:s/x",
        url=url,
        section=passage.section,
        page=passage.page,
        lines=passage.lines,
        span=(passage.start, passage.end),
        score=1.0,
        text=passage.text,
        revision=1,
        ingested_at=0.0,
        kind=document.kind,
        anchor=passage.anchor,
    )
    return place_url(hit)


@pytest.mark.parametrize(
    ("name", "content", "url", "place"),
    [
        ("a.txt", LINES, "file:///a.txt", "#L3-L3"),
        ("a.md", MARKDOWN, "file:///a.md", "#L5-L7"),
        ("a.md", MARKDOWN, "https://wiki/a", "#refunds"),
        ("a.html", PAGE, "https://wiki/a", "#back"),
        ("a.html", NO_IDS, "https://wiki/a", "#:~:text="),
        ("a.html", OUTER_ID, "https://wiki/a", "#:~:text=Back"),
        (
            "a.pdf",
            PAGES,
            "file:///a.pdf",
            "#page=2",
        ),
    ],
)
def test_a_link_opens_at_the_passage(parsed: Parsed, name: str, content: bytes, url: str, place: str) -> None:
    """Page, heading, words or lines, whichever the format has and its reader understands."""
    document = parsed(name, content)
    found = link(document, passage_with(document, "Flamingos"), url)
    assert found.startswith(url + place)


@pytest.mark.parametrize(("name", "word", "page"), [("refunds.pptx", "007", 2), ("refunds.xlsx", "2.5", 2)])
def test_slides_and_sheets_have_their_number(
    parsed: Parsed, samples: dict[str, bytes], name: str, word: str, page: int
) -> None:
    """No link leads into them, so the citation says which one."""
    document = parsed(name, samples[name])
    passage = passage_with(document, word)
    assert passage.page == page
    assert link(document, passage, f"file:///{name}") == f"file:///{name}"


def test_short_pages_are_cited_each_by_its_own_number(parsed: Parsed) -> None:
    """Slides that were printed to a PDF are no passage together, which would open at the first of them."""
    deck = [f"Flamingo {number} travels for free with all of its keepers." for number in range(1, 7)]
    document = parsed("a.pdf", parsing_samples.pdf([[(12, 700, line)] for line in deck]))
    cut = SemanticCutter().cut(document)
    assert [link(document, passage, "file:///a.pdf") for passage in cut] == [
        f"file:///a.pdf#page={number}" for number in range(1, 7)
    ]
