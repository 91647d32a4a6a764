from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import known_office
import pytest

from ingestor.model import Document

Parsed = Callable[[str, bytes], Document]
MADE = {
    "letter.docx": known_office.docx,
    "strict.docx": lambda: known_office.docx(strict=True),
    "deck.pptx": known_office.pptx,
    "book.xlsx": known_office.xlsx,
}


@pytest.mark.parametrize("name", MADE)
def test_office_files_keep_their_words_and_their_order(name: str, parsed: Parsed) -> None:
    """Tables, nested lists, columns, notes, text boxes, groups, charts and broken words: nothing is lost, nothing
    stands twice, and every passage follows the one that a person reads before it."""
    content, passages = MADE[name]()
    document = parsed(name, content)
    elements = "\n".join(document.text[e.start : e.end] for e in document.elements)
    have, wanted = Counter(elements.split()), Counter("\n".join(passages).split())
    assert (have & wanted).total() >= 0.98 * wanted.total(), wanted - have
    assert have.total() <= 1.02 * wanted.total(), have - wanted
    position = 0
    for passage in passages:
        found = elements.find(passage, position)
        assert found >= 0, f"not where it should be: {passage!r}"
        position = found + len(passage)


def test_a_text_box_is_read_once_and_a_footnote_at_its_place(parsed: Parsed) -> None:
    """Word writes a text box twice, for old programs and for new ones; a note stands apart from what refers to it."""
    content, _ = known_office.docx()
    shown = [parsed("a.docx", content)]
    texts = [shown[0].text[e.start : e.end] for e in shown[0].elements]
    at = texts.index("Tail of 7.")
    assert texts[at : at + 3] == ["Tail of 7.", "Boxed remark 7.", "Footnote 7 says where mooring7 lies."]
    assert texts.count("Boxed remark 7.") == 1
    assert "Taken out" not in shown[0].text
    assert "separator" not in shown[0].text


def test_word_headings_open_sections_and_items_are_items(parsed: Parsed) -> None:
    """Styles tell headings and lists apart, however deep; a heading's section holds what follows."""
    content, _ = known_office.docx()
    document = parsed("a.docx", content)
    lists = [e for e in document.elements if e.section == ("Moorings", "Lists")]
    assert [e.kind.value for e in lists] == ["heading", *["list_item"] * 30, "table"]
    assert lists[-1].context == "Country | Berth | Fee"
    assert document.elements[0].section == ()
    assert document.elements[-1].section == ()


def test_a_paragraph_stands_on_the_page_where_it_begins(parsed: Parsed) -> None:
    """Word records where its pages broke; one that goes on over the break, one that begins behind it."""
    broken = "<w:r><w:t>Begins here, </w:t><w:lastRenderedPageBreak/><w:t>goes on there.</w:t></w:r>"
    behind = "<w:r><w:lastRenderedPageBreak/><w:t>Third page.</w:t></w:r>"
    content = known_office.word_of(f"<w:p>{broken}</w:p><w:p>{behind}</w:p>")
    document = parsed("a.docx", content)
    assert [(document.text[e.start : e.end], e.page) for e in document.elements] == [
        ("Begins here, goes on there.", 1),
        ("Third page.", 3),
    ]


def test_numbers_of_pages_and_taken_out_rows_are_no_text(parsed: Parsed) -> None:
    """A field that counts pages says another thing on each; a deleted row is not shown."""
    field = "".join(
        f"<w:r>{part}</w:r>"
        for part in (
            '<w:fldChar w:fldCharType="begin"/>',
            "<w:instrText> PAGE </w:instrText>",
            '<w:fldChar w:fldCharType="separate"/>',
            "<w:t>17</w:t>",
            '<w:fldChar w:fldCharType="end"/>',
        )
    )
    cells = "<w:tc><w:p><w:r><w:t>{0} one</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>{0} two</w:t></w:r></w:p></w:tc>"
    rows = f"<w:tr>{cells.format('kept')}</w:tr><w:tr><w:trPr><w:del/></w:trPr>{cells.format('gone')}</w:tr>"
    content = known_office.word_of(f"<w:p><w:r><w:t>Page </w:t></w:r>{field}</w:p><w:tbl>{rows}</w:tbl>")
    document = parsed("a.docx", content)
    assert document.text == "Page\n\nkept one | kept two"


def test_tables_of_pages_keep_their_columns_and_formulas_their_symbols(parsed: Parsed) -> None:
    """A cell that is merged over rows holds the place of what it covers; MathML is words, once."""
    page = (
        "<table><tr><th rowspan=2>Berth</th><th>Fee</th></tr><tr><td>seven</td></tr><tr><td>north</td><td>nine</td></tr>"
        "</table><p>So <math><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><annotation>a+1</annotation></math> ships.</p>"
    )
    document = parsed("a.html", page.encode())
    assert document.text == "Berth | Fee\n | seven\nnorth | nine\n\nSo a + 1 ships."
